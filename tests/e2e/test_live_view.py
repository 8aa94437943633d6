"""The live view at a real terminal: in place, in the terminal's size, out of the way at the end."""

import os
import re
import signal

import pytest

from e2e.real_command import COMMAND, Place, until
from e2e.terminal_screen import TerminalScreen
from rolloutctl.clock import SystemClock
from rolloutctl.ui.live_view import CHOICES

pytestmark = pytest.mark.real

STEPS = """
steps:
  - {canary: 5%, hold: 1s, confirm: true}
  - {canary: 25%, hold: 10m}
limits: {deadline: 1h}
"""
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def place(tmp_path):
    """A rollout whose first step asks and whose second holds."""
    place = Place(tmp_path)
    place.environ.pop("COLUMNS")
    place.write_playbook(STEPS)
    return place


@pytest.fixture
def terminal(place):
    """Runs a command at a terminal of a size; ended with the test."""
    opened = []

    def run(*arguments, columns=80, rows=30, environ=None):
        screen = TerminalScreen(
            [COMMAND, *arguments],
            columns=columns,
            rows=rows,
            environ={**place.environ, **(environ or {})},
            cwd=place.folder,
        )
        opened.append(screen)
        return screen

    yield run
    for screen in opened:
        screen.stop()


@pytest.fixture
def driver(place):
    """A process without a terminal that drives, holding at 25 %."""
    driver = place.spawn("start", place.playbook, "--auto", "--approve-all", "--id", "r-1")
    until(lambda: "observed canary 25%" in driver.out, "the second step is in force")
    yield driver
    driver.stop()


@pytest.fixture
def person(place, terminal):
    """Starts the rollout at a terminal, up to the question."""

    def start(**how):
        screen = terminal("start", place.playbook, "--id", "r-1", **how)
        screen.see("Only `yes`")
        screen.type("yes\n")
        screen.see("? ASKING")
        return screen

    return start


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_start_draws_in_place_and_no_line_wraps(person, columns):
    """Path, exposure, what is asked; every line within the terminal."""
    screen = person(columns=columns)
    wraps = screen.wraps  # the commands to copy, above the picture, are never folded

    screen.see(f"{CHOICES} >")
    screen.type("promote\n")
    screen.see("[canary 25%]")
    SystemClock().sleep(2.5)

    assert "llm     canary 25%  canary 25%" in screen.text
    assert screen.text.count("● RUNNING") == 1
    assert screen.wraps == wraps


def test_an_answer_from_elsewhere_takes_the_prompt_away(place, person):
    """Nobody answers a question that is answered already."""
    screen = person()
    screen.see(f"{CHOICES} >")
    screen.type("rollb")
    screen.see("> rollb")

    assert place.run("approve", "r-1", "--reason", "looks good").returncode == 0

    screen.see_no_more(CHOICES)
    screen.see("no answer is needed here")
    screen.see("observed canary 25%")
    screen.see("looks good")


def test_what_was_typed_before_the_question_answers_nothing(place, terminal):
    """A finger on the keyboard promotes nothing that was not asked yet."""
    place.write_playbook(STEPS.replace("hold: 1s", "hold: 4s"))
    screen = terminal("start", place.playbook, "--id", "r-1")
    screen.see("Only `yes`")
    screen.type("yes\n")
    screen.see("● RUNNING")

    screen.type("promote\n")
    screen.see(f"{CHOICES} >")
    SystemClock().sleep(1.5)

    assert "? ASKING" in screen.text
    assert place.served() == (500, 0)


def test_a_resize_is_followed_at_once_and_leaves_nothing_behind(person):
    """Narrower, lower, wider: one picture, whole."""
    screen = person(columns=140, rows=40)

    for columns, rows in ((80, 24), (100, 16), (200, 50), (64, 30)):
        screen.resize(columns, rows)
        SystemClock().sleep(1.6)
        wraps = screen.wraps

        shown = screen.text
        assert shown.count("? ASKING") == 1, shown
        assert shown.count(f"{CHOICES} >") == 1, shown
        picture = shown[shown.index("─" * 20) :].splitlines()
        assert max(map(len, picture)) < columns
        SystemClock().sleep(1.2)
        assert screen.wraps == wraps


def test_no_color_means_no_sequence_of_colour(person):
    """The words say everything."""
    screen = person(environ={"NO_COLOR": "1"})
    screen.see(f"{CHOICES} >")

    assert _COLOUR.search(screen.raw) is None


def test_ctrl_c_leaves_the_rollout_where_it_is_and_the_terminal_as_it_was(place, person):
    """Exit 130, the exposure said aloud, and keys are echoed again."""
    screen = person()
    assert not screen.echoes

    screen.type("\x03")

    assert screen.end() == 130
    assert "interrupted: r-1 stays where it is" in screen.text
    assert "UNWATCHED" in screen.text
    assert re.search(r"driver +nobody", screen.text), "the picture that stays does not lie"
    assert "this terminal" not in screen.text
    assert screen.echoes
    assert place.served() == (500, 0)


