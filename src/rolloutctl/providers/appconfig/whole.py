"""Whole hosted versions, grown by AppConfig itself: what is in force, apply, restore, kill.

The arms are numbers of hosted versions, which never change. While AppConfig grows the
canary, the target counts as serving it: nobody is sure to have the control any more.
AppConfig can neither hold nor speed up a growth. It can only be stopped, which brings the
version before back; a completed deployment is never reverted, the control is deployed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rolloutctl.clock import SystemClock
from rolloutctl.core.answers import Observation, Receipt
from rolloutctl.core.exposure import FULL_BP, ZERO, Exposure, describe, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Arm, Target
from rolloutctl.core.units import format_duration
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.appconfig.api import Api
from rolloutctl.providers.appconfig.deploying import (
    begin,
    deploy,
    own_strategy_id,
    stop_ours,
    strategy_id,
    why_undone,
)
from rolloutctl.providers.appconfig.killing import in_the_way
from rolloutctl.providers.appconfig.place import format_address, spec_of
from rolloutctl.providers.appconfig.reading import (
    OURS,
    UNDONE,
    Deployments,
    blocking,
    ends_at,
    look,
)
from rolloutctl.providers.appconfig.strategy import LATE_S, parse_strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeView:
    """One consistent look at `now`."""

    now: datetime
    seen: Deployments
    target: Target

    @property
    def number(self) -> str:
        """The hosted version that is in force, or that grows."""
        return str(self.seen.deployment["ConfigurationVersion"])

    @property
    def version(self) -> str:
        """Moves with every deployment, and when one is undone."""
        return f"{self.seen.latest}.{self.seen.deployment['DeploymentNumber']}"

    @property
    def is_moving(self) -> bool:
        """A deployment of this profile has not reached everybody, or is taken back."""
        flight = self.seen.in_flight
        if flight is None or flight["State"] == "BAKING":
            return False
        return bool(flight.get("ConfigurationProfileId") == spec_of(self.target).profile)

    @property
    def percent(self) -> int:
        """How far AppConfig says a growth is; 100 where nothing grows."""
        flight = self.seen.in_flight if self.is_moving else None
        return round(flight.get("PercentageComplete") or 0) if flight is not None else 100

    @property
    def trouble(self) -> str:
        """Why what is served cannot be said in the two arms; "" if it can."""
        flight = self.seen.in_flight
        if flight is not None and self.is_moving:
            what = f"deployment {flight['DeploymentNumber']} is {flight['State']}"
            if flight["State"] == "ROLLING_BACK":
                return f"{what}, {why_undone(flight)}"
            if self.number != self.target.canary.value:
                return f"{what} at {_percent(flight)}"
            ends = ends_at(flight)
            if ends is not None and self.now > ends + timedelta(seconds=LATE_S):
                return f"{what} at {_percent(flight)}, and should be complete since {ends}"
        if self.number not in {self.target.control.value, self.target.canary.value}:
            return f"version {self.number} is deployed, neither the control nor the canary"
        return ""

    @property
    def exposure(self) -> Exposure | None:
        """Everybody or nobody; None with `trouble`."""
        if self.trouble:
            return None
        return split(FULL_BP) if self.number == self.target.canary.value else ZERO

    @property
    def detail(self) -> str:
        """One line: how far the growth is, or who undid the newest deployment."""
        flight, undone = self.seen.in_flight, self.seen.undone
        if self.trouble:
            return self.trouble
        if flight is not None and self.is_moving:
            number = flight["DeploymentNumber"]
            return f"deployment {number} grows: AppConfig gives it to {_percent(flight)} so far"
        if undone is not None:
            return f"AppConfig took deployment {undone['DeploymentNumber']} back {_undone(undone)}"
        return ""

    def observation(self) -> Observation:
        """As the port wants it."""
        description = str(self.seen.deployment.get("Description", ""))
        owned = f"{self.number} {'' if self.exposure else self.trouble}"
        return Observation(
            at=self.now,
            exposure=self.exposure,
            version=self.version,
            fingerprint=hashlib.sha256(owned.encode()).hexdigest(),
            snapshot={"version": self.number},
            editor="" if description.startswith(OURS) else f"deployment: {description}"[:80],
            detail=self.detail,
        )


def read_whole(api: Api, target: Target) -> WholeView:
    """Looks. Raises `NotFound` if the profile was never deployed, and the mapped errors."""
    return WholeView(now=SystemClock().now(), seen=look(api, target), target=target)


def version_of(arm: Arm) -> str:
    """The arm's hosted version. Raises `Rejected` where it is no number."""
    if not str(arm.value).isdigit():
        raise Rejected(
            f"{arm.name} {arm.value!r} is no number of a hosted version",
            hint="without a flag the arms are versions, quoted: control: '3'",
        )
    return str(arm.value)


