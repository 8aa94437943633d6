"""A watched rollout is told by what changes, each thing once."""

from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.ui.console import Style
from rolloutctl.ui.event_news import EventNews, ends_with, indent_of, style_of, without_time_left
from rolloutctl.ui.event_view import local_moment

AT = datetime(2026, 1, 1, tzinfo=UTC)
ACTOR = ev.Actor(name="ana@host")


def judged(outcome, gate="errors"):
    """A judgement of a gate."""
    verdict = Verdict(outcome=outcome, because="observed 1%")
    record = ev.GateRecord(verdict=verdict, measured=verdict, evidence=None, judged_at=AT)
    return ev.GateJudged(gate=gate, step=0, record=record, readings=())


def entered(step):
    """A step begins."""
    return ev.StepEntered(step=step, because=f"step {step + 1} of 3: canary")


def told(*events):
    """The lines of some events, in order."""
    news = EventNews()
    return [text for event in events if (text := news.text(event))]


def test_a_verdict_that_goes_on_is_told_once():
    """And again once it turns, in both directions."""
    outcomes = [Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.PASS]

    lines = told(*map(judged, outcomes))

    assert [line.split(": ")[1] for line in lines] == ["pass", "fail", "pass"]


def test_gates_are_told_apart():
    """One gate's verdict hides none of another's."""
    assert len(told(judged(Outcome.PASS, "a"), judged(Outcome.PASS, "b"))) == 2


def test_a_gate_that_has_just_begun_to_look_is_no_news_one_that_became_unsure_is():
    """Every step begins with an inconclusive look."""
    first = told(judged(Outcome.INCONCLUSIVE))
    later = told(judged(Outcome.PASS), judged(Outcome.INCONCLUSIVE))

    assert (first, len(later)) == ([], 2)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR, Outcome.NO_DATA])
def test_a_first_verdict_that_is_bad_is_told(outcome):
    """Silence of a source is never hidden."""
    assert len(told(judged(outcome))) == 1


def test_the_next_step_tells_its_verdicts_anew():
    """At another weight the same verdict is news."""
    assert len(told(entered(0), judged(Outcome.PASS), entered(1), judged(Outcome.PASS))) == 4


@pytest.mark.parametrize(
    ("way_back", "finished_as", "because", "line"),
    [
        ("gate errors failed", "rolled-back", "rolled back and confirmed", None),
        (
            "another hand",
            "killed",
            "rolled back and confirmed",
            "killed: rolled back and confirmed",
        ),
        ("not begun: a fire", "rolled-back", "rolled back", "rolled-back: nothing was written"),
    ],
)
def test_the_reason_of_a_way_back_is_told_where_it_begins(way_back, finished_as, because, line):
    """Not again at its end."""
    begun = ev.RollbackStarted(cause=ev.Cause.GATE, because=way_back)
    over = ev.Finished(finished_as=ev.FinishedAs(finished_as), because=f"{because}: {way_back}")

    lines = told(begun, over)

    assert way_back in lines[0]
    assert lines[1] == (line or because)


def test_an_end_seen_alone_gives_its_reason():
    """Who came later has not read the beginning."""
    because = "rolled back and confirmed: gate errors failed"

    lines = told(ev.Finished(finished_as=ev.FinishedAs.ROLLED_BACK, because=because))

    assert lines == [because]


@pytest.mark.parametrize(
    ("because", "line"),
    [
        ("step canary 5% holds for 3s more", "holds for 3s more"),
        ("step canary 5%: the hold is over, waiting for a", "the hold is over, waiting for a"),
        ("step canary 5% is under way", "under way"),
        ("a write may still be landing", "a write may still be landing"),
    ],
)
def test_a_wait_under_its_steps_line_does_not_name_the_step(because, line):
    """Its line stands above; without that line it is named."""
    news = EventNews()
    before = news.waiting(because, (0, "canary 5%"))
    news.text(entered(0))

    assert before == because
    assert news.waiting(because, (0, "canary 5%")) == line
    assert news.waiting(because, (1, "canary 5%")) == because
    assert news.waiting(because, None) == because


def test_the_time_left_alone_is_no_other_reason():
    """A countdown is one wait."""
    waits = {without_time_left(f"step a holds for {left} more") for left in ("1h30m", "3s")}

    assert waits == {"step a holds"}


STEP_DONE = ev.StepLeft(step=0, because="step canary 5% left: hold over and gates passed")
PAUSED = ev.Paused(because="paused by ana@host", actor=ACTOR)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (STEP_DONE, "step done: hold over and gates passed"),
        (PAUSED, "paused by ana@host"),
        (ev.Paused(because="drift on llm"), "paused: drift on llm"),
    ],
)
def test_no_line_says_a_word_twice(event, line):
    """The step's name stands above, and `paused: paused by` stutters."""
    assert told(event) == [line]


@pytest.mark.parametrize(
    ("event", "indent", "style", "said"),
    [
        (entered(0), "", Style.BOLD, ""),
        (judged(Outcome.PASS), "  ", Style.GREEN, ""),
        (judged(Outcome.FAIL), "  ", Style.RED, ""),
        (judged(Outcome.INCONCLUSIVE), "  ", None, ""),
        (PAUSED, "", Style.YELLOW, "paused by ana@host"),
        (ev.Asked(step=0, question="leave it?"), "", Style.YELLOW, "leave it?"),
        (ev.Stuck(targets=("llm",), because="no answer"), "", Style.RED, "no answer"),
        (
            ev.Finished(finished_as=ev.FinishedAs.SUCCEEDED, because="all done"),
            "",
            Style.GREEN,
            "all done",
        ),
        (ev.Finished(finished_as=ev.FinishedAs.KILLED, because="killed"), "", None, "killed"),
        (STEP_DONE, "  ", None, ""),
    ],
)
def test_steps_and_ends_stand_out(event, indent, style, said):
    """At the margin and in colour; what a wait would repeat is known."""
    assert (indent_of(event), style_of(event), ends_with(event)) == (indent, style, said)


def test_a_moment_of_another_day_has_its_date():
    """At three in the morning `since 18:03` would be yesterday's, or last week's."""
    now = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)

    assert local_moment(now - timedelta(minutes=1), now).count(":") == 2
    assert local_moment(now - timedelta(days=3), now).startswith("2025-12-3")
