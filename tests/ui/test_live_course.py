"""What was told stays known: who asked for what, the last decision, a gate's path."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.ui.live_course import PATH_LOOKS_MAX, REQUESTS_MAX, Course, share_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ANA = ev.Actor(name="ana@host", terminal="pts/1")


def recorded(seq, event):
    return ev.Recorded(seq=seq, at=BEGIN + timedelta(seconds=seq), event=event)


def judged(second, *numbers, because="", outcome=Outcome.PASS):
    verdict = Verdict(outcome=outcome, because=because, numbers=numbers)
    return ev.GateRecord(
        verdict=verdict,
        measured=verdict,
        evidence=None,
        judged_at=BEGIN + timedelta(seconds=second),
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ev.Approved(step=0, actor=ANA, reason="fine"), "approve by ana@host on pts/1: fine"),
        (
            ev.PromoteRequested(actor=ANA, override=True, full=True),
            "promote --full --override by ana@host on pts/1",
        ),
        (ev.Resumed(actor=ANA, reapply=True), "resume --reapply by ana@host on pts/1"),
        (ev.KillRequested(actor=ANA, reason="bad"), "kill by ana@host on pts/1: bad"),
        (
            ev.Paused(because="paused by ana@host: look", actor=ANA),
            "paused by ana@host on pts/1: look",
        ),
        (ev.Paused(because="drift on llm"), None),
    ],
)
def test_what_a_person_asked_is_told_with_the_terminal(event, text):
    """What a rule did is nobody's request."""
    course = Course()

    course.learn(recorded(1, event))

    assert [one.text for one in course.requests] == ([text] if text else [])


def test_only_the_last_requests_are_kept():
    """A rollout of weeks does not fill the memory of who watches it."""
    course = Course()

    for seq in range(1, 50):
        course.learn(recorded(seq, ev.Resumed(actor=ANA)))

    assert len(course.requests) == REQUESTS_MAX


def test_an_event_that_is_known_changes_nothing():
    """What was read and what was heard may overlap."""
    course = Course()

    for _ in range(2):
        course.learn(recorded(1, ev.Resumed(actor=ANA)))

    assert len(course.requests) == 1


def test_a_path_has_each_look_once_and_forgets_the_oldest():
    """The same judgement is seen at every paint."""
    course = Course()

    for second in range(1000):
        record = judged(second // 2, ("evidence", 2.0), ("limit", 60.0))
        course.glance("errors", record)

    path = course.paths["errors"]
    assert len(path) == PATH_LOOKS_MAX
    assert path[-1].at == BEGIN + timedelta(seconds=499)


@pytest.mark.parametrize(
    ("record", "share"),
    [
        (judged(0, ("evidence", 1.0), ("limit", 60.0)), 0.0),
        (judged(0, ("evidence", math.sqrt(60)), ("limit", 60.0)), 0.5),
        (judged(0, ("evidence", 1e9), ("limit", 60.0)), 1.0),
        (judged(0, ("spent", 10.0), ("limit", 50.0)), 0.2),
        (judged(0, ("observed", 0.15), ("limit", 0.3), because="(limit: fail > 30%)"), 0.5),
    ],
)
def test_a_share_is_how_far_it_is_to_the_limit_that_fails(record, share):
    """Evidence multiplies, so its way is logarithmic; money and shares add up."""
    assert share_of(record) == pytest.approx(share)


@pytest.mark.parametrize(
    "record",
    [judged(0), judged(0, ("observed", 0.99), ("limit", 0.95), because="(limit: fail < 0.95)")],
)
def test_where_numbers_tell_no_way_none_is_drawn(record):
    """Better no path than one that points the wrong way."""
    assert math.isnan(share_of(record))
