"""The closed list of what a rollout does to the world."""

from __future__ import annotations

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
    invocation whose end is unknown may be run again without asking.
    """

    request: Json
    timeout_s: float
    rerun_on_crash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell people; at least once, always with the same key."""

    notifiers: tuple[str, ...]
    message: str


Effect = Expose | Restore | Invoke | Notify


def target_of(effect: Effect) -> str:
    """The target an effect writes, or "" for effects on no target."""
    match effect:
        case Expose(target=target) | Restore(target=target):
            return target
        case Invoke() | Notify():
            return ""
