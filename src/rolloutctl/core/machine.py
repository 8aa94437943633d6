"""The transition table and `fold`: events in, state out; the same live and replayed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose, Invoke, Restore, target_of
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import (
    OpenIntent,
    Phase,
    Rollback,
    RolloutState,
    StepState,
    TargetState,
)

#: First and longest wait between attempts on a target that fails, in seconds.
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0
_ALWAYS: frozenset[type[ev.Event]] = frozenset({ev.LeaseTaken, ev.Notified})
_WATCHING: frozenset[type[ev.Event]] = frozenset(
    {
        ev.Applied,
        ev.ApplyFailed,
        ev.Drifted,
        ev.DriftCleared,
        ev.OutsideKilled,
        ev.GateJudged,
        ev.RollbackStarted,
        ev.KillRequested,
        ev.Held,
        ev.PromoteRequested,
        ev.PromoteRefused,
        ev.StepLeft,
    }
)
_ALLOWED: dict[Phase, frozenset[type[ev.Event]]] = {
    Phase.RUNNING: _WATCHING
    | {ev.StepEntered, ev.Intended, ev.HoldExtended, ev.Asked, ev.Paused, ev.Finished},
    Phase.ASKING: _WATCHING | {ev.Intended, ev.Approved, ev.HoldExtended, ev.Paused},
    Phase.PAUSED: _WATCHING | {ev.Resumed},
    Phase.ROLLING_BACK: frozenset(
        {
            ev.Intended,
            ev.Applied,
            ev.ApplyFailed,
            ev.GateJudged,
            ev.Settled,
            ev.Unsettled,
            ev.OutsideKilled,
            ev.KillRequested,
            ev.Stuck,
            ev.Finished,
        }
    ),
    Phase.KILLING: frozenset(
        {
            ev.Applied,
            ev.ApplyFailed,
            ev.KillRequested,
            ev.TargetKilled,
            ev.Stuck,
            ev.Finished,
        }
    ),
    Phase.HELD: frozenset({ev.Resumed, ev.RollbackStarted, ev.KillRequested}),
    Phase.STUCK: frozenset(
        {ev.RollbackStarted, ev.KillRequested, ev.TargetKilled, ev.Applied, ev.ApplyFailed}
    ),
    Phase.SUCCEEDED: frozenset(),
    Phase.ROLLED_BACK: frozenset(),
    Phase.KILLED: frozenset(),
}


class IllegalEvent(ValueError):
    """An event that cannot follow the ones before it: a bug or a tampered journal."""


def allows(state: RolloutState, event: ev.Event) -> bool:
    """Whether `event` may come next; the same rule for live writes and replays."""
    kind = type(event)
    if state.killed_at is not None and kind in {ev.RollbackStarted, ev.Intended}:
        # SAFETY (rule 2): after the fence nothing but the kill itself goes on.
        return False
    if isinstance(event, ev.Finished) and state.phase is Phase.STUCK:
        # Of two who finish the same kill, one may give up before the other confirms it.
        return state.killed_at is not None and event.finished_as is ev.FinishedAs.KILLED
    return kind in _ALWAYS or kind in _ALLOWED[state.phase]


def fold(
    rollout_id: str, records: Iterable[ev.Recorded], state: RolloutState | None = None
) -> RolloutState:
    """Folds records onto `state` (None: from the beginning).

    Raises:
        IllegalEvent: an event that the table does not allow, or a gap in `seq`.
    """
    for record in records:
        if state is None:
            if not isinstance(record.event, ev.Started) or record.seq != 1:
                raise IllegalEvent(f"{rollout_id}: a journal begins with Started at seq 1")
            state = _started(rollout_id, record.event, record.at)
            continue
        if record.seq != state.seq + 1:
            raise IllegalEvent(f"{rollout_id}: seq {record.seq} follows {state.seq}")
        state = replace(follow(state, record.event, record.at), seq=record.seq)
    if state is None:
        raise IllegalEvent(f"{rollout_id}: the journal is empty")
    return state


def observed(state: RolloutState, target: str, at: datetime) -> RolloutState:
    """Notes that this process looked at `target`; not journalled."""
    return _with_target(state, replace(state.targets[target], observed_at=at))


def judged(state: RolloutState, events: Iterable[ev.GateJudged]) -> RolloutState:
    """The state after judgements, `seq` left alone: they may not be recorded yet."""
    return replace(state, gates={**state.gates, **{event.gate: event.record for event in events}})


def follow(state: RolloutState, event: ev.Event, at: datetime) -> RolloutState:
    """The state after `event`, `seq` left alone."""
    if not allows(state, event):
        raise IllegalEvent(
            f"{state.rollout_id}: {type(event).__name__} cannot follow in phase {state.phase}"
        )
    match event:
        case ev.Started():
            raise IllegalEvent(f"{state.rollout_id}: Started twice")
        case ev.LeaseTaken(epoch=epoch):
            return replace(state, epoch=epoch)
        case ev.Notified(notifier=notifier, of_seq=of_seq):
            return replace(state, notified={**state.notified, notifier: of_seq})
        case ev.GateJudged():
            return judged(state, [event])
        case ev.Intended() | ev.Applied() | ev.ApplyFailed():
            return _effect_event(state, event, at)
        case ev.Drifted() | ev.DriftCleared() | ev.OutsideKilled() | ev.Settled() | ev.Unsettled():
            return _target_event(state, event, at)
        case (
            ev.StepEntered()
            | ev.StepLeft()
            | ev.HoldExtended()
            | ev.Asked()
            | ev.Approved()
            | ev.PromoteRequested()
            | ev.PromoteRefused()
        ):
            return _step_event(state, event, at)
        case _:
            return _phase_event(state, event, at)


def _started(rollout_id: str, event: ev.Started, at: datetime) -> RolloutState:
    targets = {
        point.target: TargetState(
            name=point.target,
            address=point.address,
            restore_point=point.observation,
            settle_s=point.settle_s,
            write_timeout_s=point.write_timeout_s,
            exposure=point.observation.exposure,
            fingerprint=point.observation.fingerprint,
        )
        for point in event.restore_points
    }
    return RolloutState(
        rollout_id=rollout_id,
        name=event.name,
        sha256=event.sha256,
        started_at=at,
        deadline_from=at,
        seq=1,
        phase=Phase.RUNNING,
        targets=targets,
    )


def _with_target(state: RolloutState, target: TargetState) -> RolloutState:
    return replace(state, targets={**state.targets, target.name: target})


def retry_s(failures: int, retry_after_s: float) -> float:
    """Seconds to wait after the n-th failure in a row: doubling, bounded, as told."""
    backoff = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(failures - 1, 10))
    return max(backoff, retry_after_s)


# -- effects ------------------------------------------------------------------


def _effect_event(
    state: RolloutState, event: ev.Intended | ev.Applied | ev.ApplyFailed, at: datetime
) -> RolloutState:
    match event:
        case ev.Intended():
            return _intended(state, event, at)
        case ev.Applied():
            return _applied(state, event, at)
        case ev.ApplyFailed():
            return _apply_failed(state, event, at)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _intended(state: RolloutState, event: ev.Intended, at: datetime) -> RolloutState:
    state = replace(state, open={**state.open, event.key: OpenIntent(intended=event, at=at)})
    name = target_of(event.effect)
    if name:
        state = _with_target(state, replace(state.targets[name], is_written=True))
        if name not in state.written_order:
            state = replace(state, written_order=(*state.written_order, name))
    if state.step is None or state.rollback is not None:
        return state
    if isinstance(event.effect, Expose):
        # SAFETY: evidence gathered before a write is never pooled with what follows it.
        state = replace(state, gates=_without_step_gates(state))
    step = replace(state.step, is_begun=True, may_rerun=False) if state.step else None
    return replace(state, step=step)


def _without_step_gates(state: RolloutState) -> dict[str, ev.GateRecord]:
    return {name: record for name, record in state.gates.items() if record.is_guardrail}


def _applied(state: RolloutState, event: ev.Applied, at: datetime) -> RolloutState:
    intent = state.open.get(event.key)
    if intent is None:
        raise IllegalEvent(f"{state.rollout_id}: Applied {event.key} without an open intent")
    state = _closed(state, event.key)
    effect = intent.intended.effect
    if event.after is not None:
        state = _seen_in_force(state, effect, event.after, at)
    if isinstance(effect, Restore) or state.rollback is not None or state.step is None:
        return state
    step = replace(state.step, done={**state.step.done, event.key: at}, failure="")
    if isinstance(effect, Invoke):
        step = replace(step, outputs=(*step.outputs, event.output))
    return replace(state, step=step)


def _closed(state: RolloutState, key: str) -> RolloutState:
    return replace(state, open={k: intent for k, intent in state.open.items() if k != key})


def _seen_in_force(
    state: RolloutState, effect: Effect, after: Observation, at: datetime
) -> RolloutState:
    name = target_of(effect)
    target = replace(
        state.targets[name],
        exposure=after.exposure,
        fingerprint=after.fingerprint,
        drift=None,
        failures=0,
        retry_at=None,
        last_error="",
        observed_at=None if state.rollback is not None else at,
    )
    if state.rollback is not None:
        target = replace(target, restored_at=at)
    elif isinstance(effect, Expose):
        target = replace(target, wanted=effect.exposure, is_to_reapply=False)
    state = _with_target(state, target)
    exposes = after.exposure is None or not after.exposure.is_zero
    if state.exposed_since is None and exposes:
        state = replace(state, exposed_since=at)
    return state


def _apply_failed(state: RolloutState, event: ev.ApplyFailed, at: datetime) -> RolloutState:
    intent = state.open.get(event.key)
    state = _closed(state, event.key)
    if event.target:
        state = _target_failed(state, event, at)
    permanent = event.why in {ev.Why.REFUSED, ev.Why.FAILED}
    if permanent and state.rollback is None and state.step is not None:
        invocation = intent is not None and isinstance(intent.intended.effect, Invoke)
        step = replace(state.step, failure=event.message, is_failed_invocation=invocation)
        state = replace(state, step=step)
    return state


def _target_failed(state: RolloutState, event: ev.ApplyFailed, at: datetime) -> RolloutState:
    target = state.targets[event.target]
    if event.why is ev.Why.HALF_DONE and event.after is not None:
        # SAFETY: parts of our own write are not somebody else's edit.
        target = replace(target, fingerprint=event.after.fingerprint)
    quiet = event.why in {ev.Why.NOT_LANDED, ev.Why.HALF_DONE, ev.Why.DRIFTED}
    failures = target.failures + 1
    wait_s = 0.0 if quiet and failures == 1 else retry_s(failures, event.retry_after_s)
    retry_at = at + timedelta(seconds=wait_s)
    return _with_target(
        state, replace(target, failures=failures, retry_at=retry_at, last_error=event.message)
    )


# -- targets ------------------------------------------------------------------


def _target_event(
    state: RolloutState,
    event: ev.Drifted | ev.DriftCleared | ev.OutsideKilled | ev.Settled | ev.Unsettled,
    at: datetime,
) -> RolloutState:
    target = state.targets[event.target]
    match event:
        case ev.Drifted(observation=observation):
            return _with_target(state, replace(target, drift=observation, observed_at=at))
        case ev.DriftCleared(accepted=accepted):
            if accepted is None:
                return _with_target(state, replace(target, drift=None))
            return _with_target(state, _accepting(target, accepted))
        case ev.OutsideKilled(observation=observation):
            cleared = replace(
                target,
                drift=None,
                is_outside_killed=True,
                exposure=observation.exposure,
                fingerprint=observation.fingerprint,
            )
            return _with_target(state, cleared)
        case ev.Settled():
            return _with_target(state, replace(target, is_settled=True, observed_at=at))
        case ev.Unsettled():
            return _with_target(
                state, replace(target, restored_at=None, is_settled=False, observed_at=at)
            )
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _accepting(target: TargetState, seen: Observation) -> TargetState:
    """Somebody's edit as the state that our next write starts from."""
    return replace(
        target,
        drift=None,
        fingerprint=seen.fingerprint,
        exposure=seen.exposure,
        is_to_reapply=target.wanted is not None,
    )


