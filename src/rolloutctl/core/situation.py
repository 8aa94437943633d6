"""Why a rollout stands where it stands, and whether a person is asked for; pure.

`decide` says what comes next, and with a measurement due that is the measurement. Whoever
looks wants to know what all of it waits for: the phase answers that first.
"""

from __future__ import annotations

from rolloutctl.core import events as ev
from rolloutctl.core.decide import decide
from rolloutctl.core.decision import Decision, Measure, WaitUntil
from rolloutctl.core.evolve import evolve
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View

_WITH_PEOPLE = frozenset({Phase.ASKING, Phase.PAUSED, Phase.HELD, Phase.STUCK})
_SILENT = {Outcome.NO_DATA: "has no data", Outcome.ERROR: "cannot be judged"}


def needs_human(state: RolloutState) -> bool:
    """Whether nothing goes on until a person says so, whatever is measured meanwhile.

    A promotion that was asked for is such a word: its answer comes by itself.
    """
    return state.phase in _WITH_PEOPLE and state.promote is None


def why(view: View, decision: Decision) -> str:
    """One sentence: what the rollout waits for, or how it came to rest.

    Args:
        view: the rollout at the time of `decision`.
        decision: what `decide` answers there.
    """
    state = view.state
    match state.phase:
        case Phase.PAUSED if state.promote is None:
            return "; ".join([state.paused_because, *_edited(state)])
        case Phase.ASKING if state.promote is None:
            return _asking(view)
        case Phase.ROLLING_BACK if state.rollback is not None:
            return "; ".join([state.rollback.because, *_errors(view)])
        case Phase.KILLING:
            return f"a kill was requested{f': {state.kill_reason}' if state.kill_reason else ''}"
        case Phase.KILLED | Phase.STUCK if state.kill_reason:
            return f"{state.ended_because}; the kill's reason: {state.kill_reason}"
        case _ if state.phase.is_at_rest:
            return state.ended_because
        case _:
            return _waiting(view, decision)


def _asking(view: View) -> str:
    name = view.step.name if view.step is not None else "?"
    ends_at = view.hold_ends_at
    # Writing a target's exposure again, over an edit, begins the hold anew.
    is_over = ends_at is not None and ends_at <= view.now
    hold = "its hold is over" if is_over else "its hold began anew"
    return f"leave step {name}? {hold}; it waits for an answer"


def _edited(state: RolloutState) -> list[str]:
    """Edits by another hand, seen in a pause that began for another reason."""
    return [
        f"{one.name} was edited by another hand"
        for one in state.targets.values()
        if one.drift is not None and one.name not in state.paused_because
    ]


def _errors(view: View) -> list[str]:
    targets = view.state.targets.values()
    return [f"{one.name}: {one.last_error}" for one in targets if one.last_error]


def _waiting(view: View, decision: Decision) -> str:
    because = decision.because
    if isinstance(decision, Measure):
        because = _behind_the_measurement(view, decision)
    return "; ".join([because, *_silent_gates(view, because)])


def _behind_the_measurement(view: View, due: Measure) -> str:
    """What would come next if everything that is due said what it said last."""
    unknown = [name for name in due.gates if name not in view.state.gates]
    if unknown:
        # Never judged in this step, or not since a resume, after which nothing old counts.
        due_now = f"to be judged next: {', '.join(unknown)}"
        return due_now if view.state.promote is None else f"to be promoted; {due_now}"
    state = evolve(
        view.state,
        gates={
            name: evolve(record, judged_at=view.now) for name, record in view.state.gates.items()
        },
        targets={
            name: evolve(target, observed_at=view.now)
            for name, target in view.state.targets.items()
        },
    )
    decision = decide(view.playbook, state, view.kinds, view.now)
    name = view.step.name if view.step is not None else ""
    match decision:
        case WaitUntil() | Measure():
            return decision.because
        case _ if isinstance(getattr(decision, "event", None), ev.StepLeft | ev.Asked):
            what = "the hold is over" if view.state.promote is None else "to be promoted"
            return f"step {name}: {what}; its gates are judged anew before it is left"
        case _:
            return f"due: {decision.because}"


def _silent_gates(view: View, because: str) -> list[str]:
    """Gates that nothing can be said of, unless `because` names them."""
    said = []
    for gate in view.judged_gates:
        record = view.record(gate)
        silent = _SILENT.get(record.verdict.outcome) if record is not None else None
        if silent is not None and gate.name not in because:
            said.append(f"gate {gate.name} {silent}")
    return said
