"""The picture beside the work: a fault in it ends the picture, never the work."""

import os

import pytest

from rolloutctl.cli.live import Picture
from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.ui.console import Console
from rolloutctl.ui.live_scene import line
from rolloutctl.ui.terminal import Terminal

#: Threads and real time: not for the suite without sleep.
pytestmark = pytest.mark.real


class PipeTerminal(Terminal):
    """A terminal whose screen is a pipe: what is drawn can be read."""

    def __init__(self):
        self.read_end, write_end = os.pipe()
        super().__init__(write_end, None)

    @property
    def is_mine(self):
        """It is."""
        return True

    def said(self):
        """Everything that was drawn."""
        os.close(self._out)
        with os.fdopen(self.read_end, "rb") as file:
            return file.read().decode()


@pytest.fixture
def terminal():
    """An empty screen."""
    return PipeTerminal()


def picture_of(terminal, console, draw):
    return Picture(console, terminal, SystemClock(), draw)


def test_lines_go_above_the_picture_and_the_last_one_is_painted(terminal):
    """What was said before the end is on the screen at the end."""
    console = Console()
    with picture_of(terminal, console, lambda _width, _rows: [line("the picture")]):
        console.talk("a line")
        console.data("another")

    said = terminal.said()
    assert said.index("a line") < said.index("another") < said.rindex("the picture")


def test_a_fault_in_the_picture_becomes_lines(terminal, capfd):
    """A bug of the view must not stop a rollout, nor hide what it says."""
    console = Console()

    def draw(width, rows):
        raise KeyError(width, rows)

    with picture_of(terminal, console, draw) as picture:
        until_s = monotonic_s() + 10
        while not picture.is_broken and monotonic_s() < until_s:
            SystemClock().sleep(0.01)
        console.talk("still told")
    console.talk("and after it")

    said = terminal.said()
    assert "the live view stopped (KeyError" in said
    assert "still told" in said
    assert "and after it" in capfd.readouterr().err


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_work(terminal, monkeypatch):
    """Ctrl-S: the end does not wait for it longer than it says."""
    monkeypatch.setattr("rolloutctl.cli.live.LEAVE_S", 0.2)
    console = Console()
    began_s = monotonic_s()

    with picture_of(terminal, console, lambda _w, _r: [line("x" * 50_000)] * 20):
        for number in range(1000):
            console.talk(f"line {number}")

    assert monotonic_s() - began_s < 5
    os.close(terminal.read_end)  # the writing thread gets an error, and ends
