"""The live view of one rollout on this terminal, drawn beside the work.

SAFETY: the thread that drives never writes to the terminal while the view stands. A terminal
that was stopped (Ctrl-S), or an ssh connection that hangs, stops the picture, not the driving.
A fault in the view ends the view: lines are written from there on.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

from rolloutctl.clock import monotonic_s
from rolloutctl.core.decide import decide
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.errors import JournalUnavailable
from rolloutctl.runner.loop import attempt
from rolloutctl.ui.live_course import Course
from rolloutctl.ui.live_scene import Ask, Scene
from rolloutctl.ui.live_view import live_lines
from rolloutctl.ui.painter import Ink, Painter
from rolloutctl.ui.rollout_view import Standing

if TYPE_CHECKING:
    from types import TracebackType

    from rolloutctl.core import events as ev
    from rolloutctl.core.decision import Decision
    from rolloutctl.core.ports import Lease
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console
    from rolloutctl.ui.terminal import Terminal

#: The picture is drawn at least this often, in seconds: it counts seconds.
PAINT_S = 1.0
#: And at most this often, however much happens.
PAINT_MIN_S = 0.05
#: Work that takes longer than this is said to take long.
BUSY_S = 2.0
#: How long the end waits for the last picture; a stopped terminal is not waited for.
LEAVE_S = 2.0


@dataclass(slots=True)
class Outlook:
    """What the working thread tells the view; each field is replaced whole.

    Attributes:
        lease: who drives.
        alarm: what is wrong with the picture itself; "" if nothing is.
        question: what this terminal is asked; "" if nothing.
        beat_s: when the driver was last seen between two acts, on the monotonic clock.
    """

    lease: Lease | None = None
    alarm: str = ""
    question: str = ""
    beat_s: float = field(default_factory=monotonic_s)


class LiveView:
    """Draws a rollout until it is left; lines of the console go above the picture.

    Args:
        rollout: the rollout; its state is read, nothing else of it.
        console: whose lines go above the picture meanwhile.
        terminal: where it is drawn.
        is_driven_here: this process drives it.
    """

    def __init__(
        self, rollout: Rollout, console: Console, terminal: Terminal, *, is_driven_here: bool
    ) -> None:
        self.outlook = Outlook(lease=rollout.lease)
        self._rollout = rollout
        self._console = console
        self._terminal = terminal
        self._is_driven_here = is_driven_here
        self._painter = Painter(terminal)
        self._ink = Ink(has_colour=console.has_colour, is_unicode=console.is_unicode)
        self._course = Course()
        self._told: SimpleQueue[ev.Recorded | str] = SimpleQueue()
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._bell, self._ring = os.pipe()
        self._is_over = Event()
        self._is_broken = Event()
        self._asked = ""
        self._thread = Thread(target=self._work, name="live-view", daemon=True)

    def __enter__(self) -> Self:
        # The picture's past; without it the picture is shown all the same.
        with suppress(JournalUnavailable):
            for recorded in self._rollout.journal.read(self._rollout.rollout_id):
                self._told.put(recorded)
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
        self._wake()
        self._thread.join(LEAVE_S)
        self._console.say_above(None)
        self._terminal.give_keys_back()
        if not self._thread.is_alive():
            os.close(self._ring)
            os.close(self._bell)

    # -- told by the working thread -------------------------------------------

    def event(self, recorded: ev.Recorded) -> None:
        """An event that the rollout folded."""
        self._tell(recorded)

    def decision(self, decision: Decision) -> None:
        """What the driver decided; the view decides by itself what comes next."""
        del decision
        self.beat()
        self._wake()

    def beat(self) -> None:
        """The driver is between two acts."""
        self.outlook.beat_s = monotonic_s()

    def ask(self, question: str) -> None:
        """Asks the person at this terminal, or no longer ("")."""
        if question != self.outlook.question:
            self.outlook.question = question
            self._wake()

    def answer(self) -> str | None:
        """A line that was typed since the question stood; "" once nobody can type any more."""
        try:
            return self._answers.get_nowait()
        except Empty:
            return None

    def _say(self, text: str) -> None:
        self._tell(text)

    def _tell(self, what: ev.Recorded | str) -> None:
        if self._is_broken.is_set() and isinstance(what, str):
            self._terminal.write(what.replace("\n", "\r\n") + "\r\n")
            return
        self._told.put(what)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):
            os.write(self._ring, b"!")

    # -- the view's own thread ------------------------------------------------

    def _work(self) -> None:
        error = attempt(self._draw_until_over)
        if error is None:
            return
        self._is_broken.set()
        attempt(self._painter.leave)
        self._say(f"the live view stopped ({type(error).__name__}: {error}); lines follow")
        attempt(self._write_what_was_told)

    def _draw_until_over(self) -> None:
        while True:
            is_last = self._is_over.is_set()
            if self._terminal.hold_keys():
                self._painter.forget()
            self._take_in()
            if self._terminal.is_mine:
                self._paint()
            if is_last:
                self._painter.leave()
                return
            self._rest()

    def _take_in(self) -> None:
        """Lines go above the picture, events into what it is made from."""
        while True:
            try:
                told = self._told.get_nowait()
            except Empty:
                return
            if not isinstance(told, str):
                self._course.learn(told)
            elif self._terminal.is_mine:
                self._painter.above(told)
            else:
                self._painter.forget()
                self._terminal.write(told.replace("\n", "\r\n") + "\r\n")

    def _paint(self) -> None:
        scene = self.scene()
        columns, rows = self._terminal.size()
        lines = live_lines(scene, columns - 1, rows - 1)
        self._painter.paint([self._ink.drawn(line) for line in lines])

    def scene(self) -> Scene:
        """The moment as it is now."""
        rollout, outlook = self._rollout, self.outlook
        state, kinds, now = rollout.state, rollout.adapters.kinds, rollout.clock.now()
        for name, record in state.gates.items():
            self._course.glance(name, record)
        lease = rollout.lease if self._is_driven_here else outlook.lease
        standing = Standing(
            view=View(playbook=rollout.playbook, state=state, kinds=kinds, now=now),
            decision=decide(rollout.playbook, state, kinds, now),
            lease=lease,
            history=self._course.history(),
        )
        ask = Ask(question=outlook.question, typed=self._typed()) if outlook.question else None
        return Scene(
            standing=standing,
            course=self._course,
            alarm=outlook.alarm,
            pulse=self._pulse(standing.decision),
            is_driven_here=self._is_driven_here,
            ask=ask,
        )

    def _typed(self) -> str:
        if self._asked != self.outlook.question:
            # What was typed before the question stood is no answer to it.
            self._asked = self.outlook.question
            self._terminal.forget_keys()
            with suppress(Empty):
                while True:
                    self._answers.get_nowait()
        return self._terminal.typed

    def _pulse(self, decision: Decision) -> str:
        """What takes the driver long, and how long."""
        busy_s = monotonic_s() - self.outlook.beat_s
        if not self._is_driven_here or busy_s < BUSY_S or self._is_over.is_set():
            return ""
        return f"busy for {format_duration(busy_s)}: {decision.because}"

    def _rest(self) -> None:
        """Until something is told, a key comes, or the clock moves on."""
        self._rollout.clock.sleep(PAINT_MIN_S)
        lines = self._terminal.wait(self._bell, PAINT_S - PAINT_MIN_S)
        _drain(self._bell)
        if lines is None:
            self._answers.put("")
        elif self.outlook.question and self.outlook.question == self._asked:
            for line in lines:
                self._answers.put(line)

    def _write_what_was_told(self) -> None:
        while not self._told.empty():
            told = self._told.get_nowait()
            if isinstance(told, str):
                self._terminal.write(told.replace("\n", "\r\n") + "\r\n")


def _drain(bell: int) -> None:
    while select.select([bell], [], [], 0)[0]:
        if not os.read(bell, 4096):
            return
