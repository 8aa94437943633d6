"""The recorded judgements of each gate over a rollout; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rolloutctl.core import events as ev
from rolloutctl.core.measurement import Reading
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.evidence_view import share_of_way
from rolloutctl.ui.report.model import GateCourse, Look

#: Judgements of one gate that are drawn; of more the worst of each stretch is.
LOOKS_MAX = 300
#: Of a gate on means: how much worse than accepted the canary is, chance allowed for.
BEYOND = "beyond_at_least"


def gate_courses(
    records: Sequence[ev.Recorded], document: Mapping[str, Any]
) -> tuple[GateCourse, ...]:
    """The gates that were judged, in the order of their first judgement."""
    judged: dict[str, list[tuple[datetime, ev.GateJudged]]] = {}
    for recorded in records:
        if isinstance(recorded.event, ev.GateJudged):
            judged.setdefault(recorded.event.gate, []).append((recorded.at, recorded.event))
    return tuple(_gate(name, found, document) for name, found in judged.items())


def _gate(
    name: str, judged: Sequence[tuple[datetime, ev.GateJudged]], document: Mapping[str, Any]
) -> GateCourse:
    gates, guardrails = document.get("gates"), document.get("guardrails")
    found = gates.get(name) if isinstance(gates, dict) else None
    described = found if isinstance(found, dict) else {}
    last = judged[-1][1]
    measure, limit = _measure(judged)
    looks = [
        Look(
            at=at,
            outcome=event.record.verdict.outcome,
            because=event.record.verdict.because,
            value=_numbers(event).get(measure),
        )
        for at, event in judged
    ]
    return GateCourse(
        name=name,
        kind=str(described.get("kind", "")),
        source=str(described.get("source", "")),
        is_guardrail=isinstance(guardrails, list) and name in guardrails,
        looks=tuple(_thinned(looks, fails="below" if _fails(described) == "below" else "above")),
        judgements=len(judged),
        measure=measure,
        limit=limit,
        fails="above" if measure in {"evidence", "spent", BEYOND} else _fails(described),
        numbers=last.record.measured.numbers,
        queries=tuple((one.query.text, _answer(one)) for one in last.readings),
    )


def _measure(judged: Sequence[tuple[datetime, ev.GateJudged]]) -> tuple[str, float]:
    """What is drawn of a gate, and its last limit; nothing where there is no limit."""
    for _, event in reversed(judged):
        numbers = _numbers(event)
        if BEYOND in numbers:
            return BEYOND, 0.0
        limit = numbers.get("limit")
        if limit is None:
            continue
        if "evidence" in numbers:
            return ("evidence", limit) if limit > 1 else ("", 0.0)
        for name in ("observed", "spent"):
            if name in numbers:
                return name, limit
    return "", 0.0


def _fails(described: Mapping[str, Any]) -> str:
    """On which side of its limit the gate fails, as its condition says."""
    fail, passes = str(described.get("fail", "")).strip(), str(described.get("pass", "")).strip()
    if fail:
        return {">": "above", "<": "below"}.get(fail[0], "")
    return {">": "below", "<": "above"}.get(passes[:1], "")


def _numbers(event: ev.GateJudged) -> Mapping[str, float]:
    return dict(event.record.measured.numbers)


def share_of_limit(gate: GateCourse, value: float) -> float:
    """How far a value is on its way to the limit: evidence on a logarithmic scale."""
    if gate.measure == "evidence":
        return share_of_way(value, gate.limit)
    if gate.limit <= 0:
        return 0.0 if value <= gate.limit else 1.0
    return max(0.0, min(value / gate.limit, 1.0))


def _answer(reading: Reading) -> str:
    if reading.error:
        return str(reading.error)
    measurement = reading.measurement
    if measurement is None:
        return ""
    values = [f"{sample.value:g}" for sample in measurement.samples[:4]]
    more = len(measurement.samples) - len(values)
    return ", ".join(values) + (f" and {more} more series" if more > 0 else "") or str(
        measurement.state.value
    )


def _thinned(looks: Sequence[Look], *, fails: str) -> Sequence[Look]:
    """Of too many the worst of each stretch, so that no failure is left out, and the last."""
    if len(looks) <= LOOKS_MAX:
        return looks
    sign = -1.0 if fails == "below" else 1.0
    count = LOOKS_MAX - 1
    parts = [looks[i * len(looks) // count : (i + 1) * len(looks) // count] for i in range(count)]
    worst = [
        max(part, key=lambda one: (one.outcome is Outcome.FAIL, sign * (one.value or 0.0)))
        for part in parts
    ]
    return [*worst, looks[-1]]
