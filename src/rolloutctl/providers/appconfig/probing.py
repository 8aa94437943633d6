"""What stands in the way of a rollout, found by reading only: who acts, place, alarms, flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.appconfig.account import Account
from rolloutctl.providers.appconfig.alarms import query_alarms
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.deploying import found_strategy_id
from rolloutctl.providers.appconfig.flag import VARIANTS, killed
from rolloutctl.providers.appconfig.permissions import query_caller
from rolloutctl.providers.appconfig.place import is_switch, is_whole, spec_of
from rolloutctl.providers.appconfig.reading import View, blocking, read
from rolloutctl.providers.appconfig.strategy import ONCE, Strategy, parse_strategy
from rolloutctl.providers.appconfig.whole import WholeView, read_whole, version_of

_FLAGS = "AWS.AppConfig.FeatureFlags"

_STEPS = (
    "each step is a hosted version, deployed at once;"
    " applications need the AppConfig Agent to see variants"
)
_WHOLE = "AppConfig's own strategy grows a version: it can be stopped, and not be held"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where it would be written, as AppConfig answers (Any: AWS's answers)."""

    profile: Mapping[str, Any]
    environment: Mapping[str, Any]
    strategies: Mapping[str, str]


def findings(target: Target, api: Api) -> Sequence[Finding]:
    """Profile, environment, flag, what is running now; who acts and may it; and alarms."""
    place: _Place | None = None
    try:
        place = _read_place(api, target)
        about = _about_place(place, is_whole=is_whole(target))
        rest = (
            _whole(api, read_whole(api, target)) if is_whole(target) else _flag(read(api, target))
        )
        found = [*about, *rest]
    except (NotFound, Rejected) as error:
        found = [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]
    # Last: what only tells more must not take the time of what a rollout needs.
    account = Account(spec_of(target), limit_s=api.remaining_s)
    caller = query_caller(
        account,
        spec_of(target),
        strategies=None if place is None else place.strategies,
        unused=() if place is None else _unused(place, target),
    )
    alarms = () if place is None else query_alarms(account, place.environment)
    return [*found, *caller, *alarms]


def _read_place(api: Api, target: Target) -> _Place:
    profile = api.read("get_configuration_profile", **api.profile)
    environment = api.read("get_environment", **api.place)
    return _Place(profile=profile, environment=environment, strategies=_strategies(api, target))


def _strategies(api: Api, target: Target) -> Mapping[str, str]:
    """Our own strategies that this target uses: name -> id, "" where it has yet to be made."""
    wanted: list[Strategy] = [ONCE]  # a kill and a way back are always at once
    if is_whole(target):
        wanted.append(parse_strategy(spec_of(target).strategy))
    return {one.name: found_strategy_id(api, one) for one in wanted if not one.aws_id}


def _unused(place: _Place, target: Target) -> frozenset[str]:
    """Actions of the documented policy that this target does without."""
    unused = {"ValidateConfiguration"}
    if is_whole(target):
        unused = {"ListHostedConfigurationVersions", "CreateHostedConfigurationVersion"}
        if not place.profile.get("Validators"):
            unused.add("ValidateConfiguration")
    if all(place.strategies.values()):
        unused.add("CreateDeploymentStrategy")
    return frozenset(unused)


def _about_place(place: _Place, *, is_whole: bool) -> Iterator[Finding]:
    profile = place.profile
    name, kind = profile.get("Name", "?"), profile.get("Type", "AWS.Freeform")
    is_driven = is_whole or kind == _FLAGS
    if not is_driven or profile.get("LocationUri") != "hosted":
        yield Finding(
            severity=Severity.REFUSE,
            message=f"profile {name} is {kind} at {profile.get('LocationUri')}",
            hint=f"only hosted profiles can be driven, with a flag of type {_FLAGS}",
        )
    where = f"{place.environment.get('Name')} / {name}"
    what = _WHOLE if is_whole else _STEPS
    yield Finding(severity=Severity.OK, message=f"AppConfig: {where}; {what}")


def _whole(api: Api, view: WholeView) -> Iterator[Finding]:
    """The growth, its versions as AWS validates them, and what is running now."""
    spec = spec_of(view.target)
    strategy = parse_strategy(spec.strategy)
    if view.seen.in_flight is not None:
        yield _nothing_now(view.seen.in_flight)
    for arm in (view.target.control, view.target.canary):
        number = version_of(arm)
        api.read("get_hosted_configuration_version", **api.profile, VersionNumber=int(number))
    profile = api.read("get_configuration_profile", **api.profile)
    if profile.get("Validators"):
        canary = version_of(view.target.canary)
        api.read("validate_configuration", **api.profile, ConfigurationVersion=canary)
    yield Finding(
        severity=Severity.OK,
        message=f"{strategy.name} grows it over {strategy.minutes} min, then bakes"
        f" {strategy.bake_minutes} min, while nothing else can be deployed to the environment",
    )


def _nothing_now(flight: dict[str, Any]) -> Finding:  # Any: AWS's answer
    return Finding(
        severity=Severity.REFUSE,
        message=f"nothing can be deployed now: {blocking(flight)}",
        hint="wait for its end",
    )


def _flag(view: View) -> Iterator[Finding]:
    if view.in_flight is not None:
        yield _nothing_now(view.in_flight)
    killed(view.value, view.target)  # Rejected where the kill switch would not work
    canary = view.target.canary.value
    names = [one.get("name") for one in view.value.get(VARIANTS, ())]
    if not is_switch(view.target) and canary not in names:
        yield Finding(
            severity=Severity.REFUSE,
            message=f"the flag has no variant {canary!r}",
            hint="add it in AppConfig, last but one, with a rule that reaches nobody",
        )
