"""What to do next while going back: restore in reverse order, settle, confirm or be stuck."""

from __future__ import annotations

from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Decision, Do, Look, Measure, Record, WaitUntil
from rolloutctl.core.effects import Effect, Expose, Restore, target_of
from rolloutctl.core.events import Cause, FinishedAs
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.state import Rollback, TargetState
from rolloutctl.core.view import View


def decide_rollback(view: View) -> Decision:
    """The next thing in phase ROLLING_BACK; a target that fails never holds up the others."""
    rollback = view.state.rollback
    assert rollback is not None  # noqa: S101 - the phase guarantees it
    waits: list[datetime] = []
    unsettled: list[TargetState] = []
    for name in reversed(view.state.written_order):
        target = view.state.targets[name]
        if target.is_settled or _needs_nothing(target):
            continue
        unsettled.append(target)
        decision = _decide_target(view, target, rollback, waits)
        if decision is not None:
            return decision
    if not unsettled:
        return _ending(view) or _confirmed(rollback)
    return _stuck_or_wait(view, rollback, unsettled, waits)


def _needs_nothing(target: TargetState) -> bool:
    """An outside kill that left nothing exposed: never written again."""
    return target.is_outside_killed and target.exposure is not None and target.exposure.is_zero


def _decide_target(
    view: View, target: TargetState, rollback: Rollback, waits: list[datetime]
) -> Decision | None:
    if target.retry_at is not None and view.now < target.retry_at:
        waits.append(target.retry_at)
        return None
    for key, intent in view.state.open.items():
        if target_of(intent.intended.effect) != target.name:
            continue
        if view.now < intent.intended.deadline:
            waits.append(intent.intended.deadline)
            return None
        return Look(key=key, because=f"the end of {key} on {target.name} is unknown: looking")
    if target.restored_at is None:
        return _restore(view, target, rollback)
    settles_at = rollback.fence_at + timedelta(seconds=target.settle_s)
    if view.now < settles_at:
        waits.append(settles_at)
        return None
    because = f"confirming that {target.name} stays restored"
    return Measure(gates=(), targets=(target.name,), because=because)


def _restore(view: View, target: TargetState, rollback: Rollback) -> Decision:
    fence = rollback.fence_at.timestamp()
    key = f"{view.state.rollout_id}:rollback:{target.name}:{fence:.3f}"
    effect: Effect = Restore(target=target.name)
    because = f"restoring {target.name}: {rollback.because}"
    if target.is_outside_killed:
        # Their zero stays theirs; only what they left exposed (shadow) is closed too.
        effect = Expose(target=target.name, exposure=ZERO)
        because = f"closing what the outside kill left open on {target.name}"
    return Do(effect=effect, key=key, because=because)


def _ending(view: View) -> Decision | None:
    """An invocation of the process that drives is being ended; it is bounded there.

    One of a driver that is gone is waited for by nobody: its end is unknown.
    """
    running = [
        intent.intended.deadline
        for intent in view.state.open.values()
        if not target_of(intent.intended.effect) and intent.intended.epoch == view.state.epoch
    ]
    if not running or view.now >= max(running):
        return None
    because = "every target is restored; waiting for the end of what the step had begun"
    return WaitUntil(at=max(running), because=because)


def _confirmed(rollback: Rollback) -> Decision:
    ended = FinishedAs.KILLED if rollback.cause is Cause.OUTSIDE_KILL else FinishedAs.ROLLED_BACK
    because = f"rolled back and confirmed: {rollback.because}"
    return Record(event=ev.Finished(finished_as=ended, because=because), because=because)


def _stuck_or_wait(
    view: View, rollback: Rollback, unsettled: list[TargetState], waits: list[datetime]
) -> Decision:
    tried_from = rollback.tried_from or view.now
    gives_up_at = tried_from + timedelta(seconds=view.playbook.limits.rollback_s)
    names = tuple(target.name for target in unsettled)
    errors = "; ".join(f"{t.name}: {t.last_error}" for t in unsettled if t.last_error)
    if view.now >= gives_up_at:
        because = f"the rollback of {', '.join(names)} is not confirmed ({errors or 'no answer'})"
        return Record(event=ev.Stuck(targets=names, because=because), because=because)
    because = f"rolling back {', '.join(names)}" + (f"; last: {errors}" if errors else "")
    return WaitUntil(at=min([*waits, gives_up_at]), because=because)
