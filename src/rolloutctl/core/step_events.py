"""Fold of a step's life: entered, held longer, asked about, promoted, left."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from rolloutctl.core import events as ev
from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.state import (
    Phase,
    RolloutState,
    StepState,
    without_step_gates,
)
from rolloutctl.errors import IllegalEvent


def follow_step(
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
    """The state after a step moved, or people spoke about it."""
    match event:
        case ev.StepEntered(step=index):
            return _entered(state, index, at)
        case ev.StepLeft(override=override):
            promote = state.promote
            fast = state.is_fast or (promote is not None and promote.full and override)
            return evolve(
                state,
                phase=Phase.RUNNING,
                step=None,
                steps_left=state.steps_left + 1,
                gates=without_step_gates(state, override=override),
                promote=None,
                promote_at=None,
                is_fast=fast,
                paused_because="",
            )
        case ev.PromoteRequested():
            return evolve(state, promote=event, promote_at=at)
        case ev.PromoteRefused():
            return evolve(state, promote=None, promote_at=None)
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
    return evolve(state, step=StepState(index=index, entered_at=at, base=base))


def _hold_event(
    state: RolloutState, event: ev.HoldExtended | ev.Asked | ev.Approved
) -> RolloutState:
    if state.step is None or state.step.index != event.step:
        raise IllegalEvent(f"{state.rollout_id}: {type(event).__name__} of another step")
    match event:
        case ev.HoldExtended(until=until):
            return evolve(state, step=evolve(state.step, extended_until=until))
        case ev.Asked():
            return evolve(state, phase=Phase.ASKING, step=evolve(state.step, is_asked=True))
        case ev.Approved():
            return evolve(state, phase=Phase.RUNNING, step=evolve(state.step, is_approved=True))
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)
