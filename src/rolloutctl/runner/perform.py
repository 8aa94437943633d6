"""Journal before act: the only caller of `Provider.apply` and `restore`, and of invocations.

    observe -> intent on disk -> deadline still ahead? -> write -> observe -> result on disk

Five rules, each proved necessary by the model test:
1. Intent first.  2. Fence: no intent after a kill.  3. Send deadline: an intent not sent
by its deadline is never sent.  4. Wait, then look: an open intent is left until its
deadline, then observed.  5. Settle (in `core.rollback` and `kill`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Do
from rolloutctl.core.effects import Effect, Expose, Invoke, Notify, Restore
from rolloutctl.core.observation import Observation, Receipt
from rolloutctl.core.ports import Message, Notifier
from rolloutctl.core.reconcile import (
    Adopt,
    Drift,
    OutsideKill,
    Reopen,
    Resend,
    drift_sentence,
    is_outside_kill,
    reconcile,
)
from rolloutctl.core.state import TargetState
from rolloutctl.errors import (
    Conflict,
    LeaseLost,
    NotFound,
    Rejected,
    RolloutctlError,
    Stale,
    TakenBack,
    Unauthorized,
    Unavailable,
)
from rolloutctl.runner.adapters import Ending, InvokeResult
from rolloutctl.runner.invocations import LOOK_S
from rolloutctl.runner.rollout import Rollout

#: Seconds a notification of a `notify` step may take.
NOTIFY_TIMEOUT_S = 10.0
#: Attempts of a `notify` step before the rollout pauses and says so.
NOTIFY_TRIES = 3
#: Time between an invocation's own limit and the deadline of its intent, in seconds.
INVOKE_SLACK_S = 5.0
#: Seconds after its intent within which an invocation begins, or not at all. A process that
#: slept in between may have been overtaken, or killed with its rollout.
BEGIN_LIMIT_S = 5.0


def perform(rollout: Rollout, decision: Do) -> None:
    """Does one effect under the five rules; every outcome is an event, never an error.

    A write is over when this returns; an invocation has begun, and later ticks see its end.

    Raises `LeaseLost`, and `JournalUnavailable` with nothing sent that is not on disk.
    """
    effect = decision.effect
    match effect:
        case Expose() | Restore():
            _write(rollout, effect, decision.key)
        case Invoke():
            _invoke(rollout, effect, decision.key)
        case Notify():
            _notify(rollout, effect, decision.key)


# -- writes -------------------------------------------------------------------


def _write(rollout: Rollout, effect: Expose | Restore, key: str) -> None:
    before = _observe_or_record(rollout, effect.target, key)
    if before is None or _is_disturbed(rollout, effect, before):
        return
    target = rollout.state.targets[effect.target]
    now = rollout.clock.now()
    deadline = now + timedelta(seconds=target.write_timeout_s)
    try:
        rollout.record(_intent(rollout, effect, key, before=before, deadline=deadline))
    except Stale:
        rollout.refresh()
        return
    receipt = _send(rollout, effect, key, before=before, deadline=deadline)
    if receipt is None:
        return
    after = _observe_quietly(rollout, effect.target)
    if after is not None:
        conclude(rollout, key, after, receipt)


def _observe_or_record(rollout: Rollout, name: str, key: str) -> Observation | None:
    provider = rollout.adapters.providers[name]
    try:
        return provider.observe(rollout.playbook.targets[name])
    except RolloutctlError as error:
        rollout.record_fact(_not_applied(key, name, error))
        return None


def _observe_quietly(rollout: Rollout, name: str) -> Observation | None:
    """None leaves the intent open: it is looked at after its deadline."""
    try:
        return rollout.adapters.providers[name].observe(rollout.playbook.targets[name])
    except RolloutctlError:
        return None


def _is_disturbed(rollout: Rollout, effect: Expose | Restore, before: Observation) -> bool:
    """Somebody else's edit stops a step's write; on the way back only their zero does."""
    target = rollout.state.targets[effect.target]
    event: ev.Event | None
    if isinstance(effect, Restore) or rollout.state.rollback is not None:
        event = zeroed_on_the_way_back(target, before)
    else:
        event = disturbance(target, before)
    if event is None:
        return False
    rollout.record_fact(event)
    return True


def disturbance(
    target: TargetState, seen: Observation
) -> ev.Drifted | ev.DriftCleared | ev.OutsideKilled | None:
    """The event for what is seen where our own configuration should be; None if it is."""
    if seen.fingerprint == target.fingerprint:
        if target.drift is None:
            return None
        return ev.DriftCleared(target=target.name, because="it is as this rollout left it")
    if is_outside_kill(seen.exposure, target.exposure):
        return ev.OutsideKilled(target=target.name, observation=seen)
    if target.drift is not None and seen.fingerprint == target.drift.fingerprint:
        return None
    because = drift_sentence(seen, target.exposure)
    return ev.Drifted(target=target.name, observation=seen, because=because)


def zeroed_on_the_way_back(target: TargetState, seen: Observation) -> ev.OutsideKilled | None:
    """Another hand's zero where the restore point would give the canary answers again."""
    if target.is_outside_killed or seen.fingerprint == target.restore_point.fingerprint:
        return None
    ours = (target.exposure, target.restore_point.exposure)
    if not all(is_outside_kill(seen.exposure, exposure) for exposure in ours):
        return None
    return ev.OutsideKilled(target=target.name, observation=seen)