# -- steps --------------------------------------------------------------------


def _step_event(
    state: RolloutState,
    event: ev.StepEntered
    | ev.StepLeft
    | ev.HoldExtended
    | ev.Asked
    | ev.Approved
    | ev.PromoteRequested
    | ev.PromoteRefused,
    at: datetime,
) -> RolloutState:
    match event:
        case ev.StepEntered(step=index):
            return _entered(state, index, at)
        case ev.StepLeft(override=override):
            promote = state.promote
            fast = state.is_fast or (promote is not None and promote.full and override)
            return replace(
                state,
                phase=Phase.RUNNING,
                step=None,
                steps_left=state.steps_left + 1,
                gates=_without_step_gates(state),
                promote=None,
                promote_at=None,
                is_fast=fast,
                paused_because="",
            )
        case ev.PromoteRequested():
            return replace(state, promote=event, promote_at=at)
        case ev.PromoteRefused():
            return replace(state, promote=None, promote_at=None)
        case ev.HoldExtended() | ev.Asked() | ev.Approved():
            return _hold_event(state, event)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _entered(state: RolloutState, index: int, at: datetime) -> RolloutState:
    if index != state.steps_left:
        raise IllegalEvent(f"{state.rollout_id}: step {index} entered after {state.steps_left}")
    base = {
        name: target.exposure if target.exposure is not None else ZERO
        for name, target in state.targets.items()
    }
    return replace(state, step=StepState(index=index, entered_at=at, base=base))


