"""What stands in the way of a rollout, found by reading only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.flag import VARIANTS, killed
from rolloutctl.providers.appconfig.place import is_switch
from rolloutctl.providers.appconfig.reading import View, blocking, read

_FLAGS = "AWS.AppConfig.FeatureFlags"


def findings(target: Target, api: Api) -> Sequence[Finding]:
    """Profile, environment, flag, and what is running now."""
    try:
        return [*_place(api), *_flag(read(api, target))]
    except (NotFound, Rejected) as error:
        return [Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)]


def _place(api: Api) -> Iterator[Finding]:
    profile = api.read("get_configuration_profile", **api.profile)
    name, kind = profile.get("Name", "?"), profile.get("Type", "AWS.Freeform")
    if kind != _FLAGS or profile.get("LocationUri") != "hosted":
        yield Finding(
            severity=Severity.REFUSE,
            message=f"profile {name} is {kind} at {profile.get('LocationUri')}",
            hint=f"only hosted profiles of type {_FLAGS} can be driven",
        )
    environment = api.read("get_environment", **api.place)
    yield Finding(
        severity=Severity.OK,
        message=f"AppConfig: {environment.get('Name')} / {name}; each step is a hosted version,"
        " deployed at once; applications need the AppConfig Agent to see variants",
    )
    if monitors := environment.get("Monitors"):
        arns = ", ".join(str(one["AlarmArn"]) for one in monitors)
        yield Finding(
            severity=Severity.WARN,
            message=f"AppConfig itself rolls back, a rollback or kill too, unless OK: {arns}",
            hint="see that they are OK: aws cloudwatch describe-alarms",
        )


def _flag(view: View) -> Iterator[Finding]:
    if view.in_flight is not None:
        yield Finding(
            severity=Severity.REFUSE,
            message=f"nothing can be deployed now: {blocking(view.in_flight)}",
            hint="wait for its end",
        )
    killed(view.value, view.target)  # Rejected where the kill switch would not work
    canary = view.target.canary.value
    names = [one.get("name") for one in view.value.get(VARIANTS, ())]
    if not is_switch(view.target) and canary not in names:
        yield Finding(
            severity=Severity.REFUSE,
            message=f"the flag has no variant {canary!r}",
            hint="add it in AppConfig, last but one, with a rule that reaches nobody",
        )