def _intent(
    rollout: Rollout, effect: Effect, key: str, *, before: Observation | None, deadline: datetime
) -> ev.Intended:
    if rollout.lease is None:
        raise LeaseLost(f"{rollout.rollout_id}: this process does not drive it")
    return ev.Intended(
        key=key, effect=effect, before=before, deadline=deadline, epoch=rollout.lease.epoch
    )


def _send(
    rollout: Rollout,
    effect: Expose | Restore,
    key: str,
    *,
    before: Observation,
    deadline: datetime,
) -> Receipt | None:
    """Writes; None when there is no receipt (refused and recorded, or left open)."""
    left_s = (deadline - rollout.clock.now()).total_seconds()
    if left_s <= 0:
        # SAFETY (rule 3): this process stalled. Others may already have looked and moved
        # on, so nothing is sent any more; recovery decides.
        return None
    provider = rollout.adapters.providers[effect.target]
    target = rollout.playbook.targets[effect.target]
    try:
        if isinstance(effect, Expose):
            return provider.apply(
                target, effect.exposure, key=key, expect=before.version, timeout_s=left_s
            )
        snapshot = rollout.state.targets[effect.target].restore_point.snapshot
        return provider.restore(target, snapshot, key=key, expect=before.version, timeout_s=left_s)
    except Unavailable as error:
        if error.may_have_landed:
            return None  # SAFETY (rule 4): it may still land; the intent stays open
        rollout.record_fact(_not_applied(key, effect.target, error))
    except (Conflict, Rejected, NotFound, Unauthorized) as error:
        rollout.record_fact(_not_applied(key, effect.target, error))
    return None


def _not_applied(key: str, target: str, error: RolloutctlError) -> ev.ApplyFailed:
    why = ev.Why.REFUSED
    retry_after_s = 0.0
    match error:
        case Unavailable():
            why = ev.Why.UNAVAILABLE
            retry_after_s = error.retry_after_s or 0.0
        case Conflict():
            why = ev.Why.CONFLICT
        case TakenBack():
            why = ev.Why.TAKEN_BACK
        case _:
            pass
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return ev.ApplyFailed(
        key=key, target=target, why=why, message=message, retry_after_s=retry_after_s
    )


def conclude(rollout: Rollout, key: str, seen: Observation, receipt: Receipt) -> None:
    """Records what became of an open intent, now that its target was seen.

    Before the deadline only success is conclusive: a write that is not visible may
    still land, so the intent stays open.
    """
    intent = rollout.state.open.get(key)
    if intent is None:
        return
    intended = intent.intended
    name = intended.effect.target if isinstance(intended.effect, Expose | Restore) else ""
    answer = reconcile(intended, rollout.state.targets[name], seen)
    if isinstance(answer, Adopt):
        rollout.record_fact(ev.Applied(key=key, receipt=receipt, after=seen))
        return
    if rollout.clock.now() < intended.deadline:
        return
    failed = _looked(key, name, answer, seen)
    match answer:
        case Reopen() | Resend():
            rollout.record_fact(failed)
        case OutsideKill():
            rollout.record_fact(failed, ev.OutsideKilled(target=name, observation=seen))
        case Drift(because=because):
            drifted = ev.Drifted(target=name, observation=seen, because=because)
            if not rollout.record_fact(failed, drifted):
                # On the way back an edit is no obstacle; but the intent must not stay
                # open for ever, or nothing would ever be restored.
                rollout.record_fact(failed)


