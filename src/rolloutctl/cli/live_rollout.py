"""The live view of one rollout: what a driver or an onlooker knows, made a picture of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from rolloutctl.cli.live import Picture
from rolloutctl.clock import monotonic_s
from rolloutctl.core.decide import decide
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.errors import JournalUnavailable
from rolloutctl.ui.live_course import Course
from rolloutctl.ui.live_scene import Ask, Scene
from rolloutctl.ui.live_view import live_lines
from rolloutctl.ui.rollout_view import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from types import TracebackType

    from rich.text import Text

    from rolloutctl.core import events as ev
    from rolloutctl.core.decision import Decision
    from rolloutctl.core.ports import Lease
    from rolloutctl.core.state import RolloutState
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console
    from rolloutctl.ui.terminal import Terminal

#: A state with what was seen since, and when that was told.
LayOver = Callable[["RolloutState"], tuple["RolloutState", "datetime | None"]]
#: Work that takes longer than this, in seconds, is said to take long.
BUSY_S = 2.0


@dataclass(slots=True)
class Outlook:
    """What the working thread tells the view; each field is replaced whole.

    Attributes:
        lease: who drives.
        alarm: what is wrong with the picture itself; "" if nothing is.
        question: what this terminal is asked; "" if nothing.
        seen_at: when the driver elsewhere last told what it saw; None if it did not.
        beat_s: when the driver was last seen between two acts, on the monotonic clock.
    """

    lease: Lease | None = None
    alarm: str = ""
    question: str = ""
    seen_at: datetime | None = None
    beat_s: float = field(default_factory=monotonic_s)


class LiveView:
    """Draws a rollout until it is left. Reads its state and its first events, nothing else.

    Args:
        rollout: the rollout.
        console: whose lines go above the picture meanwhile.
        terminal: where it is drawn.
        is_driven_here: this process drives it.
    """

    def __init__(
        self, rollout: Rollout, console: Console, terminal: Terminal, *, is_driven_here: bool
    ) -> None:
        self.outlook = Outlook(lease=rollout.lease)
        self._rollout = rollout
        self._is_driven_here = is_driven_here
        self._course = Course()
        self._asked = ""
        self.lay_over: LayOver | None = None
        self._picture = Picture(console, terminal, rollout.clock, self._lines)

    def __enter__(self) -> Self:
        # The picture's past; without it the picture is shown all the same.
        with suppress(JournalUnavailable):
            for recorded in self._rollout.journal.read(self._rollout.rollout_id):
                self._course.learn(recorded)
        self._picture.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._picture.__exit__(kind, error, trace)

    # -- told by the working thread -------------------------------------------

    def event(self, recorded: ev.Recorded) -> None:
        """An event that the rollout folded."""
        self._picture.do(partial(self._course.learn, recorded))

    def decision(self, decision: Decision) -> None:
        """The driver decided something; the view decides by itself what comes next."""
        del decision
        self.beat()
        self._picture.wake()

    def beat(self) -> None:
        """The driver is between two acts."""
        self.outlook.beat_s = monotonic_s()

    def ask(self, question: str) -> None:
        """Asks the person at this terminal, or no longer ("")."""
        if question != self.outlook.question:
            self.outlook.question = question
            self._picture.wake()

    def answer(self) -> str | None:
        """A line that was typed since the question stood; "" once nobody can type any more."""
        is_shown = self._asked == self.outlook.question
        return self._picture.line() if is_shown else None

    # -- the picture's own thread ---------------------------------------------

    def _lines(self, width: int, rows: int) -> Sequence[Text]:
        if self._asked != self.outlook.question:
            # SAFETY: what was typed before the question stood is no answer to it.
            self._picture.forget_keys()
            self._asked = self.outlook.question
        return live_lines(self.scene(), width, rows)

    def scene(self) -> Scene:
        """The moment as it is now."""
        rollout, outlook, asked = self._rollout, self.outlook, self._asked
        state, kinds, now = self._state(), rollout.adapters.kinds, rollout.clock.now()
        for name, record in state.gates.items():
            self._course.glance(name, record)
        decision = decide(rollout.playbook, state, kinds, now)
        # The last picture stays on the screen when nobody drives here any more.
        drives_here = self._is_driven_here and not self._picture.is_over
        lease = None if self._is_driven_here else outlook.lease
        return Scene(
            standing=Standing(
                view=View(playbook=rollout.playbook, state=state, kinds=kinds, now=now),
                decision=decision,
                lease=rollout.lease if drives_here else lease,
                history=self._course.history(),
            ),
            course=self._course,
            alarm=outlook.alarm,
            pulse=self._pulse(decision),
            is_driven_here=drives_here,
            ask=Ask(question=asked, typed=self._picture.typing) if asked else None,
        )

    def _state(self) -> RolloutState:
        """As folded, with what a driver elsewhere saw since."""
        if self.lay_over is None:
            return self._rollout.state
        state, self.outlook.seen_at = self.lay_over(self._rollout.state)
        return state

    def _pulse(self, decision: Decision) -> str:
        """What takes the driver long, and how long."""
        busy_s = monotonic_s() - self.outlook.beat_s
        if not self._is_driven_here or busy_s < BUSY_S or self._picture.is_over:
            return ""
        return f"busy for {format_duration(busy_s)}: {decision.because}"
