"""Which step a rollout was in, and when it waited or went back; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.ui.report.model import Span

#: Stretches that are drawn and listed; of more the last.
SPANS_MAX = 200


def step_spans(records: Sequence[ev.Recorded], ends: datetime) -> tuple[Span, ...]:
    """The steps that were entered, each with how it ended."""
    spans: list[Span] = []
    name, began = "", None
    for recorded in records:
        ended = _step_end(recorded.event)
        if began is not None and ended:
            spans.append(Span(name=name, begins=began, ends=recorded.at, ended=ended))
            began = None
        if isinstance(recorded.event, ev.StepEntered):
            because = recorded.event.because
            name, began = because.partition(": ")[2] or because, recorded.at
    if began is not None:
        spans.append(Span(name=name, begins=began, ends=ends))
    return tuple(spans[-SPANS_MAX:])


def _step_end(event: ev.Event) -> str:
    match event:
        case ev.StepLeft(because=because, override=override):
            said = because.partition(" left: ")[2] or because
            return f"left by override: {said}" if override else said
        case ev.RollbackStarted():
            return "rolled back"
        case ev.KillRequested():
            return "killed"
        case ev.Finished(finished_as=finished_as):
            return finished_as.value
        case _:
            return ""


#: What begins a stretch, its name, and whether a person's word is waited for.
_BEGINS = (
    (ev.Asked, "asking", True),
    (ev.Paused, "paused", True),
    (ev.Held, "held", True),
    (ev.Stuck, "stuck", False),
    (ev.RollbackStarted, "rolling back", False),
    (ev.KillRequested, "kill", False),
)
_ENDS = ev.Approved | ev.Resumed | ev.StepLeft | ev.Finished


def wait_spans(records: Sequence[ev.Recorded], ends: datetime) -> tuple[Span, ...]:
    """Waits and ways back, one after the other."""
    spans: list[Span] = []
    current: Span | None = None
    for recorded in records:
        begun = _begun(recorded)
        if current is not None and (begun or isinstance(recorded.event, _ENDS)):
            spans.append(replace(current, ends=recorded.at))
            current = None
        current = begun or current
    if current is not None:
        spans.append(replace(current, ends=ends))
    return tuple(spans[-SPANS_MAX:])


def _begun(recorded: ev.Recorded) -> Span | None:
    for kind, name, is_wait in _BEGINS:
        if isinstance(recorded.event, kind):
            return Span(name=name, begins=recorded.at, ends=recorded.at, is_wait=is_wait)
    return None