def _hold_event(
    state: RolloutState, event: ev.HoldExtended | ev.Asked | ev.Approved
) -> RolloutState:
    if state.step is None or state.step.index != event.step:
        raise IllegalEvent(f"{state.rollout_id}: {type(event).__name__} of another step")
    match event:
        case ev.HoldExtended(until=until):
            return replace(state, step=replace(state.step, extended_until=until))
        case ev.Asked():
            return replace(state, phase=Phase.ASKING, step=replace(state.step, is_asked=True))
        case ev.Approved():
            return replace(state, phase=Phase.RUNNING, step=replace(state.step, is_approved=True))
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


# -- phases -------------------------------------------------------------------


def _phase_event(
    state: RolloutState,
    event: ev.Paused
    | ev.Resumed
    | ev.RollbackStarted
    | ev.KillRequested
    | ev.TargetKilled
    | ev.Held
    | ev.Stuck
    | ev.Finished,
    at: datetime,
) -> RolloutState:
    match event:
        case ev.Paused(because=because):
            return replace(
                state,
                phase=Phase.PAUSED,
                resume_to=state.phase,
                paused_because=because,
                promote=None,
                promote_at=None,
            )
        case ev.Resumed():
            return _resumed(state, event, at)
        case ev.RollbackStarted():
            return _rolling_back(state, event, at)
        case ev.KillRequested(actor=actor, reason=reason):
            return replace(
                state, phase=Phase.KILLING, killed_at=at, kill_actor=actor, kill_reason=reason
            )
        case ev.TargetKilled():
            return _target_killed(state, event)
        case ev.Held(held_as=held_as, because=because):
            return replace(state, phase=Phase.HELD, held_as=held_as, ended_because=because)
        case ev.Stuck(targets=targets, because=because):
            return replace(state, phase=Phase.STUCK, stuck_targets=targets, ended_because=because)
        case ev.Finished():
            return _finished(state, event)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _target_killed(state: RolloutState, event: ev.TargetKilled) -> RolloutState:
    state = replace(state, kills={**state.kills, event.target: event})
    if not event.confirmed:
        return state
    # Only the share is known: the kill read the target, the journal has no observation.
    target = replace(state.targets[event.target], exposure=ZERO)
    return _with_target(state, target)


