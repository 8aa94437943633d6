"""What any process may ask of a rollout: one event each, checked and recorded atomically.

The driver acts on it at its next tick; if nobody drives, the asking process drives.
"""

from __future__ import annotations

from collections.abc import Callable

from rolloutctl.core import events as ev
from rolloutctl.core.machine import allows, fold
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.errors import Stale, WrongPhase

#: How often a request is offered to a moving journal.
REQUEST_TRIES = 1000


def request(
    journal: Journal,
    clock: Clock,
    rollout_id: str,
    make: Callable[[RolloutState], ev.Event | None],
) -> RolloutState:
    """Records `make(state)` on top of exactly the state it was made from.

    `make` raises `WrongPhase` where the verb makes no sense, and returns None where
    nothing has to be recorded. Returns the state after the event.
    """
    state: RolloutState | None = None
    for _ in range(REQUEST_TRIES):
        after_seq = state.seq if state is not None else 0
        state = fold(rollout_id, journal.read(rollout_id, after_seq=after_seq), state)
        event = make(state)
        if event is None:
            return state
        if not allows(state, event):
            raise wrong_phase(state, _VERBS.get(type(event), "this"))
        at = clock.now()
        try:
            journal.append(rollout_id, [event], at=at, expect_seq=state.seq, epoch=None)
        except Stale:
            continue
        record = ev.Recorded(seq=state.seq + 1, at=at, event=event)
        return fold(rollout_id, [record], state)
    raise Stale(f"{rollout_id}: the journal moved {REQUEST_TRIES} times in a row")


_VERBS: dict[type[ev.Event], str] = {
    ev.Approved: "approve",
    ev.Paused: "pause",
    ev.Resumed: "resume",
    ev.PromoteRequested: "promote",
    ev.RollbackStarted: "rollback",
    ev.KillRequested: "kill",
}


def wrong_phase(state: RolloutState, verb: str) -> WrongPhase:
    """The one sentence for a verb that does not fit the phase, with what does."""
    hints = {
        Phase.RUNNING: "pause, promote, rollback and kill are possible now",
        Phase.ASKING: "approve, reject, promote, pause, rollback and kill are possible now",
        Phase.PAUSED: "resume, promote --override, rollback and kill are possible now",
        Phase.ROLLING_BACK: "it is going back; wait for it, or kill",
        Phase.KILLING: "it is being killed; wait for it",
        Phase.HELD: "resume, rollback and kill are possible now",
        Phase.STUCK: f"look at its targets, then: rolloutctl rollback {state.rollout_id}, or "
        f"rolloutctl kill {state.rollout_id}",
        Phase.SUCCEEDED: "it is over; back to control for everybody: "
        f"rolloutctl kill {state.rollout_id} --to CONTROL; or start a new rollout",
    }
    hint = hints.get(state.phase, "it is over; start a new rollout")
    if state.phase is Phase.STUCK and state.killed_at is not None:
        # After the fence nothing goes back any more: `allows` refuses a rollback.
        hint = f"look at its targets, then: rolloutctl kill {state.rollout_id}"
    return WrongPhase(f"{verb}: rollout {state.rollout_id} is {state.phase}", hint=hint)


def approve(state: RolloutState, actor: ev.Actor, reason: str = "") -> ev.Event:
    """Answers the question of a step with yes. Skips neither time nor gates."""
    if state.phase is not Phase.ASKING or state.step is None:
        raise wrong_phase(state, "approve")
    return ev.Approved(step=state.step.index, actor=actor, reason=reason)


def reject(state: RolloutState, actor: ev.Actor, reason: str = "") -> ev.Event:
    """Answers the question of a step with no: roll back."""
    if state.phase is not Phase.ASKING:
        raise wrong_phase(state, "reject")
    said = f": {reason}" if reason else ""
    because = f"rejected by {actor.name}{said}"
    return ev.RollbackStarted(cause=ev.Cause.OPERATOR, because=because, actor=actor)


def pause(state: RolloutState, actor: ev.Actor, reason: str = "") -> ev.Event | None:
    """Freezes the weight where it is."""
    if state.phase is Phase.PAUSED:
        return None
    said = f": {reason}" if reason else ""
    return ev.Paused(because=f"paused by {actor.name}{said}", actor=actor)


def resume(
    state: RolloutState, actor: ev.Actor, reason: str = "", *, reapply: bool = False
) -> ev.Event:
    """Undoes a pause. Refuses while somebody else's edit stands, unless told to reapply."""
    drifted = _drifted(state)
    if drifted and not reapply:
        raise WrongPhase(
            f"resume: {', '.join(drifted)} was edited outside the rollout and still is",
            hint=f"rolloutctl resume {state.rollout_id} --reapply (writes over it)\n"
            f"    or put it back by hand, and rolloutctl resume {state.rollout_id}\n"
            f"    or rolloutctl rollback {state.rollout_id}",
        )
    return ev.Resumed(actor=actor, reason=reason, reapply=reapply)


def _resumes_by(state: RolloutState) -> str:
    resume = f"rolloutctl resume {state.rollout_id}"
    if not _drifted(state):
        return resume
    return f"put the edit back by hand and {resume}\n    or write over it: {resume} --reapply"


def _drifted(state: RolloutState) -> list[str]:
    return [target.name for target in state.targets.values() if target.drift is not None]


def promote(
    state: RolloutState,
    actor: ev.Actor,
    reason: str = "",
    *,
    override: bool = False,
    full: bool = False,
) -> ev.Event:
    """Asks to end the hold now; the driver judges and answers."""
    if state.phase not in {Phase.RUNNING, Phase.ASKING, Phase.PAUSED}:
        raise wrong_phase(state, "promote")
    if state.phase is Phase.PAUSED and not override:
        promote = f"rolloutctl promote {state.rollout_id}"
        # Nothing but an override moves a paused rollout: the answer is known, so it is given.
        raise WrongPhase(
            f"promote: rollout {state.rollout_id} is paused ({state.paused_because})",
            hint=f"{_resumes_by(state)}, then {promote}\n"
            f"    or past the gates: {promote} --override --reason TEXT",
        )
    return ev.PromoteRequested(actor=actor, reason=reason, override=override, full=full)


def rollback(
    state: RolloutState,
    actor: ev.Actor,
    reason: str = "",
    *,
    cause: ev.Cause = ev.Cause.OPERATOR,
) -> ev.Event | None:
    """Asks for the way back; also again, after it got stuck."""
    if state.phase is Phase.ROLLING_BACK:
        return None
    said = f": {reason}" if reason else ""
    what = "interrupted" if cause is ev.Cause.INTERRUPTED else "rollback asked"
    because = f"{what} by {actor.name}{said}"
    return ev.RollbackStarted(cause=cause, because=because, actor=actor)


def kill(state: RolloutState, actor: ev.Actor, reason: str = "") -> ev.Event:
    """The fence: after this no intent is accepted."""
    if state.phase.is_terminal:
        raise wrong_phase(state, "kill")
    return ev.KillRequested(actor=actor, reason=reason)
