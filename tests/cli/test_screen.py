"""The terminal of somebody who watches: short lines, each thing once, reminders now and then."""

import io

import pytest

from rolloutctl.cli.screen import REMINDER_S, Screen
from rolloutctl.core import events as ev
from rolloutctl.core.decision import WaitUntil
from rolloutctl.ui.console import Console, Output
from worlds.rollouts import Stage, playbook


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """It is."""
        return True


@pytest.fixture
def stage():
    """A rollout that is about to begin."""
    stage = Stage(playbook())
    stage.begin()
    return stage


def screen_of(stage, out, err):
    """A screen on two streams."""
    console = Console(out=out, err=err, output=Output.TABLE, environ={"NO_COLOR": "1"})
    return Screen(stage.process(), console)


def wait(stage, because):
    """A decision to wait."""
    return WaitUntil(at=stage.clock.now(), because=because)


def test_a_wait_is_told_once_and_remembered_after_ten_minutes(stage):
    """A countdown is no news; silence for hours would be none either."""
    err = io.StringIO()
    screen = screen_of(stage, io.StringIO(), err)

    for seconds in range(0, int(REMINDER_S) + 1, 60):
        screen.decision(wait(stage, f"step a holds for {3600 - seconds}s more"))
        stage.clock.advance(60)

    lines = err.getvalue().splitlines()
    assert [line.split("  ")[-1].rpartition(": ")[2] for line in lines] == [
        "step a holds for 3600s more",
        "step a holds for 3000s more",
    ]


def test_counts_that_grow_are_no_news_and_another_gate_is(stage):
    """A gate that needs 200 events is one line, not one at each look."""
    err = io.StringIO()
    screen = screen_of(stage, io.StringIO(), err)

    for count in (15, 42, 180):
        waits = f"step a: the hold is over, waiting for errors ({count} of 200 events, {count}.5%)"
        screen.decision(wait(stage, waits))
    screen.decision(wait(stage, "step a: the hold is over, waiting for cost (no data)"))

    assert ["errors" in line for line in err.getvalue().splitlines()] == [True, False]


def recorded(stage, event):
    """An event as a listener gets it."""
    return ev.Recorded(seq=9, at=stage.clock.now(), event=event)


FINISHED = ev.Finished(finished_as=ev.FinishedAs.SUCCEEDED, because="all 3 steps are done")


def test_an_end_is_told_by_its_event_and_not_again(stage):
    """Whoever reads stdout reads stderr."""
    out, err = io.StringIO(), io.StringIO()
    screen = screen_of(stage, out, err)

    screen.event(recorded(stage, FINISHED))
    screen.conclude(FINISHED.because)

    assert out.getvalue().endswith("  succeeded: all 3 steps are done\n")
    assert err.getvalue() == ""


def test_an_end_is_told_to_who_sees_only_stderr(stage):
    """With stdout in a file, the terminal still says how it ended."""
    err = Terminal()
    screen = screen_of(stage, io.StringIO(), err)

    screen.event(recorded(stage, FINISHED))
    screen.conclude(FINISHED.because)

    assert FINISHED.because in err.getvalue()


def test_what_is_waited_for_is_told_again_after_a_pause(stage):
    """The pause stands between: the wait is news again."""
    err = io.StringIO()
    screen = screen_of(stage, io.StringIO(), err)
    holds = wait(stage, "step a holds for 9s more")

    screen.decision(holds)
    screen.event(recorded(stage, ev.Paused(because="drift on llm")))
    screen.decision(wait(stage, "drift on llm"))
    screen.decision(holds)

    assert err.getvalue().count("holds") == 2
    assert "drift" not in err.getvalue()


def test_a_failure_that_repeats_is_one_line(stage):
    """The journal has them all."""
    out = io.StringIO()
    screen = screen_of(stage, out, io.StringIO())
    failed = ev.ApplyFailed(key="k", target="llm", why=ev.Why.NOT_LANDED, message="no answer")

    for _ in range(3):
        screen.event(recorded(stage, failed))

    assert len(out.getvalue().splitlines()) == 1


def test_a_terminal_folds_a_line_under_where_it_begins_and_a_log_does_not(stage, monkeypatch):
    """A log is searched line by line."""
    monkeypatch.setenv("COLUMNS", "60")
    terminal, log = Terminal(), io.StringIO()
    reason = " ".join(["because"] * 20)

    for out in (terminal, log):
        screen_of(stage, out, io.StringIO()).event(
            recorded(stage, ev.Drifted(target="llm", because=reason, observation=None))
        )

    folded = terminal.getvalue().splitlines()
    assert max(map(len, folded)) <= 60
    assert all(line.startswith(" " * 12) for line in folded[1:])
    assert len(log.getvalue().splitlines()) == 1
