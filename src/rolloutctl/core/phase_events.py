"""Fold of the whole rollout's course: paused, going back, killed, held, stuck, over."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from rolloutctl.core import events as ev
from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.state import (
    Phase,
    Rollback,
    RolloutState,
    StepState,
    resumed_gates,
    with_target,
)
from rolloutctl.core.target_events import accepting


def follow_phase(
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
    """The state after the rollout as a whole changed course."""
    match event:
        case ev.Paused(because=because):
            return evolve(
                state,
                step=_told(state.step, because),
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
            return evolve(
                state, phase=Phase.KILLING, killed_at=at, kill_actor=actor, kill_reason=reason
            )
        case ev.TargetKilled():
            return _target_killed(state, event)
        case ev.Held(held_as=held_as, because=because):
            return evolve(state, phase=Phase.HELD, held_as=held_as, ended_because=because)
        case ev.Stuck(targets=targets, because=because):
            return evolve(state, phase=Phase.STUCK, stuck_targets=targets, ended_because=because)
        case ev.Finished():
            return _finished(state, event)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _told(step: StepState | None, because: str) -> StepState | None:
    """SAFETY: `resume` answers a failure only if the pause named it.

    A command that failed, or was ended, while the rollout was paused for another reason
    would else be run again although nobody was asked.
    """
    if step is None or not step.failure or step.failure not in because:
        return step
    return evolve(step, is_failure_told=True)


def _target_killed(state: RolloutState, event: ev.TargetKilled) -> RolloutState:
    state = evolve(state, kills={**state.kills, event.target: event})
    if not event.confirmed:
        return state
    # Only the share is known: the kill read the target, the journal has no observation.
    target = evolve(state.targets[event.target], exposure=ZERO)
    return with_target(state, target)


def _resumed(state: RolloutState, event: ev.Resumed, at: datetime) -> RolloutState:
    phase = state.resume_to if state.phase is Phase.PAUSED else Phase.RUNNING
    deadline_from = at if state.phase is Phase.HELD else state.deadline_from
    step = state.step
    if step is not None and step.is_failure_told:
        step = evolve(step, failure="", follows_on_fail=False, is_failure_told=False)
    targets = state.targets
    if event.reapply:
        # The edit is accepted as the state to write over; the write itself still compares.
        targets = {
            name: target if target.drift is None else accepting(target, target.drift)
            for name, target in targets.items()
        }
    return evolve(
        state,
        phase=phase,
        deadline_from=deadline_from,
        held_as=None,
        ended_because="",
        paused_because="",
        step=step,
        targets=targets,
        gates=resumed_gates(state),
    )


def _rolling_back(state: RolloutState, event: ev.RollbackStarted, at: datetime) -> RolloutState:
    targets = {
        name: evolve(
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
    return evolve(
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
    return evolve(
        state,
        phase=_END_PHASES[event.finished_as],
        finished_as=event.finished_as,
        ended_because=event.because,
        stuck_targets=(),
        open={},
    )
