"""The closed list of what a rollout does to the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose:
    """Make a target serve this exposure."""

    target: str
    exposure: Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Write a target's restore point back, exactly."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke:
    """Run a command or an HTTP call; cannot be observed afterwards.

    `request` is the step kind's spec as JSON. `rerun_on_crash` says whether an
    invocation whose end is unknown may be run again without asking. With
    `asks_on_failure` a failure pauses the rollout, whatever the playbook's `on_fail`:
    going back would not mend what it has done.
    """

    request: Json
    timeout_s: float
    rerun_on_crash: bool = False
    asks_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell people; at least once, always with the same key."""

    notifiers: tuple[str, ...]
    message: str


Effect = Expose | Restore | Invoke | Notify


#: Seconds that a provider may take to clean up; what it does is a few calls.
CLEANUP_TIMEOUT_S = 60.0


def cleanup_of(target: str, arm: str, action: str) -> Invoke:
    """The effect of a cleanup step. Doing it twice is doing it once."""
    request: Json = {"cleanup": {"target": target, "arm": arm, "action": action}}
    return Invoke(
        request=request, timeout_s=CLEANUP_TIMEOUT_S, rerun_on_crash=True, asks_on_failure=True
    )


def cleanup_in(effect: Effect) -> Mapping[str, str]:
    """Target, arm and action of a cleanup; empty for every other effect."""
    if not isinstance(effect, Invoke) or not isinstance(effect.request, Mapping):
        return {}
    found = effect.request.get("cleanup")
    return {key: str(one) for key, one in found.items()} if isinstance(found, Mapping) else {}


def target_of(effect: Effect) -> str:
    """The target an effect writes, or "" for effects on no target."""
    match effect:
        case Expose(target=target) | Restore(target=target):
            return target
        case Invoke() | Notify():
            return ""
