"""Where the evidence of a gate began to be gathered, if that was an earlier step; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rolloutctl.core import events as ev


def origins(records: Iterable[ev.Recorded]) -> Mapping[int, int]:
    """By event number of a judgement: the step, from 0, in which its evidence began.

    Only judgements whose evidence is older than their step. A guardrail's is not meant: it
    is judged through all steps, and says so.
    """
    began: dict[str, int] = {}
    found: dict[int, int] = {}
    for recorded in records:
        event = recorded.event
        if not isinstance(event, ev.GateJudged):
            continue
        record = event.record
        is_handed_on = (record.is_carried or record.is_kept) and not record.is_guardrail
        if not is_handed_on or event.previous is None:
            began[event.gate] = event.step
        elif began.setdefault(event.gate, event.step) < event.step:
            found[recorded.seq] = began[event.gate]
    return found


def origin_text(step: int) -> str:
    """What is said of it after a verdict."""
    return f" [evidence since step {step + 1}]"
