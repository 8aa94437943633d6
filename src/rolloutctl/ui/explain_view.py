"""A rollout's whole record: every event, and of every judgement what it was made from; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolloutctl.core import events as ev
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.measurement import Reading
from rolloutctl.core.verdict import Verdict
from rolloutctl.ui.documents import time_json, verdict_json
from rolloutctl.ui.event_view import EventLines, local_time
from rolloutctl.ui.evidence_view import evidence_text
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.story_view import story_text
from rolloutctl.ui.table import wrapped

if TYPE_CHECKING:
    from rolloutctl.core.json_types import Json

#: Samples of one reading shown to people; machines get all.
SAMPLES_SHOWN = 4
#: Columns before the text of a line: the number of the event and the time.
_INDENT = " " * 8


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
    """A rollout's events, whether their chain holds, and what replaying them gave."""

    rollout_id: str
    records: tuple[ev.Recorded, ...]
    chain_break: str
    replayed: tuple[Replayed, ...]
    is_replayed: bool


def explain_text(explanation: Explanation, width: int) -> str:
    """One paragraph an event, whether it decided something or not: no number is missing."""
    lines = EventLines()
    replayed = {one.seq: one for one in explanation.replayed}
    parts = []
    for recorded in explanation.records:
        said = lines.line(recorded) or f"{local_time(recorded.at)}  {_aside(recorded.event)}"
        parts.append(wrapped(f"{recorded.seq:>5}  {said}", width, indent=_INDENT))
        if isinstance(recorded.event, ev.GateJudged):
            parts += _numbers(recorded.event.record.verdict, width)
            parts += [_reading(one, width) for one in recorded.event.readings]
        if recorded.seq in replayed:
            parts.append(_INDENT + _replay(replayed[recorded.seq]))
    return "\n".join(parts)


def explain_story(explanation: Explanation, width: int) -> str:
    """Each decision once, with what it followed from; verdicts that differ when replayed."""
    different = {
        one.seq: f"gate {one.gate}: {_replay(one)}"
        for one in explanation.replayed
        if not one.is_identical
    }
    story = story_text(explanation.records, width, notes=different)
    evidence = evidence_text(explanation.records, width)
    return f"{story}\n\n{evidence}" if evidence else story


def explain_document(explanation: Explanation) -> Mapping[str, Json]:
    """The same for machines; `--output ndjson` gives the journal's own events."""
    lines = EventLines()
    return {
        "apiVersion": API_VERSION,
        "kind": "Explanation",
        "id": explanation.rollout_id,
        "chain": explanation.chain_break or "unbroken",
        "replay": _replay_json(explanation) if explanation.is_replayed else None,
        "events": [_event_json(recorded, lines) for recorded in explanation.records],
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


def _numbers(verdict: Verdict, width: int) -> list[str]:
    if not verdict.numbers:
        return []
    said = ", ".join(f"{name} {number:g}" for name, number in verdict.numbers)
    return [wrapped(f"{_INDENT}numbers {said}", width, indent=_INDENT + "  ")]


def _reading(reading: Reading, width: int) -> str:
    answer = reading.error
    measurement = reading.measurement
    if measurement is not None:
        shown = measurement.samples[:SAMPLES_SHOWN]
        answer = ", ".join(f"{sample.value:g}" for sample in shown) or measurement.state.value
        more = len(measurement.samples) - len(shown)
        answer += f" and {more} more series" if more > 0 else ""
    return wrapped(f"{_INDENT}asked {reading.query.text} -> {answer}", width, indent=_INDENT + "  ")


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


def _event_json(recorded: ev.Recorded, lines: EventLines) -> Json:
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
