"""A rollout's record as a short story: each decision once, equal judgements folded; pure.

`explain --all` tells every event with its queries; a person first wants to know what
happened and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.event_news import indent_of
from rolloutctl.ui.event_view import EventLines, local_time
from rolloutctl.ui.evidence_origin import origin_text, origins
from rolloutctl.ui.table import wrapped

#: Columns of an event's number before its time.
_NUMBER = 5
#: Columns of number, time and the spaces around them.
_HEAD = 17
#: A write that failed so often in the same words is told in three lines.
_TOLD_ONCE_FROM = 3


@dataclass(slots=True)
class _Run:
    """Judgements of one gate that said the same, one after the other."""

    first: ev.Recorded
    first_count: int  # a guardrail's count goes on from step to step
    last: ev.Recorded
    event: ev.GateJudged
    is_turn: bool  # the gate had said something else in this step


@dataclass(slots=True)
class _Story:
    """What was told, and the judgements that the next decision will have followed from."""

    since: Mapping[int, int] = field(default_factory=dict)
    lines: EventLines = field(default_factory=EventLines)
    runs: dict[str, _Run] = field(default_factory=dict)
    told: str = ""

    def lines_of(self, recorded: ev.Recorded) -> Iterator[tuple[ev.Recorded, str, str]]:
        """The lines that `recorded` completes: event, indent, text."""
        event = recorded.event
        if isinstance(event, ev.GateJudged):
            yield from self._judged(recorded, event)
            return
        text = self.lines.text(event)
        if isinstance(event, _DECISIONS):
            yield from self.flushed(is_waited_for=not isinstance(event, ev.StepLeft))
        if text and text != self.told:
            self.told = text
            yield recorded, indent_of(event), text

    def flushed(self, *, is_waited_for: bool) -> Iterator[tuple[ev.Recorded, str, str]]:
        """The runs so far; an undecided one only where somebody may have waited for it."""
        for run in sorted(self.runs.values(), key=lambda one: one.last.seq):
            if is_waited_for or run.is_turn or not _is_undecided(run.event):
                yield run.last, "  ", self._told(run)
        self.runs.clear()

    def _judged(
        self, recorded: ev.Recorded, event: ev.GateJudged
    ) -> Iterator[tuple[ev.Recorded, str, str]]:
        run = self.runs.get(event.gate)
        if run is not None and _outcome(run.event) is _outcome(event):
            run.last, run.event = recorded, event
            return
        if run is not None and (run.is_turn or not _is_undecided(run.event)):
            yield run.last, "  ", self._told(run)
        is_turn = run is not None and not _is_undecided(run.event)
        self.runs[event.gate] = _Run(
            first=recorded, first_count=_count(event), last=recorded, event=event, is_turn=is_turn
        )

    def _told(self, run: _Run) -> str:
        verdict = run.event.record.verdict
        count = _count(run.event) - run.first_count + 1
        since = local_time(run.first.at)
        times = f" {count} times since {since}, last" if count > 1 else ""
        step = self.since.get(run.last.seq)
        origin = "" if step is None else origin_text(step)
        return f"gate {run.event.gate}: {verdict.outcome}{times}: {verdict.because}{origin}"


#: Events that gates may have decided: what they said stands before them.
_DECISIONS = (
    ev.StepLeft,
    ev.HoldExtended,
    ev.Asked,
    ev.Paused,
    ev.PromoteRefused,
    ev.RollbackStarted,
    ev.KillRequested,
    ev.Held,
    ev.Stuck,
    ev.Finished,
)


def story_text(
    records: Iterable[ev.Recorded], width: int, *, notes: Mapping[int, str] | None = None
) -> str:
    """The story, one paragraph a line of it.

    Args:
        records: the whole journal of a rollout, in order.
        width: columns to fold at.
        notes: by event number, a line to put below it (a verdict replayed differently).
    """
    days = Days()
    parts = []
    for recorded, indent, text in story_lines(records, notes=notes):
        parts += days.turned(recorded)
        parts.append(story_paragraph(recorded, indent, text, width))
    return "\n".join(parts)


def story_lines(
    records: Iterable[ev.Recorded], *, notes: Mapping[int, str] | None = None
) -> list[tuple[ev.Recorded, str, str]]:
    """The story's lines: the event each stands for, its indent, its text."""
    records = tuple(records)
    story, notes = _Story(since=origins(records)), notes or {}
    lines: list[tuple[ev.Recorded, str, str]] = []
    for recorded in records:
        lines += story.lines_of(recorded)
        note = notes.get(recorded.seq, "")
        if note:
            lines.append((recorded, "  ", note))
    lines += story.flushed(is_waited_for=True)
    # What a gate said last is known only once something followed from it.
    return _without_repetitions(sorted(lines, key=lambda line: line[0].seq))


def _without_repetitions(
    lines: Sequence[tuple[ev.Recorded, str, str]],
) -> list[tuple[ev.Recorded, str, str]]:
    """A write that fails again and again is told once, with how often and when last."""
    told: list[tuple[ev.Recorded, str, str]] = []
    place = 0
    while place < len(lines):
        times = _times_tried(lines, place)
        if times < _TOLD_ONCE_FROM:
            told.append(lines[place])
            place += 1
            continue
        last = lines[place + 2 * times - 1]
        told += lines[place : place + 2]
        told.append((last[0], last[1], f"and {times - 1} times more, last: {last[2]}"))
        place += 2 * times
    return told


def _times_tried(lines: Sequence[tuple[ev.Recorded, str, str]], place: int) -> int:
    """How often a write and its failure follow from `place` on, in the same words."""
    if place + 1 >= len(lines) or not isinstance(lines[place + 1][0].event, ev.ApplyFailed):
        return 0
    pair = [line[1:] for line in lines[place : place + 2]]
    times = 1
    while [line[1:] for line in lines[place + 2 * times : place + 2 * times + 2]] == pair:
        times += 1
    return times


@dataclass(slots=True)
class Days:
    """The date above the first event of each day, where the reader is."""

    _day: date | None = None

    def turned(self, recorded: ev.Recorded) -> list[str]:
        """The line with the date, if this event is of another day than the one before."""
        day = recorded.at.astimezone().date()
        if day == self._day:
            return []
        self._day = day
        return [f"{'':>{_NUMBER}}  {day.isoformat()}"]


def story_paragraph(recorded: ev.Recorded, indent: str, text: str, width: int) -> str:
    """One line of the story with its number and time, folded."""
    head = f"{recorded.seq:>{_NUMBER}}  {local_time(recorded.at)}  {indent}"
    return wrapped(f"{head}{text}", width, indent=" " * (_HEAD + len(indent)))


def _count(event: ev.GateJudged) -> int:
    """Judgements in a row that said so; most of them are not recorded one by one."""
    record = event.record
    counts = {
        Outcome.PASS: record.passes_in_row,
        Outcome.FAIL: record.failures,
        Outcome.NO_DATA: record.silences,
        Outcome.ERROR: record.errors,
    }
    return counts.get(record.verdict.outcome, 0)


def _outcome(event: ev.GateJudged) -> Outcome:
    return event.record.verdict.outcome


def _is_undecided(event: ev.GateJudged) -> bool:
    return _outcome(event) is Outcome.INCONCLUSIVE
