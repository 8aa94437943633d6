"""A picture on this terminal, drawn beside the work.

SAFETY: the thread that works never writes to the terminal while the picture stands. A terminal
that was stopped (Ctrl-S), or an ssh connection that hangs, stops the picture, not the driving.
A fault in the picture ends the picture: lines are written from there on.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

from rolloutctl.clock import monotonic_s
from rolloutctl.runner.loop import attempt
from rolloutctl.ui.painter import Ink, Painter
from rolloutctl.ui.terminal import dare_background

if TYPE_CHECKING:
    from types import TracebackType

    from rich.text import Text

    from rolloutctl.core.ports import Clock
    from rolloutctl.ui.console import Console
    from rolloutctl.ui.terminal import Terminal

#: The picture is drawn at least this often, in seconds: it counts seconds.
PAINT_S = 1.0
#: And at most this often, however much happens.
PAINT_MIN_S = 0.05
#: How often the terminal's size is looked at, in seconds.
SIZE_S = 0.25
#: A pause of this many seconds was none of ours: the process was stopped (Ctrl-Z), and a
#: shell has written below the picture since.
AWAY_S = 4.0
#: How long the end waits for the last picture; a stopped terminal is not waited for.
LEAVE_S = 2.0
_READ_MAX = 4096

#: Makes the picture: columns and rows in, lines out.
Draw = Callable[[int, int], Sequence["Text"]]


class Picture:
    """Draws until it is left; lines of the console go above it meanwhile.

    Args:
        console: whose lines go above.
        terminal: where it is drawn.
        clock: how the pause between two paints is slept.
        draw: makes the lines; called in the picture's own thread.
    """

    def __init__(self, console: Console, terminal: Terminal, clock: Clock, draw: Draw) -> None:
        self._console = console
        self._terminal = terminal
        self._clock = clock
        self._draw = draw
        self._painter = Painter(terminal)
        self._ink = Ink(has_colour=console.has_colour, is_unicode=console.is_unicode)
        self._told: SimpleQueue[Callable[[], None] | str] = SimpleQueue()
        self._typed: SimpleQueue[str] = SimpleQueue()
        self._bell, self._ring = os.pipe()
        self._drawn_s = monotonic_s()
        self._is_over = Event()
        self._is_broken = Event()
        self._thread = Thread(target=self._work, name="live-view", daemon=True)

    def __enter__(self) -> Self:
        self._console.say_above(self._say)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self.wake()
        self._thread.join(LEAVE_S)
        self._console.say_above(None)
        self._terminal.give_keys_back()
        if not self._thread.is_alive():
            os.close(self._ring)
            os.close(self._bell)

    # -- from any thread ------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether this is the last paint."""
        return self._is_over.is_set()

    @property
    def is_broken(self) -> bool:
        """Whether a fault ended the picture: lines are written since."""
        return self._is_broken.is_set()

    def do(self, work: Callable[[], None]) -> None:
        """Has something done in the picture's thread before the next paint."""
        self._told.put(work)
        self.wake()

    def wake(self) -> None:
        """Paints soon."""
        with suppress(OSError):
            os.write(self._ring, b"!")

    def line(self) -> str | None:
        """A line that was typed; "" once nobody can type any more; None while there is none."""
        try:
            return self._typed.get_nowait()
        except Empty:
            return None

    def _say(self, text: str) -> None:
        if self._is_broken.is_set():
            self._plainly(text)
            return
        self._told.put(text)
        self.wake()

    # -- the picture's own thread ---------------------------------------------

    @property
    def typing(self) -> str:
        """The line that is being typed."""
        return self._terminal.typed

    def forget_keys(self) -> None:
        """What was typed until now answers nothing that is asked from now on."""
        self._terminal.forget_keys()
        while self.line() is not None:
            pass

    def _work(self) -> None:
        dare_background()
        error = attempt(self._draw_until_over)
        if error is None:
            return
        self._is_broken.set()
        attempt(self._painter.leave)
        self._plainly(f"the live view stopped ({type(error).__name__}: {error}); lines follow")
        attempt(self._say_what_was_told)

    def _draw_until_over(self) -> None:
        while True:
            is_last = self._is_over.is_set()
            if self._terminal.hold_keys() or self._was_away():
                self._painter.forget()
            self._take_in()
            if self._terminal.is_mine:
                self._paint()
            if is_last:
                self._painter.leave()
                return
            self._rest()

    def _take_in(self) -> None:
        while True:
            try:
                told = self._told.get_nowait()
            except Empty:
                return
            if not isinstance(told, str):
                told()
            elif self._terminal.is_mine:
                self._painter.above(told)
            else:
                self._painter.forget()
                self._plainly(told)

    def _paint(self) -> None:
        columns, rows = self._terminal.size()
        # One column stays free, so that no terminal wraps; one row shows what came before.
        lines = self._draw(columns - 1, rows - 1)
        self._painter.paint([self._ink.drawn(line) for line in lines])

    def _rest(self) -> None:
        """Until something is told, a key comes, the size changes or the clock moves on."""
        self._clock.sleep(PAINT_MIN_S)
        size, until_s = self._terminal.size(), monotonic_s() + PAINT_S - PAINT_MIN_S
        while (left_s := until_s - monotonic_s()) > 0 and self._terminal.size() == size:
            heard = self._terminal.wait(self._bell, min(left_s, SIZE_S))
            for line in heard.lines:
                self._typed.put(line)
            if heard.is_something:
                break
        while select.select([self._bell], [], [], 0)[0]:
            os.read(self._bell, _READ_MAX)

    def _was_away(self) -> bool:
        """Whether the process did not run for a while."""
        last_s, self._drawn_s = self._drawn_s, monotonic_s()
        return self._drawn_s - last_s > AWAY_S

    def _say_what_was_told(self) -> None:
        while not self._told.empty():
            told = self._told.get_nowait()
            if isinstance(told, str):
                self._plainly(told)

    def _plainly(self, text: str) -> None:
        self._terminal.write(text.replace("\n", "\r\n") + "\r\n")
