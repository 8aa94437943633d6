"""A rollout's whole record: every event, and of every judgement what it was made from; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from rolloutctl.core import events as ev
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.measurement import Reading
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.documents import time_json, verdict_json
from rolloutctl.ui.event_view import EventLines, local_time
from rolloutctl.ui.evidence_origin import origin_text, origins
from rolloutctl.ui.evidence_view import evidence_text
from rolloutctl.ui.gate_plot import gate_plot
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.report.gate_courses import gate_courses
from rolloutctl.ui.story_view import Days, story_lines, story_paragraph
from rolloutctl.ui.table import wrapped

if TYPE_CHECKING:
    from rolloutctl.core.json_types import Json

#: Samples of one reading shown to people; machines get all.
SAMPLES_SHOWN = 4
#: Columns before the text of a line: the number of the event and the time.
_INDENT = " " * 8
#: Columns before what a judgement within the story was made from.
_INNER = " " * 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One verdict as recorded and as computed now."""

    seq: int
    gate: str
    recorded: ev.GateRecord
    computed: ev.GateRecord

    @property
    def is_identical(self) -> bool:
        """Same outcome for the same stated reason."""
        return self.recorded.verdict == self.computed.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A rollout's events, whether their chain holds, and what replaying them gave.

    `told`: the numbers of the events that are told; None is all. `gate`: the one asked for.
    """

    rollout_id: str
    records: tuple[ev.Recorded, ...]
    chain_break: str
    replayed: tuple[Replayed, ...]
    is_replayed: bool
    told: frozenset[int] | None = None
    gate: str = ""

    def tells(self, seq: int) -> bool:
        """Whether the event of this number is told."""
        return self.told is None or seq in self.told

    @property
    def told_records(self) -> tuple[ev.Recorded, ...]:
        """The events that are told."""
        return tuple(one for one in self.records if self.tells(one.seq))


def explain_text(explanation: Explanation, width: int) -> str:
    """One paragraph an event, whether it decided something or not: no number is missing."""
    lines = EventLines()
    replayed = {one.seq: one for one in explanation.replayed}
    since = origins(explanation.records)
    days, parts = Days(), list[str]()
    for recorded in explanation.records:
        said = lines.line(recorded) or f"{local_time(recorded.at)}  {_aside(recorded.event)}"
        if not explanation.tells(recorded.seq):
            continue
        if recorded.seq in since:
            said += origin_text(since[recorded.seq])
        parts += days.turned(recorded)
        parts.append(wrapped(f"{recorded.seq:>5}  {said}", width, indent=_INDENT))
        if isinstance(recorded.event, ev.GateJudged):
            parts += made_from(recorded.event, width)
        if recorded.seq in replayed:
            parts.append(_INDENT + _replay(replayed[recorded.seq]))
    return "\n".join(parts)


def explain_story(explanation: Explanation, width: int) -> str:
    """Each decision once, with what it followed from; verdicts that differ when replayed.

    What a failed or silent gate asked and was answered stands below it; of a gate that was
    asked for, always, and its course as a drawing at the end.
    """
    days, parts = Days(), list[str]()
    for recorded, indent, text in told_lines(explanation):
        parts += days.turned(recorded)
        parts.append(story_paragraph(recorded, indent, text, width))
        event = recorded.event
        if is_told_in_full(event, explanation) and "replayed: " not in text:
            parts += made_from(event, width, indent=_INNER)
    story = "\n".join(parts) or "nothing was recorded there"
    if explanation.gate:
        return f"{story}\n\n{drawn(explanation, width)}"
    evidence = evidence_text(explanation.told_records, width)
    return f"{story}\n\n{evidence}" if evidence else story


def told_lines(explanation: Explanation) -> list[tuple[ev.Recorded, str, str]]:
    """The lines of the story that are told."""
    different = {
        one.seq: f"gate {one.gate}: {_replay(one)}"
        for one in explanation.replayed
        if not one.is_identical
    }
    lines = story_lines(explanation.records, notes=different)
    return [line for line in lines if explanation.tells(line[0].seq)]


def is_told_in_full(event: ev.Event, explanation: Explanation) -> TypeGuard[ev.GateJudged]:
    """Whether a judgement's queries and numbers belong to the story."""
    if not isinstance(event, ev.GateJudged):
        return False
    is_trouble = event.record.verdict.outcome in {Outcome.FAIL, Outcome.NO_DATA, Outcome.ERROR}
    return is_trouble or event.gate == explanation.gate


