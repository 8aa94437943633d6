"""An open intent meets an observation: was it written, not written, half, or drifted?"""

from __future__ import annotations

from dataclasses import dataclass

from rolloutctl.core.effects import Expose, Restore
from rolloutctl.core.events import Intended
from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """What was wanted is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """The target is as before: close the intent and decide again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Every part is as before or as wanted: write again with the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Neither before nor after: somebody else edited the target."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideKill:
    """Another hand set the target to zero; never re-apply."""


Reconciled = Adopt | Reopen | Resend | Drift | OutsideKill


def reconcile(intended: Intended, target: TargetState, seen: Observation) -> Reconciled:
    """Says what became of an intent on a target, once nothing of it can still land."""
    match intended.effect:
        case Restore():
            return _restore(intended, target, seen)
        case Expose(exposure=wanted):
            return _expose(intended, wanted, seen)
        case _:
            raise TypeError(f"{intended.key}: effects on no target cannot be observed")


def _restore(intended: Intended, target: TargetState, seen: Observation) -> Reconciled:
    if seen.fingerprint == target.restore_point.fingerprint:
        return Adopt()
    if intended.before is not None and seen.fingerprint == intended.before.fingerprint:
        return Reopen()
    # A restore never stops at somebody else's edit: the way back must be free.
    return Resend()


def _expose(intended: Intended, wanted: Exposure, seen: Observation) -> Reconciled:
    before = intended.before
    if seen.exposure == wanted:
        return Adopt()
    if before is not None and seen.fingerprint == before.fingerprint:
        return Reopen()
    previous = before.exposure if before is not None else None
    if is_outside_kill(seen.exposure, previous) and is_outside_kill(seen.exposure, wanted):
        return OutsideKill()
    if previous is not None and seen.exposure is not None:
        parts = zip(_parts(seen.exposure), _parts(previous), _parts(wanted), strict=True)
        if all(part in (was, will) for part, was, will in parts):
            return Resend()
    return Drift(because=drift_sentence(seen, wanted))


def _parts(exposure: Exposure) -> tuple[object, ...]:
    return (exposure.weights, exposure.shadow_bp, exposure.audience, exposure.include)


def is_outside_kill(seen: Exposure | None, ours: Exposure | None) -> bool:
    """Zero where we had given more: the mark of another hand's kill.

    With canary weight or a cohort given, zero means no canary at all; at a step with
    canary zero, it means that shadow and include are gone too.
    """
    if seen is None or ours is None or ours.is_zero:
        return False
    if ours.canary_bp > 0 or ours.include is not None:
        return seen.canary_bp == 0 and seen.include is None
    return seen.is_zero


def drift_sentence(seen: Observation, ours: Exposure | None) -> str:
    """One sentence that names what is there, what we left, and who edited, if known."""
    there = describe(seen.exposure) if seen.exposure is not None else seen.detail or "unreadable"
    left = describe(ours) if ours is not None else "something else"
    by = f", last edited by {seen.editor}" if seen.editor else ""
    if seen.exposure is not None and seen.exposure == ours:
        return f"its configuration was edited outside this rollout (still {there}{by})"
    return f"it serves {there}, we left {left}{by}"
