"""Fold of intents and their ends: what is open, in force, done, or to be tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose, Invoke, Restore, target_of
from rolloutctl.core.evolve import evolve
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import (
    OpenIntent,
    RolloutState,
    with_target,
    without_step_gates,
)
from rolloutctl.errors import IllegalEvent

#: First and longest wait between attempts on a target that fails, in seconds.
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0


def retry_s(failures: int, retry_after_s: float) -> float:
    """Seconds to wait after the n-th failure in a row: doubling, bounded, as told."""
    backoff = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(failures - 1, 10))
    return max(backoff, retry_after_s)


def follow_effect(
    state: RolloutState, event: ev.Intended | ev.Applied | ev.ApplyFailed, at: datetime
) -> RolloutState:
    """The state after an intent, or after its end."""
    rollback = state.rollback
    if rollback is not None and rollback.tried_from is None and _is_attempt(event):
        state = evolve(state, rollback=evolve(rollback, tried_from=at))
    match event:
        case ev.Intended():
            return _intended(state, event, at)
        case ev.Applied():
            return _applied(state, event, at)
        case ev.ApplyFailed():
            return _apply_failed(state, event, at)
        case _:  # pragma: no cover - the type checker proves it
            assert_never(event)


def _is_attempt(event: ev.Intended | ev.Applied | ev.ApplyFailed) -> bool:
    """The event is about a target: somebody tried to bring it back, or to look at it."""
    match event:
        case ev.Intended(effect=effect):
            return bool(target_of(effect))
        case ev.Applied(after=after):
            return after is not None
        case ev.ApplyFailed(target=target):
            return bool(target)


def _intended(state: RolloutState, event: ev.Intended, at: datetime) -> RolloutState:
    state = evolve(state, open={**state.open, event.key: OpenIntent(intended=event, at=at)})
    name = target_of(event.effect)
    if name:
        state = with_target(state, evolve(state.targets[name], is_written=True))
        if name not in state.written_order:
            state = evolve(state, written_order=(*state.written_order, name))
    step = state.step
    if step is None or state.rollback is not None:
        return state
    if isinstance(event.effect, Expose):
        # SAFETY: what was judged before a write says nothing about what follows it.
        state = evolve(state, gates=without_step_gates(state, override=False))
    return evolve(state, step=evolve(step, is_begun=True))


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
    # A failure stays: it is that of another effect, and only a person can answer it.
    step = evolve(state.step, done={**state.step.done, event.key: at})
    if isinstance(effect, Invoke):
        step = evolve(step, outputs=(*step.outputs, event.output))
    return evolve(state, step=step)


def _closed(state: RolloutState, key: str) -> RolloutState:
    return evolve(state, open={k: intent for k, intent in state.open.items() if k != key})


def _seen_in_force(
    state: RolloutState, effect: Effect, after: Observation, at: datetime
) -> RolloutState:
    name = target_of(effect)
    target = evolve(
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
        target = evolve(target, restored_at=at)
    elif isinstance(effect, Expose):
        target = evolve(target, wanted=effect.exposure, is_to_reapply=False)
    state = with_target(state, target)
    exposes = after.exposure is None or not after.exposure.is_zero
    if state.exposed_since is None and exposes:
        state = evolve(state, exposed_since=at)
    return state


def _apply_failed(state: RolloutState, event: ev.ApplyFailed, at: datetime) -> RolloutState:
    intent = state.open.get(event.key)
    state = _closed(state, event.key)
    if event.target:
        state = _target_failed(state, event, at)
    effect = intent.intended.effect if intent is not None else None
    permanent = event.why in {ev.Why.REFUSED, ev.Why.FAILED, ev.Why.TAKEN_BACK}
    # SAFETY: what may have been done, in whole or in part, is not simply done again.
    asks = event.why in {ev.Why.ENDED, ev.Why.UNKNOWN} and _is_once(effect)
    if (permanent or asks) and state.rollback is None and state.step is not None:
        is_ended = permanent and isinstance(effect, Invoke) and not effect.asks_on_failure
        step = evolve(
            state.step,
            failure=event.message,
            follows_on_fail=is_ended or event.why is ev.Why.TAKEN_BACK,
            is_failure_told=False,
        )
        state = evolve(state, step=step)
    return state


def _is_once(effect: Effect | None) -> bool:
    return isinstance(effect, Invoke) and not effect.rerun_on_crash


def _target_failed(state: RolloutState, event: ev.ApplyFailed, at: datetime) -> RolloutState:
    target = state.targets[event.target]
    if event.why is ev.Why.HALF_DONE and event.after is not None:
        # SAFETY: parts of our own write are not somebody else's edit.
        target = evolve(target, fingerprint=event.after.fingerprint)
    quiet = event.why in {ev.Why.NOT_LANDED, ev.Why.HALF_DONE, ev.Why.DRIFTED}
    failures = target.failures + 1
    wait_s = 0.0 if quiet and failures == 1 else retry_s(failures, event.retry_after_s)
    retry_at = at + timedelta(seconds=wait_s)
    return with_target(
        state, evolve(target, failures=failures, retry_at=retry_at, last_error=event.message)
    )
