"""Fold of what was seen on targets: drift, outside kills, restored and settled."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from rolloutctl.core import events as ev
from rolloutctl.core.evolve import evolve
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import (
    RolloutState,
    TargetState,
    with_target,
)


def follow_target(
    state: RolloutState,
    event: ev.Drifted | ev.DriftCleared | ev.OutsideKilled | ev.Settled | ev.Unsettled,
    at: datetime,
) -> RolloutState:
    """The state after something was seen on a target."""
    target = state.targets[event.target]
    match event:
        case ev.Drifted(observation=observation):
            return with_target(state, evolve(target, drift=observation, observed_at=at))
        case ev.DriftCleared(accepted=accepted):
            if accepted is None:
                return with_target(state, evolve(target, drift=None))
            return with_target(state, accepting(target, accepted))
        case ev.OutsideKilled(observation=observation):
            cleared = evolve(
                target,
                drift=None,
                is_outside_killed=True,
                outside_because=observation.detail,
                exposure=observation.exposure,
                fingerprint=observation.fingerprint,
            )
            return with_target(state, cleared)
        case ev.Settled():
            return with_target(state, evolve(target, is_settled=True, observed_at=at))
        case ev.Unsettled():
            return with_target(
                state, evolve(target, restored_at=None, is_settled=False, observed_at=at)
            )
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def accepting(target: TargetState, seen: Observation) -> TargetState:
    """Somebody's edit as the state that our next write starts from."""
    return evolve(
        target,
        drift=None,
        fingerprint=seen.fingerprint,
        exposure=seen.exposure,
        is_to_reapply=target.wanted is not None,
    )
