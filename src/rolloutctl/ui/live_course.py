"""What the events of a rollout tell whoever watches it: decisions, requests, evidence; pure.

Folded event by event, so that nothing is read twice however long a rollout takes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.core.history import History, history_of
from rolloutctl.ui.event_view import EventLines
from rolloutctl.ui.evidence_view import share_of_way

#: Looks of one gate that are kept for its path.
PATH_LOOKS_MAX = 240
#: Requests of people that are kept.
REQUESTS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence and when it was true."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One judgement of a gate, as a share (0..1) of the way to its limit."""

    at: datetime
    share: float


@dataclass(slots=True)
class Course:
    """The course of one rollout, as far as it was told.

    Attributes:
        seq: the last event that was taken in.
        decided: the last decision's sentence; None before the first.
        requests: who asked for what, from which terminal; the newest last.
        paths: by gate, the evidence of its looks.
        since: by gate, since when its verdict has been what it is.
    """

    seq: int = 0
    decided: Said | None = None
    requests: deque[Said] = field(default_factory=lambda: deque(maxlen=REQUESTS_MAX))
    paths: dict[str, deque[Look]] = field(default_factory=dict)
    since: dict[str, Said] = field(default_factory=dict)
    _lines: EventLines = field(default_factory=EventLines)
    _records: list[ev.Recorded] = field(default_factory=list)
    _judged: dict[str, ev.Recorded] = field(default_factory=dict)
    _history: History | None = None

    def learn(self, recorded: ev.Recorded) -> None:
        """Takes in one event, in the journal's order; one that is known changes nothing."""
        if recorded.seq <= self.seq:
            return
        self.seq = recorded.seq
        event = recorded.event
        text = self._lines.text(event)
        self._remember(recorded)
        if isinstance(event, ev.GateJudged):
            self.glance(event.gate, event.record)
        asked = _asked(event)
        if asked:
            self.requests.append(Said(at=recorded.at, text=asked))
        if isinstance(event, _DECISIONS) and text:
            self.decided = Said(at=recorded.at, text=text)

    def glance(self, gate: str, record: ev.GateRecord) -> None:
        """Takes in a judgement that may not be on record; the same one again changes nothing."""
        path = self.paths.setdefault(gate, deque(maxlen=PATH_LOOKS_MAX))
        if path and path[-1].at >= record.judged_at:
            return
        path.append(Look(at=record.judged_at, share=share_of(record)))
        outcome = record.verdict.outcome.value
        if gate not in self.since or self.since[gate].text != outcome:
            self.since[gate] = Said(at=record.judged_at, text=outcome)

    def history(self) -> History:
        """What `status` knows of the course."""
        if self._history is None:
            self._history = history_of([*self._records, *self._judged.values()])
        return self._history

    def _remember(self, recorded: ev.Recorded) -> None:
        """Of a gate's judgements only the last: they are most of a journal."""
        if isinstance(recorded.event, ev.GateJudged):
            self._judged[recorded.event.gate] = recorded
        else:
            self._records.append(recorded)
        self._history = None


def share_of(record: ev.GateRecord) -> float:
    """How far a judgement is on its way to the limit at which the gate fails, 0..1.

    NaN where its numbers tell no way: a limit that is good to be above, nothing measured.
    """
    numbers: Mapping[str, float] = dict(record.measured.numbers)
    limit = numbers.get("limit")
    if limit is None:
        return math.nan
    if "evidence" in numbers and limit > 1:
        return share_of_way(numbers["evidence"], limit)
    if "spent" in numbers and limit > 0:
        return min(1.0, max(0.0, numbers["spent"] / limit))
    if "observed" in numbers and limit > 0 and _HIGH_IS_BAD in record.measured.because:
        return min(1.0, max(0.0, numbers["observed"] / limit))
    return math.nan


#: How a threshold's reason names a limit that is bad to be above (`gates.observed`).
_HIGH_IS_BAD = "limit: fail >"


_DECISIONS = (
    ev.StepEntered
    | ev.StepLeft
    | ev.HoldExtended
    | ev.Asked
    | ev.Paused
    | ev.PromoteRefused
    | ev.RollbackStarted
    | ev.Held
    | ev.Stuck
    | ev.Finished
)


def _asked(event: ev.Event) -> str:
    """Who asked for what; "" for events that nobody asked for."""
    match event:
        case ev.Started(actor=actor, reason=reason):
            what = "start"
        case ev.Approved(actor=actor, reason=reason):
            what = "approve"
        case ev.Resumed(actor=actor, reason=reason, reapply=reapply):
            what = f"resume{' --reapply' if reapply else ''}"
        case ev.PromoteRequested(actor=actor, reason=reason, override=override, full=full):
            what = f"promote{' --full' if full else ''}{' --override' if override else ''}"
        case ev.KillRequested(actor=actor, reason=reason):
            what = "kill"
        case (
            ev.Paused(actor=ev.Actor() as actor, because=because)
            | ev.RollbackStarted(actor=ev.Actor() as actor, because=because)
        ):
            return because.replace(f"by {actor.name}", f"by {_who(actor)}", 1)
        case _:
            return ""
    return f"{what} by {_who(actor)}{f': {reason}' if reason else ''}"


def _who(actor: ev.Actor) -> str:
    """Such as `ana@host on pts/3`."""
    return f"{actor.name}{f' on {actor.terminal}' if actor.terminal else ''}"
