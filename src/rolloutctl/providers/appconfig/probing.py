"""What stands in the way of a rollout, found by reading only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.flag import VARIANTS, killed
from rolloutctl.providers.appconfig.place import is_switch, is_whole, spec_of
from rolloutctl.providers.appconfig.reading import View, blocking, read
from rolloutctl.providers.appconfig.strategy import parse_strategy
from rolloutctl.providers.appconfig.whole import WholeView, read_whole, version_of

_FLAGS = "AWS.AppConfig.FeatureFlags"

_STEPS = (
    "each step is a hosted version, deployed at once;"
    " applications need the AppConfig Agent to see variants"
)
_WHOLE = "AppConfig's own strategy grows a version: it can be stopped, and not be held"


def findings(target: Target, api: Api) -> Sequence[Finding]:
    """Profile, environment, flag, and what is running now."""
    try:
        if is_whole(target):
            return [*_place(api, is_whole=True), *_whole(api, read_whole(api, target))]
        return [*_place(api), *_flag(read(api, target))]
    except (NotFound, Rejected) as error:
        return [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]


def _place(api: Api, *, is_whole: bool = False) -> Iterator[Finding]:
    profile = api.read("get_configuration_profile", **api.profile)
    name, kind = profile.get("Name", "?"), profile.get("Type", "AWS.Freeform")
    is_driven = is_whole or kind == _FLAGS
    if not is_driven or profile.get("LocationUri") != "hosted":
        yield Finding(
            severity=Severity.REFUSE,
            message=f"profile {name} is {kind} at {profile.get('LocationUri')}",
            hint=f"only hosted profiles can be driven, with a flag of type {_FLAGS}",
        )
    environment = api.read("get_environment", **api.place)
    yield Finding(
        severity=Severity.OK,
        message=f"AppConfig: {environment.get('Name')} / {name}; {_WHOLE if is_whole else _STEPS}",
    )
    if monitors := environment.get("Monitors"):
        arns = ", ".join(str(one["AlarmArn"]) for one in monitors)
        yield Finding(
            severity=Severity.WARN,
            message=f"AppConfig itself rolls back, a rollback or kill too, unless OK: {arns}",
            hint="see that they are OK: aws cloudwatch describe-alarms",
        )


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
