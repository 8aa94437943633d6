"""Which events of a rollout are told: those of one step, of one gate; pure.

What a word means is looked up among the steps that were entered and the gates that were
judged; one that names none of them is an error with their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolloutctl.core import events as ev
from rolloutctl.core.report import listed, unknown_fix
from rolloutctl.errors import UsageError

#: What ends a step, and is told with it.
_ENDS = ev.StepLeft | ev.RollbackStarted | ev.KillRequested | ev.Finished
#: Told with a gate: what its judgements may have led to.
_DECISIONS = (
    ev.StepEntered
    | ev.StepLeft
    | ev.HoldExtended
    | ev.Asked
    | ev.Approved
    | ev.Paused
    | ev.Resumed
    | ev.PromoteRequested
    | ev.PromoteRefused
    | ev.RollbackStarted
    | ev.KillRequested
    | ev.Held
    | ev.Stuck
    | ev.Finished
)


def scope_of(records: Sequence[ev.Recorded], *, step: str, gate: str) -> frozenset[int] | None:
    """The numbers of the events to tell; None is all of them.

    Args:
        records: the whole journal of the rollout.
        step: the place of a step, from 1, or its name; "" is all.
        gate: the name of a gate; "" is all.

    Raises:
        UsageError: no such step was entered, or no such gate was judged.
    """
    if not step and not gate:
        return None
    place = _step_meant(step, steps_entered(records)) if step else None
    if gate:
        _refuse_unknown_gate(gate, records)
    told, current, is_inside = set(), -1, False
    for recorded in records:
        event = recorded.event
        if isinstance(event, ev.StepEntered):
            current, is_inside = event.step, True
        is_there = place is None or (is_inside and current == place)
        if is_there and (not gate or _is_about(event, gate)):
            told.add(recorded.seq)
        if isinstance(event, _ENDS):
            is_inside = False
    return frozenset(told)


def steps_entered(records: Sequence[ev.Recorded]) -> Mapping[int, str]:
    """The steps that were entered: place from 0, and name."""
    entered = [one.event for one in records if isinstance(one.event, ev.StepEntered)]
    return {one.step: one.because.partition(": ")[2] or one.because for one in entered}


def _is_about(event: ev.Event, gate: str) -> bool:
    return event.gate == gate if isinstance(event, ev.GateJudged) else isinstance(event, _DECISIONS)


def _step_meant(word: str, entered: Mapping[int, str]) -> int:
    if word.isdecimal() and int(word) - 1 in entered:
        return int(word) - 1
    named = [place for place, name in entered.items() if name == word]
    if len(named) == 1:
        return named[0]
    known = listed([f"{place + 1} ({name})" for place, name in entered.items()])
    if named:
        raise UsageError(
            f"--step {word!r} is the name of {len(named)} steps", hint=f"its number: {known}"
        )
    raise UsageError(f"--step {word!r}: no such step was entered", hint=f"entered: {known}")


def _refuse_unknown_gate(gate: str, records: Sequence[ev.Recorded]) -> None:
    judged = {one.event.gate for one in records if isinstance(one.event, ev.GateJudged)}
    if gate not in judged:
        raise UsageError(
            f"--gate {gate!r}: no such gate was judged", hint=unknown_fix(gate, sorted(judged))
        )