def test_a_terminal_that_is_stopped_stops_no_driving(place, person):
    """Ctrl-S, or ssh that hangs: the picture stands still, the rollout does not."""
    screen = person()
    screen.see(f"{CHOICES} >")
    screen.type("\x13")  # Ctrl-S: the terminal takes nothing more
    SystemClock().sleep(0.5)

    assert place.run("reject", "r-1").returncode == 0

    until(lambda: place.served() == (0, 0), "it is taken back", 10)


def test_a_driver_sent_to_the_background_goes_on_and_leaves_the_keys_to_the_shell(place):
    """Ctrl-Z and `bg`: job control must not stop a process that drives production."""
    place.write_playbook("steps:\n  - {canary: 5%, hold: 2s}\n  - {canary: 25%, hold: 10m}\n")
    shell = TerminalScreen(
        ["bash", "--norc", "-i"],
        columns=100,
        rows=40,
        environ={**place.environ, "PS1": "ready "},
        cwd=place.folder,
    )
    try:
        shell.see("ready")
        shell.type(f"{COMMAND} start {place.playbook} --id r-1\n")
        shell.see("Only `yes`")
        shell.type("yes\n")
        shell.see("● RUNNING")

        shell.type("\x1a")
        shell.see("Stopped")
        shell.type("bg\n")
        shell.type("echo typed in the $((40 + 2))nd shell\n")
        shell.see("typed in the 42nd shell")
        until(lambda: place.served() == (2_500, 0), "the driver went on", 20)
        shell.type("kill %1; wait\n")

        shell.see("interrupted: r-1 stays where it is", 20)
    finally:
        shell.stop()


def test_without_a_controlling_terminal_there_are_lines(place):
    """Where nobody can say whose turn it is on the screen, nothing is drawn in place."""
    person = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    try:
        person.see("Only `yes`")
        person.type("yes\n")
        person.see("promote / hold / rollback")
    finally:
        person.stop()

    assert "\x1b[?2026h" not in person.said


def test_watch_follows_a_driver_and_ends_with_the_rollouts_code(place, terminal, driver):
    """From another terminal: the same picture, the same end."""
    screen = terminal("watch")
    screen.see("● RUNNING")
    screen.see("llm     canary 25%  canary 25%")
    wraps = screen.wraps
    screen.resize(100, 24)
    assert place.run("kill", "r-1", "--reason", "bad answers").returncode == 0

    assert screen.end() == 13
    assert "KILLED" in screen.text
    assert "bad answers" in screen.text
    assert screen.wraps == wraps
    assert screen.echoes
    assert driver.end() == 13


def test_watch_is_left_with_ctrl_c_and_changes_nothing(place, terminal, driver):
    """Whoever looks on is nobody who drives."""
    screen = terminal("watch", "r-1")
    screen.see("● RUNNING")

    screen.type("\x03")

    assert screen.end() == 130
    assert "r-1 goes on as it is" in screen.text
    assert driver.process.poll() is None
    assert place.served() == (2_500, 0)


def test_watch_says_when_the_driver_is_silent(terminal, driver):
    """A driver that hangs looks like one that waits; its lease tells."""
    screen = terminal("watch", "r-1")
    screen.see("● RUNNING")

    os.kill(driver.process.pid, signal.SIGSTOP)
    try:
        screen.see("driver silent for", 20)
        screen.see("nobody: UNWATCHED", 20)
    finally:
        os.kill(driver.process.pid, signal.SIGCONT)


def test_watch_in_a_pipe_is_a_line_a_change(place, driver):
    """A log is read line by line, and holds no control sequence."""
    watching = place.spawn("watch", "r-1")
    until(lambda: "step canary 25% holds" in watching.err, "it says where it stands")
    SystemClock().sleep(2.5)
    said = watching.out + watching.err

    assert place.run("rollback", "r-1", "--reason", "enough").returncode == 0

    assert watching.end() == 14
    assert driver.end() == 14
    assert "\x1b" not in watching.out + watching.err
    assert "rolling back: rollback asked by" in watching.out
    assert said.count("holds") == 1


def test_watch_without_an_id_shows_all_when_several_are_open(place, terminal, tmp_path):
    """A table in place; it ends when none is open any more."""
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        other = Place(tmp_path / str(number), ROLLOUTCTL_STORE=str(place.journal))
        other.write_playbook(STEPS)
        begun = other.run("start", other.playbook, "--auto", "--detach", "--id", f"r-{number}")
        assert begun.returncode == 0, begun.stderr

    screen = terminal("watch")
    screen.see("2 open rollouts")
    screen.see("r-2")
    wraps = screen.wraps
    for number in (1, 2):
        place.run("rollback", f"r-{number}")

    assert screen.end() == 0
    assert screen.wraps == wraps
    assert "no rollout is open any more" in screen.text
