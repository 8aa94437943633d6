import os

import pytest

from rolloutctl.cli import wiring
from rolloutctl.cli.question import Question
from rolloutctl.core.events import Actor
from rolloutctl.core.state import Phase
from rolloutctl.runner import requests
from rolloutctl.ui.console import Console

ACTOR = Actor(name="operator@host")


class Terminal:
    """What a person types, line by line; None while nothing is typed."""

    def __init__(self):
        self.lines = []

    def read(self):
        """The next line, if one is there."""
        return self.lines.pop(0) if self.lines else None


@pytest.fixture
def asking(rolloutctl, clock):
    """A rollout whose step asks a question, as its driver holds it."""
    assert rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1").exit_code == 8
    ledger = wiring.journal("", os.environ)
    yield wiring.open_rollout("r-1", ledger, known=wiring.catalog(), at=clock)
    ledger.close()


@pytest.fixture
def terminal():
    """An empty terminal."""
    return Terminal()


def question_of(rollout, terminal):
    return Question(rollout, Console(), actor=ACTOR, answered=terminal.read)


def test_the_gates_are_shown_and_the_question_is_asked_once(asking, terminal, capfd):
    """A person sees what the gates say before the choices, and is not asked again."""
    question = question_of(asking, terminal)
    capfd.readouterr()

    question.poll()
    question.poll()

    said = capfd.readouterr().err
    assert "errors  pass" in said
    assert said.count("promote / hold / rollback") == 1


@pytest.mark.parametrize(
    ("line", "phase"),
    [("promote\n", Phase.RUNNING), ("rollback\n", Phase.ROLLING_BACK), ("hold\n", Phase.ASKING)],
)
def test_an_answer_is_a_request_like_any_other(asking, terminal, line, phase):
    """Promote approves, rollback rejects, hold changes nothing."""
    question = question_of(asking, terminal)
    question.poll()

    terminal.lines.append(line)
    question.poll()
    asking.refresh()

    is_going_on = asking.state.step.is_approved if phase is Phase.RUNNING else True
    assert is_going_on
    if phase is not Phase.RUNNING:
        assert asking.state.phase is phase


def test_the_question_goes_away_when_another_terminal_answers(asking, terminal, clock, capfd):
    """Nobody answers a question that is answered already."""
    question = question_of(asking, terminal)
    question.poll()
    requests.request(asking.journal, clock, "r-1", lambda state: requests.reject(state, ACTOR))
    asking.refresh()
    capfd.readouterr()

    terminal.lines.append("promote\n")
    question.poll()

    assert "no answer is needed here" in capfd.readouterr().err
    assert asking.state.phase is Phase.ROLLING_BACK


def test_a_word_that_is_no_answer_lists_the_answers(asking, terminal, capfd):
    """A typing error promotes nothing."""
    question = question_of(asking, terminal)
    question.poll()
    capfd.readouterr()

    terminal.lines.append("proomte\n")
    question.poll()
    asking.refresh()

    assert "'proomte' is none of" in capfd.readouterr().err
    assert asking.state.phase is Phase.ASKING


def test_a_closed_terminal_is_not_asked_again(asking, terminal):
    """End of file is no answer; other terminals can still give one."""
    question = question_of(asking, terminal)
    question.poll()

    terminal.lines += ["", "promote\n"]
    question.poll()
    question.poll()
    asking.refresh()

    assert asking.state.phase is Phase.ASKING


@pytest.mark.parametrize(
    ("word", "phase"), [("approve\n", Phase.RUNNING), ("reject\n", Phase.ROLLING_BACK)]
)
def test_the_words_of_the_commands_answer_too(asking, terminal, word, phase, capfd):
    """Whoever read the hint for another terminal may type its word here."""
    question = question_of(asking, terminal)
    question.poll()
    said = capfd.readouterr().err

    terminal.lines.append(word)
    question.poll()
    asking.refresh()

    assert asking.state.phase is phase
    assert "rolloutctl approve r-1  yes: leave this step" in said
    assert "rolloutctl reject r-1   no: roll back" in said


def test_a_pause_withdraws_the_question_and_names_what_ends_it(asking, terminal, clock, capfd):
    """Nobody answered: it must not read as if somebody had."""
    question = question_of(asking, terminal)
    question.poll()
    requests.request(asking.journal, clock, "r-1", lambda state: requests.pause(state, ACTOR))
    asking.refresh()
    capfd.readouterr()

    question.poll()
    question.poll()

    said = capfd.readouterr().err
    assert "the question is withdrawn, the rollout is paused" in said
    assert said.count("rolloutctl resume r-1") == 1