def drawn(explanation: Explanation, width: int) -> str:
    """The course of each gate that is told, with characters."""
    started = explanation.records[0].event
    document = json.loads(started.document) if isinstance(started, ev.Started) else {}
    courses = gate_courses(explanation.told_records, document)
    return "\n\n".join(gate_plot(one, width) for one in courses)


def explain_document(explanation: Explanation) -> Mapping[str, Json]:
    """The same for machines; `--output ndjson` gives the journal's own events."""
    lines, since = EventLines(), origins(explanation.records)
    return {
        "apiVersion": API_VERSION,
        "kind": "Explanation",
        "id": explanation.rollout_id,
        "chain": explanation.chain_break or "unbroken",
        "replay": _replay_json(explanation) if explanation.is_replayed else None,
        "events": [
            document
            # Every event is put into words, told or not: later words build on it.
            for recorded in explanation.records
            if (document := _event_json(recorded, lines, since)) and explanation.tells(recorded.seq)
        ],
    }


def _aside(event: ev.Event) -> str:
    """Events that tell people nothing, where every event is told."""
    match event:
        case ev.LeaseTaken(owner=owner, epoch=epoch):
            return f"driven by {readable_owner(owner)}, epoch {epoch}"
        case ev.Notified(notifier=notifier, of_seq=of_seq):
            return f"{notifier} was told of event {of_seq}"
        case _:
            return type(event).__name__


def made_from(event: ev.GateJudged, width: int, *, indent: str = _INDENT) -> list[str]:
    """What a judgement was computed from: its numbers, each query with its answer."""
    numbers, readings = numbers_text(event), readings_texts(event)
    said = [f"numbers {numbers}"] if numbers else []
    said += [f"asked {query} -> {answer}" for query, answer in readings]
    return [wrapped(f"{indent}{one}", width, indent=f"{indent}  ") for one in said]


def numbers_text(event: ev.GateJudged) -> str:
    """The numbers behind a verdict: the statistic, the limit, the counts."""
    return ", ".join(f"{name} {number:g}" for name, number in event.record.verdict.numbers)


def readings_texts(event: ev.GateJudged) -> list[tuple[str, str]]:
    """(query, answer) of a judgement."""
    return [(one.query.text, _answer(one)) for one in event.readings]


def _answer(reading: Reading) -> str:
    measurement = reading.measurement
    if measurement is None:
        return reading.error
    shown = measurement.samples[:SAMPLES_SHOWN]
    answer = ", ".join(f"{sample.value:g}" for sample in shown) or measurement.state.value
    more = len(measurement.samples) - len(shown)
    return answer + (f" and {more} more series" if more > 0 else "")


def _replay(one: Replayed) -> str:
    if one.is_identical:
        return "replayed: identical"
    verdict = one.computed.verdict
    return f"replayed: DIFFERENT: {verdict.outcome}: {verdict.because}"


def _replay_json(explanation: Explanation) -> Json:
    return {
        "verdicts": len(explanation.replayed),
        "identical": all(one.is_identical for one in explanation.replayed),
        "different": [
            {
                "seq": one.seq,
                "gate": one.gate,
                "recorded": verdict_json(one.recorded.verdict),
                "computed": verdict_json(one.computed.verdict),
            }
            for one in explanation.replayed
            if not one.is_identical
        ],
    }


def _event_json(recorded: ev.Recorded, lines: EventLines, since: Mapping[int, int]) -> Json:
    event = recorded.event
    body: dict[str, Json] = {
        "seq": recorded.seq,
        "at": time_json(recorded.at),
        "event": type(event).__name__,
        "text": lines.text(event),
    }
    if isinstance(event, ev.GateJudged):
        body |= {
            "gate": event.gate,
            **verdict_json(event.record.verdict),
            "evidence_since_step": since.get(recorded.seq, event.step) + 1,
            "readings": [_reading_json(one) for one in event.readings],
        }
    return body


def _reading_json(reading: Reading) -> Json:
    measurement = reading.measurement
    return {
        "query": reading.query.text,
        "error": reading.error,
        "state": None if measurement is None else measurement.state.value,
        "at": None if measurement is None else time_json(measurement.at),
        "samples": []
        if measurement is None
        else [{"labels": dict(s.labels), "value": s.value} for s in measurement.samples],
    }
