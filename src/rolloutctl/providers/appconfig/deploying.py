"""Brings a document into force at once, and waits until it is.

SAFETY: StartDeployment names the newest deployment that was seen. Whatever was deployed in
between, a kill too, makes AWS refuse it (409): no older write lands after a newer one.
"""

from __future__ import annotations

from typing import Any

from rolloutctl.clock import SystemClock
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, TakenBack, Unavailable
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.reading import IN_FLIGHT, OURS, UNDONE
from rolloutctl.providers.appconfig.strategy import ONCE, Strategy
from rolloutctl.providers.appconfig.versions import described

#: AWS's own strategy for everybody at once; its bake of 10 minutes blocks the next one.
BAKING_STRATEGY = "AppConfig.AllAtOnce"
#: Between two looks at a running deployment.
POLL_S = 0.5
#: Pages of strategies; an account may have 20.
PAGES_MAX = 5


def strategy_id(api: Api, *, is_kill: bool = False) -> str:
    """The 0-minute, 0-bake strategy, made once for an account and region.

    A kill takes AWS's own `AllAtOnce` where ours can be neither found nor made: everybody
    gets the control as fast, and only the next deployment has to wait for the bake.
    """
    try:
        return own_strategy_id(api, ONCE)
    except RolloutctlError:
        if is_kill:
            return BAKING_STRATEGY
        raise


def own_strategy_id(api: Api, strategy: Strategy) -> str:
    """Its id: AWS's own, or one found by name and shape, or made: an account may have 20."""
    if strategy.aws_id:
        return strategy.aws_id
    made = (
        found_strategy_id(api, strategy)
        or api.write(
            "create_deployment_strategy",
            Name=strategy.name,
            Description="made by rolloutctl, and used again",
            DeploymentDurationInMinutes=strategy.minutes,
            FinalBakeTimeInMinutes=strategy.bake_minutes,
            GrowthFactor=float(strategy.percent),
            GrowthType=strategy.growth,
            ReplicateTo="NONE",
        )["Id"]
    )
    return str(made)


def found_strategy_id(api: Api, strategy: Strategy) -> str:
    """The id of one of ours that was made before; "" where it has yet to be."""
    token: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        page = api.read("list_deployment_strategies", MaxResults=50, **token)
        for one in page.get("Items", []):
            minutes = (one["DeploymentDurationInMinutes"], one["FinalBakeTimeInMinutes"])
            shape = (*minutes, float(one["GrowthFactor"]), one.get("GrowthType", "LINEAR"))
            # SAFETY: by what it does too; somebody may have edited the one with our name.
            if one["Name"] == strategy.name and shape == strategy.shape:
                return str(one["Id"])
        if not page.get("NextToken"):
            return ""
        token = {"NextToken": page["NextToken"]}
    return ""


def deploy(api: Api, version: str, *, latest: int, strategy: str, what: str) -> int:
    """Starts the deployment and waits until everybody is served it. Its number.

    Raises:
        Conflict: another deployment runs, or the newest is not `latest`.
        TakenBack: an alarm made AppConfig roll it back; it is named.
        Rejected: it was rolled back for another reason.
        Unavailable: started, but not seen to be in force in time.
    """
    started = _started(api, version, latest=latest, strategy=strategy, what=what)
    number = int(started["DeploymentNumber"])
    _raise_if_undone(wait(api, number, started), number)
    return number


def begin(api: Api, version: str, *, latest: int, strategy: str, what: str) -> int:
    """Starts a deployment that AppConfig grows, and waits for nobody. Its number.

    Raises as `deploy`, where AppConfig took it back at once.
    """
    started = _started(api, version, latest=latest, strategy=strategy, what=what)
    number = int(started["DeploymentNumber"])
    if started["State"] in UNDONE:
        _raise_if_undone(started, number)
    return number


def _started(
    api: Api, version: str, *, latest: int, strategy: str, what: str
) -> dict[str, Any]:  # Any: AWS's answer
    return api.write(
        "start_deployment",
        **api.place,
        DeploymentStrategyId=strategy,
        ConfigurationProfileId=api.profile["ConfigurationProfileId"],
        ConfigurationVersion=version,
        LatestDeploymentNumber=latest,
        Description=described(what),
    )


def _raise_if_undone(seen: dict[str, Any], number: int) -> None:  # Any: AWS's answer
    if seen["State"] not in {"COMPLETE", "BAKING"}:
        message = f"deployment {number} is {seen['State']}: {why_undone(seen)}"
        raise (TakenBack if _is_by_alarm(seen) else Rejected)(message, hint=_UNDO)


_UNDO = (
    "see the alarm: aws cloudwatch describe-alarms; it undoes safe deployments too until it is"
    " OK or its actions are off: aws cloudwatch disable-alarm-actions --alarm-names NAME"
)


def wait(api: Api, number: int, seen: dict[str, Any]) -> dict[str, Any]:  # Any: AWS's answer
    """Looks until the deployment serves everybody, or is undone."""
    while seen["State"] in IN_FLIGHT and seen["State"] != "BAKING":
        if api.remaining_s <= POLL_S:
            raise Unavailable(
                f"deployment {number} is still {seen['State']}; it may yet be served",
                hint=f"aws appconfig get-deployment --deployment-number {number} …",
                may_have_landed=True,
            )
        SystemClock().sleep(POLL_S)
        try:
            seen = api.read("get_deployment", **api.place, DeploymentNumber=number)
        except (Unavailable, NotFound):
            continue  # it was started: the deadline ends this, not one lost look
    return seen


def stop_ours(
    api: Api,
    flight: dict[str, Any],  # Any: AWS's answer
    *,
    is_any: bool = False,
) -> bool:
    """Stops a deployment of ours and waits until AppConfig has taken it back.

    False, and nothing is stopped, where it is another profile's or somebody else's, unless
    `is_any` says that whoever kills was told to stop those too.
    """
    is_profile = flight.get("ConfigurationProfileId") == api.profile["ConfigurationProfileId"]
    is_ours = is_profile and str(flight.get("Description", "")).startswith(OURS)
    if not is_ours and not is_any:
        return False
    number = int(flight["DeploymentNumber"])
    if flight["State"] != "ROLLING_BACK":
        # Without AllowRevert a baking deployment cannot be stopped.
        flight = api.write(
            "stop_deployment", **api.place, DeploymentNumber=number, AllowRevert=True
        )
    wait(api, number, flight)
    return True


def _is_by_alarm(seen: dict[str, Any]) -> bool:  # Any: AWS's answer
    return any(
        event.get("EventType") == "ROLLBACK_STARTED"
        and event.get("TriggeredBy") == "CLOUDWATCH_ALARM"
        for event in seen.get("EventLog", [])
    )


def why_undone(deployment: dict[str, Any]) -> str:  # Any: AWS's answer
    """Who undid it, from its event log."""
    for event in deployment.get("EventLog", []):
        if event.get("EventType") in {"ROLLBACK_STARTED", "REVERT_COMPLETED"}:
            by = event.get("TriggeredBy", "?")
            return f"by {by}: {event.get('Description', '')}".rstrip(": ")
    return "its event log does not say why"
