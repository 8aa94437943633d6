"""The story of a rollout: each decision once, with what it followed from."""

from datetime import UTC, datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Restore
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.ui.story_view import story_text

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = "2026-01-01"
LEFT = ev.StepLeft(step=0, because="step a left: done")
PAUSED = ev.Paused(because="why")


def judged(outcome, count, gate="errors"):
    """A judgement, the so-manyth in a row that says so."""
    verdict = Verdict(outcome=outcome, because=f"observed {count}")
    counts = {
        Outcome.PASS: "passes_in_row",
        Outcome.FAIL: "failures",
        Outcome.ERROR: "errors",
        Outcome.NO_DATA: "silences",
    }
    given = {counts[outcome]: count} if outcome in counts else {}
    record = ev.GateRecord(verdict=verdict, measured=verdict, evidence=None, judged_at=AT, **given)
    return ev.GateJudged(gate=gate, step=0, record=record, readings=())


def story(*events, notes=None):
    """The lines, without number and time."""
    records = [
        ev.Recorded(seq=number, at=AT + timedelta(seconds=number), event=event)
        for number, event in enumerate(events, start=1)
    ]
    lines = story_text(records, 200, notes=notes).splitlines()
    return [line[15:].strip() for line in lines if line != f"       {DAY}"]


def test_equal_judgements_are_one_line_with_their_number():
    """Those that were never recorded one by one are counted, too."""
    lines = story(judged(Outcome.PASS, 3), judged(Outcome.PASS, 9), judged(Outcome.PASS, 14), LEFT)

    assert len(lines) == 2
    assert lines[0].startswith("gate errors: pass 12 times since ")
    assert lines[0].endswith(", last: observed 14")
    assert lines[1] == "step done"


def test_a_gate_that_turns_is_told_each_way():
    """Pass, then fail, then the way back: in this order."""
    back = ev.RollbackStarted(cause=ev.Cause.GATE, because="gate errors failed")

    lines = story(judged(Outcome.PASS, 1), judged(Outcome.FAIL, 1), back)

    assert [line.split(":")[1].strip() for line in lines[:2]] == ["pass", "fail"]
    assert lines[2] == "rolling back: gate errors failed"


def test_a_gate_that_only_began_to_look_is_told_where_it_was_waited_for():
    """Not before a step that was left, but before a pause; and when it became unsure."""
    unsure = judged(Outcome.INCONCLUSIVE, 0)

    assert story(unsure, LEFT) == ["step done"]
    assert len(story(unsure, judged(Outcome.PASS, 1), LEFT)) == 2
    assert len(story(judged(Outcome.PASS, 1), unsure, LEFT)) == 3
    assert story(unsure, PAUSED)[0].startswith("gate errors: inconclusive")


def test_judgements_at_the_end_of_a_rollout_under_way_are_told():
    """Nothing followed from them yet."""
    assert len(story(judged(Outcome.PASS, 1), judged(Outcome.NO_DATA, 1, "floor"))) == 2


def test_the_story_goes_by_time():
    """What a gate said last before an answer stands before the answer."""
    resumed = ev.Resumed(actor=ev.Actor(name="ana@host"))

    lines = story(judged(Outcome.PASS, 1), resumed, PAUSED)

    assert [line.split()[0] for line in lines] == ["gate", "resumed", "paused:"]


def test_a_failure_that_repeats_is_one_line():
    """The same words twice say nothing new."""
    failed = ev.ApplyFailed(key="look:llm", target="llm", why=ev.Why.UNAVAILABLE, message="gone")

    assert story(failed, failed) == ["llm: cannot be read: gone"]


def test_a_note_stands_below_its_event():
    """A verdict that is another one when it is computed again."""
    lines = story(judged(Outcome.PASS, 1), LEFT, notes={1: "replayed: DIFFERENT"})

    assert "replayed: DIFFERENT" in lines


def test_a_write_that_is_tried_again_and_again_is_told_once_with_how_often():
    """A stuck rollback of an hour is not a hundred lines; two tries are both told."""
    restore = Restore(target="llm")
    intended = ev.Intended(key="k", effect=restore, before=None, deadline=AT, epoch=1)
    failed = ev.ApplyFailed(key="k", target="llm", why=ev.Why.UNAVAILABLE, message="gone")
    stuck = ev.Stuck(targets=("llm",), because="not confirmed")

    lines = story(*[intended, failed] * 12, stuck)

    assert lines[1:3] == [
        "llm: not written: gone",
        "and 11 times more, last: llm: not written: gone",
    ]
    assert len(lines) == 4
    assert len(story(*[intended, failed] * 2)) == 4


def test_the_date_stands_above_the_first_event_of_each_day():
    """A rollout of three days is read in a postmortem."""
    resumed = ev.Resumed(actor=ev.Actor(name="ana@host"))
    records = [
        ev.Recorded(seq=1, at=AT, event=PAUSED),
        ev.Recorded(seq=2, at=AT, event=resumed),
        ev.Recorded(seq=3, at=AT + timedelta(days=2), event=PAUSED),
    ]

    lines = story_text(records, 200).splitlines()

    assert [line.strip() for line in lines if ":" not in line] == ["2026-01-01", "2026-01-03"]