def apply_whole(api: Api, target: Target, exposure: Exposure, *, expect: str | None) -> Receipt:
    """Begins the canary's growth, or brings the control back.

    Raises:
        Rejected: a share; AppConfig grows at its own pace only.
        Conflict: something was deployed since `expect`, or is under way.
    """
    if exposure == ZERO:
        return restore_whole(
            api, target, {"version": version_of(target.control)}, expect=expect, what="zero"
        )
    if exposure != split(FULL_BP):
        raise Rejected(
            f"appconfig cannot hold {describe(exposure)}: its strategy grows at its own pace",
            hint="write deploy: canary",
        )
    view = _expected(read_whole(api, target), expect)
    version = version_of(target.canary)
    if view.number == version and view.exposure is not None:
        return Receipt(version=view.version)
    if view.seen.in_flight is not None:
        raise _in_the_way(view)
    strategy = parse_strategy(spec_of(target).strategy)
    used = own_strategy_id(api, strategy)
    what = f"version {version}, {strategy.name}"
    start = begin if strategy.is_gradual else deploy
    number = start(api, version, latest=view.seen.latest, strategy=used, what=what)
    takes = strategy.minutes + strategy.bake_minutes
    paced = f"; AppConfig takes {format_duration(takes * 60)}" if takes else ""
    return Receipt(
        version=f"{number}.{number}",
        changed=f"deployment {number}: version {version} by {strategy.name}{paced}",
    )


def restore_whole(
    api: Api, target: Target, snapshot: Json, *, expect: str | None, what: str = "restore"
) -> Receipt:
    """Brings the snapshot's version back to everybody: a growth is stopped, else it is deployed.

    Raises `Conflict` where a deployment that is not ours is in the way.
    """
    held = snapshot.get("version") if isinstance(snapshot, Mapping) else None
    if not isinstance(held, str) or not held.isdigit():
        raise Rejected(
            f"{format_address(target)}: the restore point holds no version",
            hint="deploy the right version: aws appconfig start-deployment",
        )
    view = _expected(read_whole(api, target), expect)
    is_there = view.number == held and not view.is_moving
    if is_there:
        return Receipt(version=view.version)
    view, stopped = _cleared(api, view)
    if view.number == held:
        return Receipt(version=view.version, changed=f"{stopped}; version {held} is in force")
    used = strategy_id(api)
    number = deploy(api, held, latest=view.seen.latest, strategy=used, what=what)
    return Receipt(
        version=f"{number}.{number}",
        changed=f"{stopped}{'; ' if stopped else ''}deployment {number}: version {held}, {what}",
    )


def kill_whole(api: Api, target: Target, *, stops_foreign: bool = False) -> Receipt:
    """Deploys the control at once, even where it is in force: the version must move."""
    version = version_of(target.control)
    view = read_whole(api, target)
    flight = view.seen.in_flight
    stopped = ""
    if flight is not None:
        if not stop_ours(api, flight, is_any=stops_foreign):
            raise in_the_way(target, flight)
        stopped = f"stopped {blocking(flight)}"
        view = read_whole(api, target)
    used = strategy_id(api, is_kill=True)
    number = deploy(api, version, latest=view.seen.latest, strategy=used, what="kill")
    said = f"deployment {number}: version {version}, the control for everybody"
    return Receipt(version=f"{number}.{number}", changed=said, untouched=stopped)


def _expected(view: WholeView, expect: str | None) -> WholeView:
    if expect is not None and expect != view.version:
        raise Conflict(
            f"{format_address(view.target)}: something was deployed since it was read"
            f" ({expect} is now {view.version}); nothing was written",
            hint="look at it; rolloutctl reads the target again before its next write",
        )
    return view


def _cleared(api: Api, view: WholeView) -> tuple[WholeView, str]:
    """The environment free for the next deployment, and what was stopped for that."""
    flight = view.seen.in_flight
    if flight is None:
        return view, ""
    if not stop_ours(api, flight):
        raise _in_the_way(view)
    return read_whole(api, view.target), f"stopped deployment {flight['DeploymentNumber']}"


def _in_the_way(view: WholeView) -> Conflict:
    flight = view.seen.in_flight or {}
    return Conflict(
        f"{format_address(view.target)} cannot be written now: {blocking(flight)}",
        hint="wait for its end, or stop it yourself: aws appconfig stop-deployment"
        f" --deployment-number {flight.get('DeploymentNumber', '?')} --allow-revert …",
    )


def _percent(flight: dict[str, Any]) -> str:  # Any: AWS's answer
    return f"{flight.get('PercentageComplete') or 0:g}%"


def _undone(undone: dict[str, Any]) -> str:  # Any: AWS's answer
    return f"({undone['State']}), {why_undone(undone)}" if undone["State"] in UNDONE else ""
