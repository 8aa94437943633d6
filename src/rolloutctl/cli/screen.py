"""What a person sees of a rollout that is driven: one line a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.state import Phase
from rolloutctl.ui.console import Output, Style
from rolloutctl.ui.event_news import (
    INDENT,
    EventNews,
    ends_with,
    gist,
    indent_of,
    style_of,
)
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.rollout_view import phase_line

if TYPE_CHECKING:
    from rolloutctl.core import events as ev
    from rolloutctl.core.decision import Decision
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console

#: A wait that goes on and on is told again this often, in seconds.
REMINDER_S = 600.0


@dataclass(slots=True)
class Screen:
    """Events on stdout, waits and the end on stderr; nothing is said a second time."""

    rollout: Rollout
    console: Console
    prefix: str = ""  # the rollout's id where one stream tells of several
    news: EventNews = field(default_factory=EventNews)
    _waiting: str = ""
    _reminded_at: datetime | None = None
    _last: str = ""
    _said: str = ""  # what the last line gave as the reason of a wait or an end

    def __post_init__(self) -> None:
        """Learns what the rollout left on its targets before anybody watched."""
        for target in self.rollout.state.targets.values():
            ours = (target.fingerprint, target.restore_point.fingerprint)
            self.news.know(target.name, *ours)

    def event(self, recorded: ev.Recorded) -> None:
        """Shows an event: a line on stdout, as text or as JSON."""
        if self.console.output is Output.NDJSON:
            from rolloutctl.store.codec import recorded_to_json  # noqa: PLC0415 - machines only

            record = {"kind": "Event", "id": self.rollout.rollout_id}
            self.console.data_line(record | recorded_to_json(recorded))
            return
        text = self.news.text(recorded.event)
        # The same failure, tried again and again, is one line: the journal has them all.
        if not text or text == self._last or self.console.output is not Output.TABLE:
            return
        self._last, self._said = text, ends_with(recorded.event)
        if self._said:
            self._waiting = ""  # what is waited for after it is told again
        head = f"{local_time(recorded.at)}  {indent_of(recorded.event)}"
        if self.prefix:
            head = f"{self.prefix}  {head}"
        self.console.data(self.console.line(head, text, style_of(recorded.event)))

    def decision(self, decision: Decision) -> None:
        """Says what is waited for, when that changes; time left and counts are no change."""
        if not isinstance(decision, WaitUntil) or self._is_said(decision.because):
            return
        now = self.rollout.clock.now()
        reason = gist(decision.because)
        if reason == self._waiting and (
            self._reminded_at is None or now < self._reminded_at + timedelta(seconds=REMINDER_S)
        ):
            return
        self._waiting, self._reminded_at = reason, now
        indent, text = self._wait(decision.because)
        head = f"{local_time(now)}  {indent}"
        self.console.talk(self.console.line(head, text, Style.DIM, on_err=True))

    def conclude(self, because: str) -> None:
        """Says where the rollout stands, unless the last lines did."""
        if self._is_said(because) or gist(because) == self._waiting:
            return
        self.console.talk(phase_line(self.rollout.state, because))

    def _wait(self, because: str) -> tuple[str, str]:
        """Indent and text of a wait."""
        state = self.rollout.state
        if state.phase is not Phase.RUNNING or state.step is None:
            return "", phase_line(state, because)
        name = self.rollout.playbook.steps[state.step.index].name
        text = self.news.waiting(because, (state.step.index, name))
        return (INDENT if text != because else ""), text

    def _is_said(self, because: str) -> bool:
        """Whether the last event's line said it, where whoever reads the one reads the other."""
        bare = because.removeprefix(f"{self.rollout.state.phase}: ")
        return bool(self._said) and bare == self._said and self.console.is_one_stream


def where(rollout: Rollout) -> str:
    """Which rollout somebody begins to watch, and where it is: why it waits is told next."""
    state, steps = rollout.state, rollout.playbook.steps
    index = state.step.index if state.step is not None else state.steps_left
    step = f", step {index + 1} of {len(steps)}: {steps[index].name}" if index < len(steps) else ""
    return f"watching {rollout.rollout_id}: {state.phase}{step}"