def _resumed(state: RolloutState, event: ev.Resumed, at: datetime) -> RolloutState:
    phase = state.resume_to if state.phase is Phase.PAUSED else Phase.RUNNING
    deadline_from = at if state.phase is Phase.HELD else state.deadline_from
    step = state.step
    if step is not None:
        step = replace(step, failure="", is_failed_invocation=False, may_rerun=True)
    targets = state.targets
    if event.reapply:
        # The edit is accepted as the state to write over; the write itself still compares.
        targets = {
            name: target if target.drift is None else _accepting(target, target.drift)
            for name, target in targets.items()
        }
    return replace(
        state,
        phase=phase,
        deadline_from=deadline_from,
        held_as=None,
        ended_because="",
        paused_because="",
        step=step,
        targets=targets,
        gates={},
    )


def _rolling_back(state: RolloutState, event: ev.RollbackStarted, at: datetime) -> RolloutState:
    targets = {
        name: replace(
            target,
            restored_at=None,
            is_settled=False,
            failures=0,
            retry_at=None,
            observed_at=None,
        )
        for name, target in state.targets.items()
    }
    rollback = Rollback(cause=event.cause, because=event.because, fence_at=at, actor=event.actor)
    return replace(
        state,
        phase=Phase.ROLLING_BACK,
        rollback=rollback,
        targets=targets,
        promote=None,
        promote_at=None,
        stuck_targets=(),
        paused_because="",
    )


_END_PHASES = {
    ev.FinishedAs.SUCCEEDED: Phase.SUCCEEDED,
    ev.FinishedAs.ROLLED_BACK: Phase.ROLLED_BACK,
    ev.FinishedAs.KILLED: Phase.KILLED,
}


def _finished(state: RolloutState, event: ev.Finished) -> RolloutState:
    return replace(
        state,
        phase=_END_PHASES[event.finished_as],
        finished_as=event.finished_as,
        ended_because=event.because,
        stuck_targets=(),
        open={},
    )
