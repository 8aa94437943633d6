"""What an agent says: a line a change for people, a JSON object a change for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolloutctl.cli.driving import kills_by_address, say_if_unwatched
from rolloutctl.cli.unattended import hint_of
from rolloutctl.runner.agent import AgentEvent, Happened
from rolloutctl.store.shape import format_time
from rolloutctl.ui.console import Output
from rolloutctl.ui.rollout_view import phase_line
from rolloutctl.ui.target_view import exposed_targets

if TYPE_CHECKING:
    from rolloutctl.core.json_types import Json
    from rolloutctl.core.ports import Clock
    from rolloutctl.ui.console import Console


@dataclass(slots=True)
class AgentLog:
    """Says on stderr what becomes of each rollout; the same trouble once.

    With `--output ndjson` it says it on stdout, among the events, as objects of the kind
    `Agent`: `at`, `level` (info, warning, error), `event`, `message`, and of a rollout its
    `id`, `phase` and what it leaves `exposed` with nobody driving it.
    """

    console: Console
    clock: Clock
    _trouble: str = ""

    def says(self, event: str, message: str, *, level: str = "info") -> None:
        """Something about the agent itself."""
        if self.console.output is Output.NDJSON:
            self._record(level, event, message)
        else:
            self.console.talk(f"agent: {message}")

    def event(self, event: AgentEvent) -> None:
        """Something about a rollout; what is left exposed is said aloud."""
        if self.console.output is Output.NDJSON:
            self._event_record(event)
        else:
            self._event_line(event)
        if event.happened in {Happened.RESTED, Happened.LEFT} and event.rollout is not None:
            say_if_unwatched(event.rollout, self.console)

    def trouble(self, because: str) -> None:
        """Why nothing can be looked at; "" once it can again."""
        if because == self._trouble:
            return
        self._trouble = because
        if because:
            self.says("journal-lost", f"{because}; looking again", level="error")
        else:
            self.says("journal-back", "the journal is back")

    def _event_line(self, event: AgentEvent) -> None:
        rollout_id, talk = event.rollout_id, self.console.talk
        if event.happened is Happened.TAKEN:
            talk(f"{rollout_id}  driven from here on")
        elif event.happened is Happened.LOST:
            talk(f"{rollout_id}  another process drives it now: {event.because}")
        elif event.happened is Happened.STALLED:
            talk(f"error: {rollout_id}: {event.because}{_hint_without_journal(event)}")
        elif event.happened is Happened.RESUMED:
            talk(f"{rollout_id}  {event.because}")
        elif event.happened is Happened.FAILED:
            talk(f"error: {rollout_id}: {event.because}{hint_of(event.error)}")
        elif event.rollout is not None:
            talk(f"{rollout_id}  {phase_line(event.rollout.state, event.because)}")

    def _event_record(self, event: AgentEvent) -> None:
        more: dict[str, Json] = {"id": event.rollout_id}
        is_bad = event.happened in {Happened.FAILED, Happened.STALLED}
        level = "error" if is_bad else "info"
        if event.rollout is not None:
            state = event.rollout.state
            more["phase"] = state.phase.value
            exposed = [] if state.phase.is_terminal else list(exposed_targets(state))
            if exposed and event.happened in {Happened.RESTED, Happened.LEFT, Happened.STALLED}:
                level = "error" if is_bad else "warning"
                more["exposed"] = list(exposed)
        if hint := hint_of(event.error):
            more["hint"] = hint.strip().removeprefix("hint: ")
        self._record(level, event.happened.value, event.because, **more)

    def _record(self, level: str, event: str, message: str, **more: Json) -> None:
        at = format_time(self.clock.now())
        self.console.data_line(
            {"kind": "Agent", "at": at, "level": level, "event": event, "message": message} | more
        )


def _hint_without_journal(event: AgentEvent) -> str:
    """What is served meanwhile, and the kill that needs no journal."""
    if event.rollout is None:
        return ""
    exposed = exposed_targets(event.rollout.state)
    serves = f"\n  it serves {'; '.join(exposed)}" if exposed else ""
    return f"{serves}\n  hint: without the journal: {kills_by_address(event.rollout)}"
