"""What is news to somebody who watches a rollout: changes only; pure.

The journal has every event, and `explain` shows them; a log and a terminal show what turned.
"""

from __future__ import annotations

import re

from rolloutctl.core import events as ev
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.console import Style
from rolloutctl.ui.event_view import EventLines, said_once

#: What happens within a step stands under its line.
INDENT = "  "
#: A number with its unit, as gates write them.
_NUMBER = re.compile(r"\d[\d.,e+-]*%?")
_TIME_LEFT = re.compile(r" holds for \S+ more")


class EventNews:
    """The lines of events, without what the lines before already said.

    A gate's first "inconclusive" of a step is no news: it has just begun to look.
    """

    def __init__(self) -> None:
        self._lines = EventLines()
        self._shown: dict[str, Outcome] = {}
        self._way_back = ""  # why, once it was told
        self._step: int | None = None  # the step whose line was told last

    def know(self, target: str, *fingerprints: str) -> None:
        """As `EventLines.know`."""
        self._lines.know(target, *fingerprints)

    def text(self, event: ev.Event) -> str:
        """The line, without the time; "" for what is no news."""
        text = self._lines.text(event)
        match event:
            case ev.GateJudged():
                # On a line that begins with the gate, the number says itself what it is.
                return text.replace(": observed ", ": ", 1) if self._has_turned(event) else ""
            case ev.StepEntered(step=step):
                self._step = step
                self._shown.clear()  # at another weight, the same verdict is news
            case ev.RollbackStarted(because=because):
                self._way_back = because
            case ev.Finished(finished_as=finished_as, because=because) if self._way_back:
                if self._way_back.startswith("not begun"):
                    return f"{finished_as}: nothing was written"
                return said_once(finished_as, because.removesuffix(f": {self._way_back}"))
        return text

    def waiting(self, because: str, step: tuple[int, str] | None) -> str:
        """Why is waited, without the step's name where its line stands above.

        Args:
            because: the decision's reason.
            step: place and name of the step the rollout is in.
        """
        if step is None or step[0] != self._step:
            return because
        said = because.removeprefix(f"step {step[1]}")
        return because if said == because else said.removeprefix(":").lstrip().removeprefix("is ")

    def _has_turned(self, event: ev.GateJudged) -> bool:
        outcome = event.record.verdict.outcome
        shown = self._shown.get(event.gate, Outcome.INCONCLUSIVE)
        self._shown[event.gate] = outcome
        return outcome is not shown


def without_time_left(because: str) -> str:
    """Why is waited, without how long still: that changes every second."""
    return _TIME_LEFT.sub(" holds", because)


def gist(because: str) -> str:
    """Why is waited, without what changes at every look: time left, counts, shares."""
    return _NUMBER.sub("#", without_time_left(because))


def ends_with(event: ev.Event) -> str:
    """What the line of `event` says that a wait or an end after it would say again."""
    match event:
        case (
            ev.Paused(because=because)
            | ev.Held(because=because)
            | ev.Stuck(because=because)
            | ev.Finished(because=because)
            | ev.Asked(question=because)
        ):
            return because
        case _:
            return ""


def indent_of(event: ev.Event) -> str:
    """Steps, questions and ends stand at the margin, everything else under them."""
    match event:
        case (
            ev.Started()
            | ev.StepEntered()
            | ev.Asked()
            | ev.Paused()
            | ev.RollbackStarted()
            | ev.KillRequested()
            | ev.Held()
            | ev.Stuck()
            | ev.Finished()
        ):
            return ""
        case _:
            return INDENT


def style_of(event: ev.Event) -> Style | None:
    """How a terminal shows it; None is plain."""
    match event:
        case ev.StepEntered():
            return Style.BOLD
        case ev.GateJudged(record=record):
            return _OUTCOME_STYLES.get(record.verdict.outcome)
        case ev.RollbackStarted() | ev.KillRequested() | ev.Stuck() | ev.ApplyFailed():
            return Style.RED
        case ev.Paused() | ev.Held() | ev.Asked() | ev.Drifted() | ev.OutsideKilled():
            return Style.YELLOW
        case ev.Finished(finished_as=ev.FinishedAs.SUCCEEDED):
            return Style.GREEN
        case _:
            return None


_OUTCOME_STYLES = {
    Outcome.PASS: Style.GREEN,
    Outcome.FAIL: Style.RED,
    Outcome.ERROR: Style.YELLOW,
    Outcome.NO_DATA: Style.YELLOW,
}
