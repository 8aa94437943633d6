"""What happened in a rollout line by line, who did what, and what went wrong; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.report.model import Line
from rolloutctl.ui.story_view import story_lines

#: Lines of the story; a longer one is cut in its middle, and says so.
LINES_MAX = 400
#: People, and of each what they did.
PEOPLE_MAX, DEEDS_MAX = 100, 20

_TONES: tuple[tuple[Any, str], ...] = (
    (ev.Stuck | ev.RollbackStarted | ev.KillRequested | ev.ApplyFailed | ev.Drifted, "bad"),
    (ev.Asked | ev.Paused | ev.Held, "wait"),
    (ev.StepLeft | ev.Approved | ev.Settled, "good"),
)


def told_lines(records: Sequence[ev.Recorded]) -> tuple[tuple[Line, ...], int]:
    """The story, and how many of its lines are left to the journal."""
    lines = [
        Line(
            seq=recorded.seq,
            at=recorded.at,
            text=text,
            is_inner=bool(indent),
            tone=_tone(recorded.event),
            who=who_else(recorded.event, text),
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


def who_else(event: ev.Event, text: str) -> str:
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


def people_of(records: Sequence[ev.Recorded]) -> tuple[tuple[str, str], ...]:
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
    return tuple(
        (who, "; ".join(what[:DEEDS_MAX]) + _and_more(len(what) - DEEDS_MAX))
        for who, what in list(done.items())[:PEOPLE_MAX]
    )


def _and_more(count: int) -> str:
    return f"; and {count} more" if count > 0 else ""


_TROUBLES = (
    (ev.ApplyFailed, "write that failed", "writes that failed"),
    (ev.Drifted, "edit by somebody else", "edits by somebody else"),
    (ev.OutsideKilled, "target set to zero by another hand", "targets set to zero by another hand"),
    (ev.Unsettled, "restore that did not last", "restores that did not last"),
    (ev.HoldExtended, "extended hold", "extended holds"),
)


def troubles_of(records: Sequence[ev.Recorded]) -> tuple[str, ...]:
    """What did not go smoothly, counted."""
    events = [recorded.event for recorded in records]
    found = [
        _counted(len([e for e in events if isinstance(e, kind)]), *said)
        for kind, *said in _TROUBLES
    ]
    unreached = [e for e in events if isinstance(e, ev.TargetKilled) and not e.confirmed]
    untold = [e for e in events if isinstance(e, ev.Notified) and e.error]
    overrides = [e for e in events if isinstance(e, ev.StepLeft) and e.override]
    drivers = [e for e in events if isinstance(e, ev.LeaseTaken)]
    silent = [
        e
        for e in events
        if isinstance(e, ev.GateJudged)
        and e.record.verdict.outcome in {Outcome.NO_DATA, Outcome.ERROR}
    ]
    found += [
        _counted(len(unreached), "kill that was not confirmed", "kills that were not confirmed"),
        _counted(len(untold), "message that did not arrive", "messages that did not arrive"),
        _counted(len(overrides), "step left by override", "steps left by override"),
        _counted(
            len(silent),
            "recorded judgement without an answer",
            "recorded judgements without an answer",
        ),
        _counted(len(drivers) - 1, "change of driver", "changes of driver"),
    ]
    return tuple(one for one in found if one)


def _counted(count: int, one: str, many: str) -> str:
    return "" if count <= 0 else f"{count} {one if count == 1 else many}"