def _looked(
    key: str, name: str, answer: Reopen | Resend | Drift | OutsideKill, seen: Observation
) -> ev.ApplyFailed:
    match answer:
        case Reopen():
            why, message = ev.Why.NOT_LANDED, "the write did not land; the target is as before"
        case Resend():
            why, message = ev.Why.HALF_DONE, "the write landed in part; it is written again"
        case OutsideKill():
            why, message = ev.Why.DRIFTED, "another hand set the target to zero"
        case Drift(because=because):
            why, message = ev.Why.DRIFTED, because
    return ev.ApplyFailed(key=key, target=name, why=why, message=message, after=seen)


def look(rollout: Rollout, key: str) -> None:
    """Rule 4: looks at the target of an open intent whose deadline has passed."""
    intent = rollout.state.open.get(key)
    if intent is None or not isinstance(intent.intended.effect, Expose | Restore):
        return
    name = intent.intended.effect.target
    seen = _observe_or_record(rollout, name, f"look:{name}")
    if seen is not None:
        conclude(rollout, key, seen, Receipt(changed="seen in force after an unknown end"))


# -- effects on no target -----------------------------------------------------


def _invoke(rollout: Rollout, effect: Invoke, key: str) -> None:
    limit_s = effect.timeout_s + INVOKE_SLACK_S
    if _may_begin(rollout, effect, key, limit_s=limit_s):
        running = rollout.adapters.invoke(effect, key, effect.timeout_s)
        rollout.invocations.add(key, running, epoch=rollout.state.epoch)


def _notify(rollout: Rollout, effect: Notify, key: str) -> None:
    tries = NOTIFY_TRIES * max(1, len(effect.notifiers))
    if not _may_begin(rollout, effect, key, limit_s=NOTIFY_TIMEOUT_S * tries + INVOKE_SLACK_S):
        return
    message = Message(
        key=key,
        rollout_id=rollout.rollout_id,
        playbook=rollout.playbook.name,
        event="notify",
        phase=str(rollout.state.phase),
        text=effect.message,
        at=rollout.clock.now(),
    )
    notifiers = {name: rollout.adapters.notifiers[name] for name in effect.notifiers}
    running = rollout.adapters.beside(partial(_tell_all, notifiers, message))
    epoch = rollout.state.epoch
    rollout.invocations.add(key, running, epoch=epoch, refusal=ev.Why.REFUSED)


def _may_begin(rollout: Rollout, effect: Invoke | Notify, key: str, *, limit_s: float) -> bool:
    """The intent is on disk and still stands; False if nothing may begin now."""
    if rollout.invocations.is_busy:
        # SAFETY: one that was told to end may still be at work; two at once must not be.
        rollout.clock.sleep(LOOK_S)
        return False
    decided_at = rollout.clock.now()
    deadline = decided_at + timedelta(seconds=limit_s)
    try:
        rollout.record(_intent(rollout, effect, key, before=None, deadline=deadline))
    except Stale:
        rollout.refresh()
        return False
    return _still_stands(rollout, key, decided_at)


def _still_stands(rollout: Rollout, key: str, decided_at: datetime) -> bool:
    """No kill, no other driver and no sleep has come between the intent and now.

    SAFETY: nothing that has begun can be unbegun. The clock is read last: a sleep before it
    is seen, and within these limits nobody else can have become the driver unasked.
    """
    rollout.refresh()
    intent = rollout.state.open.get(key)
    lease = rollout.lease
    if intent is None or lease is None or intent.intended.epoch != lease.epoch:
        return False
    if rollout.state.killed_at is not None:
        return False
    begin_by = min(decided_at + timedelta(seconds=BEGIN_LIMIT_S), lease.expires_at)
    return rollout.clock.now() < begin_by


def _tell_all(notifiers: Mapping[str, Notifier], message: Message, ending: Ending) -> InvokeResult:
    errors = [
        error for name, one in notifiers.items() if (error := _tell(name, one, message, ending))
    ]
    if errors:
        return InvokeResult(ok=False, message="; ".join(errors), output="")
    return InvokeResult(ok=True, message=f"told {', '.join(notifiers)}", output="")


def _tell(name: str, notifier: Notifier, message: Message, ending: Ending) -> str:
    """Tells one notifier, a few times; returns the last error or "" once it is told."""
    error_text = f"{name}: not told"
    for _ in range(NOTIFY_TRIES):
        if ending.is_set():
            return error_text
        try:
            notifier.notify(message, timeout_s=NOTIFY_TIMEOUT_S)
        except RolloutctlError as error:
            error_text = f"{name}: {error.message}"
        else:
            return ""
    return error_text
