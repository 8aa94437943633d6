"""What a report tells, gathered from a rollout's journal; pure.

Times are those of the machine that writes the report, and say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Observation
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.evidence_view import share_of_way
from rolloutctl.ui.rollout_view import phase_line
from rolloutctl.ui.story_view import story_lines

#: Judgements of one gate that are drawn; of more the worst of each stretch is.
LOOKS_MAX = 300
#: Lines of the story; a longer one is cut in its middle, and says so.
LINES_MAX = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was intended or seen at a time, in basis points; None where it is not known."""

    at: datetime
    canary_bp: int | None
    shadow_bp: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCourse:
    """One target: what was intended, what was seen, and how it was before."""

    name: str
    address: str
    provider: str
    control: str
    canary: str
    intended: tuple[Point, ...]
    seen: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the rollout: a step, or `waiting`, `rolling back`, `killing`."""

    name: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One recorded judgement. `height`: 0 is nothing, 1 the limit; None where there is none."""

    at: datetime
    outcome: Outcome
    because: str
    height: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCourse:
    """One gate over the rollout, and what its last judgement was made from.

    `queries` are (text, answer); `scale` says in words what the heights are.
    """

    name: str
    kind: str
    source: str
    is_guardrail: bool
    looks: tuple[Look, ...]
    judgements: int
    scale: str
    numbers: tuple[tuple[str, float], ...]
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story. `tone`: good, bad, wait or nothing."""

    seq: int
    at: datetime
    text: str
    is_inner: bool
    tone: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """Everything that a report tells; `left_out` lines of the story are in the journal only."""

    rollout_id: str
    name: str
    description: str
    owner: str
    phase: Phase
    sentence: str
    began_at: datetime
    ended_at: datetime
    is_over: bool
    sha256: str
    playbook: Mapping[str, Any] = field(repr=False)
    events: int
    chain: str
    targets: tuple[TargetCourse, ...]
    steps: tuple[Span, ...]
    spans: tuple[Span, ...]
    gates: tuple[GateCourse, ...]
    lines: tuple[Line, ...]
    left_out: int
    people: tuple[tuple[str, str], ...]


def report_of(
    state: RolloutState,
    records: Sequence[ev.Recorded],
    *,
    because: str,
    chain: str,
    now: datetime,
) -> RolloutReport:
    """Gathers a report.

    Args:
        state: the fold of `records`.
        records: the whole journal of the rollout.
        because: why it is where it is, in one sentence.
        chain: what is wrong with the journal's chain; "" if nothing.
        now: the end of a rollout that is not over.
    """
    started = records[0].event
    if not isinstance(started, ev.Started):
        raise TypeError("a journal begins with Started")
    document = json.loads(started.document)
    ended_at = records[-1].at if state.phase.is_terminal else now
    lines, left_out = _lines(records)
    return RolloutReport(
        rollout_id=state.rollout_id,
        name=state.name,
        description=str(document.get("description", "")),
        owner=str(document.get("owner", "")),
        phase=state.phase,
        sentence=phase_line(state, because),
        began_at=records[0].at,
        ended_at=ended_at,
        is_over=state.phase.is_terminal,
        sha256=state.sha256,
        playbook=document,
        events=len(records),
        chain=chain,
        targets=_targets(started, records, document),
        steps=_steps(records, ended_at),
        spans=_spans(records, ended_at),
        gates=_gates(records, document),
        lines=lines,
        left_out=left_out,
        people=_people(records),
    )


# -- exposure -------------------------------------------------------------------


def _targets(
    started: ev.Started, records: Sequence[ev.Recorded], document: Mapping[str, Any]
) -> tuple[TargetCourse, ...]:
    intended: dict[str, list[Point]] = {}
    seen: dict[str, list[Point]] = {}
    effects: dict[str, Effect] = {}
    for recorded in records:
        for target, exposure in _seen(recorded.event, effects):
            seen.setdefault(target, []).append(_point(recorded.at, exposure))
        if isinstance(recorded.event, ev.Intended):
            effect = recorded.event.effect
            effects[recorded.event.key] = effect
            if isinstance(effect, Expose):
                point = _point(recorded.at, effect.exposure)
                intended.setdefault(effect.target, []).append(point)
    courses = []
    for before in started.restore_points:
        described = _mapping(_mapping(document, "targets"), before.target)
        courses.append(
            TargetCourse(
                name=before.target,
                address=before.address,
                provider=str(described.get("provider", "")),
                control=_arm(described, "control"),
                canary=_arm(described, "canary"),
                intended=tuple(intended.get(before.target, ())),
                seen=tuple(seen.get(before.target, ())),
            )
        )
    return tuple(courses)


def _seen(
    event: ev.Event, effects: Mapping[str, Effect]
) -> Iterable[tuple[str, Exposure | Observation | None]]:
    """(target, what was seen on it) of an event."""
    match event:
        case ev.Started(restore_points=points):
            return [(point.target, point.observation) for point in points]
        case ev.Applied(key=key, after=after) if after is not None:
            target = getattr(effects.get(key), "target", "")
            return [(target, after)] if target else []
        case ev.ApplyFailed(target=target, after=after) if after is not None and target:
            return [(target, after)]
        case (
            ev.Drifted(target=target, observation=observation)
            | ev.OutsideKilled(target=target, observation=observation)
            | ev.Settled(target=target, observation=observation)
            | ev.Unsettled(target=target, observation=observation)
        ):
            return [(target, observation)]
        case ev.TargetKilled(target=target, confirmed=True):
            return [(target, _ZERO)]
        case _:
            return []


_ZERO = Exposure(weights=(("control", 10_000), ("canary", 0)))


def _point(at: datetime, seen: Exposure | Observation | None) -> Point:
    exposure = seen.exposure if isinstance(seen, Observation) else seen
    if exposure is None:
        return Point(at=at, canary_bp=None, shadow_bp=None)
    return Point(at=at, canary_bp=exposure.canary_bp, shadow_bp=exposure.shadow_bp)


def _arm(target: Mapping[str, Any], name: str) -> str:
    arm = target.get(name)
    return str(arm.get("is", "") if isinstance(arm, dict) else arm or "")


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


# -- stretches ------------------------------------------------------------------


def _steps(records: Sequence[ev.Recorded], ends: datetime) -> tuple[Span, ...]:
    spans: list[Span] = []
    name, began = "", None
    for recorded in records:
        event = recorded.event
        is_end = isinstance(
            event, ev.StepLeft | ev.RollbackStarted | ev.KillRequested | ev.Finished
        )
        if began is not None and is_end:
            spans.append(Span(name=name, begins=began, ends=recorded.at))
            began = None
        if isinstance(event, ev.StepEntered):
            name, began = event.because.partition(": ")[2] or event.because, recorded.at
    if began is not None:
        spans.append(Span(name=name, begins=began, ends=ends))
    return tuple(spans)


_BEGINS = (
    (ev.Asked | ev.Paused | ev.Held | ev.Stuck, "waiting for a human"),
    (ev.RollbackStarted, "rolling back"),
    (ev.KillRequested, "kill"),
)
_ENDS = ev.Approved | ev.Resumed | ev.StepLeft | ev.RollbackStarted | ev.KillRequested | ev.Finished


def _spans(records: Sequence[ev.Recorded], ends: datetime) -> tuple[Span, ...]:
    """Waits and ways back, one after the other."""
    spans: list[Span] = []
    name, began = "", None
    for recorded in records:
        event = recorded.event
        begins = next((what for kind, what in _BEGINS if isinstance(event, kind)), "")
        if began is not None and (begins or isinstance(event, _ENDS)):
            spans.append(Span(name=name, begins=began, ends=recorded.at))
            began = None
        if begins:
            name, began = begins, recorded.at
    if began is not None:
        spans.append(Span(name=name, begins=began, ends=ends))
    return tuple(spans)


# -- gates ----------------------------------------------------------------------


def _gates(records: Sequence[ev.Recorded], document: Mapping[str, Any]) -> tuple[GateCourse, ...]:
    judged: dict[str, list[tuple[datetime, ev.GateJudged]]] = {}
    for recorded in records:
        if isinstance(recorded.event, ev.GateJudged):
            judged.setdefault(recorded.event.gate, []).append((recorded.at, recorded.event))
    return tuple(_gate(name, found, document) for name, found in judged.items())


def _gate(
    name: str, judged: Sequence[tuple[datetime, ev.GateJudged]], document: Mapping[str, Any]
) -> GateCourse:
    described = _mapping(_mapping(document, "gates"), name)
    guardrails = document.get("guardrails")
    last = judged[-1][1]
    scale = next((said for _, event in judged if (said := _scale(event))), "")
    looks = [
        Look(
            at=at,
            outcome=event.record.verdict.outcome,
            because=event.record.verdict.because,
            height=_height(event),
        )
        for at, event in judged
    ]
    return GateCourse(
        name=name,
        kind=str(described.get("kind", "")),
        source=str(described.get("source", "")),
        is_guardrail=isinstance(guardrails, list) and name in guardrails,
        looks=tuple(_thinned(looks)),
        judgements=len(judged),
        scale=scale,
        numbers=last.record.measured.numbers,
        queries=tuple((one.query.text, _answer(one)) for one in last.readings),
    )


def _answer(reading: Any) -> str:  # core.measurement.Reading
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


def _numbers(event: ev.GateJudged) -> Mapping[str, float]:
    return dict(event.record.measured.numbers)


def _scale(event: ev.GateJudged) -> str:
    numbers = _numbers(event)
    if "evidence" in numbers and numbers.get("limit", 0.0) > 1:
        return f"evidence, logarithmic, from 1 to {numbers['limit']:g}"
    if "observed" in numbers and numbers.get("limit", 0.0) > 0:
        return f"observed, from 0 to the limit {numbers['limit']:g}"
    if "spent" in numbers and numbers.get("limit", 0.0) > 0:
        return f"spent, from 0 to the limit {numbers['limit']:g}"
    return ""


def _height(event: ev.GateJudged) -> float | None:
    numbers = _numbers(event)
    limit = numbers.get("limit", 0.0)
    if "evidence" in numbers and limit > 1:
        evidence = numbers["evidence"]
        over = 1.15 if evidence > limit else 1.0
        return share_of_way(evidence, limit) * over
    for name in ("observed", "spent"):
        if name in numbers and limit > 0:
            return max(0.0, min(numbers[name] / limit, 1.5))
    return None


def _thinned(looks: Sequence[Look]) -> Sequence[Look]:
    """The worst look of each stretch, so that no failure is left out."""
    if len(looks) <= LOOKS_MAX:
        return looks
    kept = []
    for index in range(LOOKS_MAX):
        part = looks[index * len(looks) // LOOKS_MAX : (index + 1) * len(looks) // LOOKS_MAX]
        kept.append(max(part, key=lambda one: (one.outcome is Outcome.FAIL, one.height or 0.0)))
    return kept


# -- the story --------------------------------------------------------------------

_TONES: tuple[tuple[Any, str], ...] = (
    (ev.Stuck | ev.RollbackStarted | ev.KillRequested | ev.ApplyFailed | ev.Drifted, "bad"),
    (ev.Asked | ev.Paused | ev.Held, "wait"),
    (ev.StepLeft | ev.Approved | ev.Settled, "good"),
)


def _lines(records: Sequence[ev.Recorded]) -> tuple[tuple[Line, ...], int]:
    lines = [
        Line(
            seq=recorded.seq,
            at=recorded.at,
            text=text,
            is_inner=bool(indent),
            tone=_tone(recorded.event),
            who=_who_else(recorded.event, text),
        )
        for recorded, indent, text in story_lines(records)
    ]
    if len(lines) <= LINES_MAX:
        return tuple(lines), 0
    half = LINES_MAX // 2
    return (*lines[:half], *lines[-half:]), len(lines) - 2 * half


def _tone(event: ev.Event) -> str:
    if isinstance(event, ev.GateJudged):
        outcome = event.record.verdict.outcome
        return {Outcome.PASS: "", Outcome.FAIL: "bad"}.get(outcome, "wait")
    if isinstance(event, ev.Finished):
        return "good" if event.finished_as is ev.FinishedAs.SUCCEEDED else "bad"
    return next((tone for kind, tone in _TONES if isinstance(event, kind)), "")


def _actor(event: ev.Event) -> ev.Actor | None:
    actor = getattr(event, "actor", None)
    return actor if isinstance(actor, ev.Actor) else None


def _who(event: ev.Event) -> str:
    actor = _actor(event)
    if actor is None:
        return ""
    return f"{actor.name}, {actor.terminal}" if actor.terminal else actor.name


def _who_else(event: ev.Event, text: str) -> str:
    """Who, unless the text says it."""
    actor = _actor(event)
    is_said = actor is not None and actor.name in text
    return actor.terminal if actor is not None and is_said else _who(event)


def _reason(event: ev.Event) -> str:
    if isinstance(event, ev.Paused):
        return event.because.partition(": ")[2]  # "paused by ana: why"
    return str(getattr(event, "reason", ""))


_DID = (
    (ev.Started, "started it"),
    (ev.Approved, "approved"),
    (ev.Paused, "paused it"),
    (ev.Resumed, "resumed it"),
    (ev.PromoteRequested, "promoted"),
    (ev.RollbackStarted, "asked for the way back"),
    (ev.KillRequested, "killed it"),
)


def _people(records: Sequence[ev.Recorded]) -> tuple[tuple[str, str], ...]:
    """(who, what they did), in the order in which they came."""
    done: dict[str, list[str]] = {}
    for recorded in records:
        who = _who(recorded.event)
        what = next((text for kind, text in _DID if isinstance(recorded.event, kind)), "")
        if who and what:
            at = local_time(recorded.at)
            reason = _reason(recorded.event)
            said = f"{what} at {at}" + (f" ({reason})" if reason else "")
            done.setdefault(who, []).append(said)
    return tuple((who, "; ".join(what)) for who, what in done.items())
