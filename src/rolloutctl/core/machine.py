"""The transition table and `fold`: events in, state out; the same live and replayed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.core.effect_events import follow_effect
from rolloutctl.core.evolve import evolve
from rolloutctl.core.phase_events import follow_phase
from rolloutctl.core.state import (
    Phase,
    Rollback,
    RolloutState,
    TargetState,
    with_target,
)
from rolloutctl.core.step_events import follow_step
from rolloutctl.core.target_events import follow_target
from rolloutctl.errors import IllegalEvent

#: Drivers that may go on with a rollback, each with the whole of `limits.rollback`. More do
#: not prolong it: a driver that dies again and again must not keep it from being stuck.
TAKE_OVERS_MAX = 3
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


def allows(state: RolloutState, event: ev.Event) -> bool:
    """Whether `event` may come next; the same rule for live writes and replays."""
    kind = type(event)
    if state.killed_at is not None and kind in {ev.RollbackStarted, ev.Intended}:
        # SAFETY (rule 2): after the fence nothing but the kill itself goes on.
        return False
    if isinstance(event, ev.ApplyFailed) and event.why is ev.Why.ENDED:
        # What still ran when the rollout was killed by another process ends after its end.
        return True
    if isinstance(event, ev.Finished) and state.phase is Phase.STUCK:
        # Of two who finish the same kill, one may give up before the other confirms it.
        return state.killed_at is not None and event.finished_as is ev.FinishedAs.KILLED
    return kind in _ALWAYS or kind in _ALLOWED[state.phase]


def fold(
    rollout_id: str, records: Iterable[ev.Recorded], state: RolloutState | None = None
) -> RolloutState:
    """Folds records onto `state` (None: from the beginning).

    Raises:
        IllegalEvent: an event that the table does not allow or that names what the rollout
            does not have, or a gap in `seq`.
    """
    for record in records:
        if state is None:
            if not isinstance(record.event, ev.Started) or record.seq != 1:
                raise IllegalEvent(f"{rollout_id}: a journal begins with Started at seq 1")
            state = _started(rollout_id, record.event, record.at)
            continue
        if record.seq != state.seq + 1:
            raise IllegalEvent(f"{rollout_id}: seq {record.seq} follows {state.seq}")
        try:
            state = evolve(follow(state, record.event, record.at), seq=record.seq)
        except KeyError as error:
            what = f"event {record.seq} names {error}, which this rollout does not have"
            raise IllegalEvent(f"{rollout_id}: {what}") from error
    if state is None:
        raise IllegalEvent(f"{rollout_id}: the journal is empty")
    return state


def observed(state: RolloutState, target: str, at: datetime, *, is_seen: bool) -> RolloutState:
    """Notes that this process looked at `target`; not journalled.

    A look that was answered (`is_seen`) ends the row of failures: the next one is the first.
    """
    looked = evolve(state.targets[target], observed_at=at)
    if is_seen and looked.failures:
        looked = evolve(looked, failures=0, retry_at=None, last_error="")
    return with_target(state, looked)


def judged(state: RolloutState, events: Iterable[ev.GateJudged]) -> RolloutState:
    """The state after judgements, `seq` left alone: they may not be recorded yet."""
    return evolve(state, gates={**state.gates, **{event.gate: event.record for event in events}})


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
            return evolve(state, epoch=epoch, rollback=_taken_over(state.rollback))
        case ev.Notified(notifier=notifier, of_seq=of_seq, reference=reference):
            kept = reference or state.references.get(notifier, "")
            return evolve(
                state,
                notified={**state.notified, notifier: of_seq},
                references={**state.references, notifier: kept} if kept else state.references,
            )
        case ev.GateJudged():
            return judged(state, [event])
        case ev.Intended() | ev.Applied() | ev.ApplyFailed():
            return follow_effect(state, event, at)
        case ev.Drifted() | ev.DriftCleared() | ev.OutsideKilled() | ev.Settled() | ev.Unsettled():
            return follow_target(state, event, at)
        case (
            ev.StepEntered()
            | ev.StepLeft()
            | ev.HoldExtended()
            | ev.Asked()
            | ev.Approved()
            | ev.PromoteRequested()
            | ev.PromoteRefused()
        ):
            return follow_step(state, event, at)
        case _:
            return follow_phase(state, event, at)


def _taken_over(rollback: Rollback | None) -> Rollback | None:
    """The time in which nobody drove is not part of what a rollback may take."""
    if rollback is None or rollback.tried_from is None or rollback.take_overs >= TAKE_OVERS_MAX:
        return rollback
    return evolve(rollback, tried_from=None, take_overs=rollback.take_overs + 1)


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
