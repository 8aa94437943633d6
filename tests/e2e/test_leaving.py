"""How an attached run begins and stops: terminals, questions, signals; nothing left unsaid."""

import signal

import pytest

from e2e.real_command import Place, until

pytestmark = pytest.mark.real

HOLDING = "steps:\n  - {canary: 5%, hold: 10m}\n"


@pytest.fixture
def place(tmp_path):
    """A rollout that holds at 5 % for long."""
    place = Place(tmp_path)
    place.write_playbook(HOLDING)
    return place


def _holding(place, *arguments):
    run = place.spawn("start", place.playbook, "--auto", "--id", "r-1", *arguments)
    until(lambda: "observed canary 5%" in run.out, "the step is in force")
    return run


def test_without_a_terminal_and_without_auto_nothing_begins(place):
    """Exit 2 with the flag to add; no journal, no write."""
    before = place.flags.read_bytes()

    said = place.run("start", place.playbook)

    assert said.returncode == 2
    assert "--auto" in said.stderr
    assert place.flags.read_bytes() == before


def test_a_confirm_step_leaves_an_auto_run_with_8_and_says_unwatched(place):
    """The weight is held, and whoever reads the log learns what is exposed."""
    place.write_playbook("steps:\n  - {canary: 5%, confirm: true}\n  - {canary: 25%}\n")

    said = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert said.returncode == 8, said.stderr
    assert "UNWATCHED" in said.stderr
    assert "canary 5%" in said.stderr
    assert place.served() == (500, 0)
    approved = place.run("approve", "r-1")
    assert approved.returncode == 0, approved.stderr
    assert place.run("start", place.playbook, "--auto", "--id", "r-1").returncode == 0
    assert place.served() == (2_500, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_rolls_an_auto_run_back(place, number):
    """The default with --auto: exit 14, file as before to the byte."""
    before = place.flags.read_bytes()
    run = _holding(place)

    run.process.send_signal(number)

    assert run.end() == 14, run.err
    assert place.flags.read_bytes() == before


def test_a_signal_with_leave_keeps_the_weight_and_says_unwatched(place):
    """Exit 130; the next start goes on where it was left."""
    run = _holding(place, "--on-exit", "leave")

    run.process.terminate()

    assert run.end() == 130, run.err
    assert place.served() == (500, 0)
    assert "UNWATCHED" in run.err
    assert "start" in run.err
    again = place.spawn("start", place.playbook, "--auto", "--id", "r-1", "--on-exit", "leave")
    until(lambda: "holds for" in again.err, "it goes on at once")
    again.process.terminate()
    assert again.end() == 130


def test_a_person_at_a_terminal_sees_the_plan_and_is_asked(place):
    """`no` touches nothing; `yes` begins; an interrupt leaves it and says so."""
    before = place.flags.read_bytes()
    refusing = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    refusing.see("Only `yes`")
    refusing.type("no\n")

    assert refusing.end() == 130, refusing.said
    assert "STEP" in refusing.said
    assert place.flags.read_bytes() == before

    agreeing = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    agreeing.see("Only `yes`")
    agreeing.type("yes\n")
    agreeing.see("holds for")
    agreeing.process.send_signal(signal.SIGINT)

    assert agreeing.end() == 130, agreeing.said
    assert "UNWATCHED" in agreeing.said
    assert place.served() == (500, 0)
    refusing.stop()
    agreeing.stop()


def test_ten_mistakes_are_ten_positions(place):
    """Lint tells all of them in one run, each with file, line and column."""
    place.playbook.write_text(
        """apiVersion: rolloutctl/v2
kind: Playbok
nam: e2e
targets:
  llm:
    provider: flagd-fil
    flag: llm-model
    control: {is: gpt-4}
    canary: {is: claude, lables: {a: b}}
steps:
  - {canary: 5, hold: 10m}
  - {canary: 5%, hold: 10}
  - {canry: 25%}
  - {canary: 50%, gates: [nobody]}
  - {canary: 400%}
limits: {deadline: soon}
on_fail: explode
"""
    )

    said = place.run("lint", place.playbook)

    assert said.returncode == 3
    places = {line.split(" ")[0] for line in said.stdout.splitlines() if "yaml:" in line}
    assert len(places) >= 10, said.stdout
