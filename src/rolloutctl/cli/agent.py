"""`rolloutctl agent`: drives every rollout whose lease is free, until it is told to stop."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import say_if_unwatched
from rolloutctl.cli.interrupts import noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.cli.retention import parse_retention, prune
from rolloutctl.cli.unattended import hint_of, ports
from rolloutctl.errors import ExitCode
from rolloutctl.runner.agent import POLL_S, AgentEvent, Happened, run_agent
from rolloutctl.runner.workers import Workers
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import phase_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from rolloutctl.core.ports import Clock

#: How often a running agent removes old rollouts from the journal, in seconds.
UPKEEP_S = 3_600.0


def run(
    *,
    poll: Annotated[
        float,
        typer.Option(min=0.05, help="Seconds between two looks at the journal for requests."),
    ] = POLL_S,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Drive every open rollout whose lease is free, on this machine or many, until stopped.

    One rollout that fails does not stop the others. SIGINT and SIGTERM leave the exposure
    where it is and say what is unwatched; exit 130.

    Example: rolloutctl agent --output ndjson
    """
    console, clock = Console(output=output), wiring.clock()
    retention_s = parse_retention(os.environ)
    ledger = wiring.journal(store, os.environ)
    narrator = _Narrator(console)
    upkeep = _Upkeep(clock, partial(prune, ledger, clock, console, retention_s=retention_s))
    with noted() as interrupts:

        def stop() -> bool:
            if interrupts.count:
                console.talk("agent: stopping between two acts of each rollout")
                return True
            upkeep.look()
            return False

        console.talk("agent: driving every rollout whose lease is free; interrupt to stop")
        run_agent(
            replace(
                ports(console, ledger, clock),
                on_event=narrator.event,
                on_trouble=narrator.trouble,
            ),
            stop=stop,
            poll_s=poll,
        )
    return ExitCode.INTERRUPTED


@dataclass(slots=True)
class _Narrator:
    """Says on stderr what becomes of each rollout; the same trouble once."""

    console: Console
    _trouble: str = ""

    def event(self, event: AgentEvent) -> None:
        """One line a change; what is left exposed is said aloud."""
        rollout_id, talk = event.rollout_id, self.console.talk
        match event.happened:
            case Happened.TAKEN:
                talk(f"{rollout_id}  driven from here on")
            case Happened.LOST:
                talk(f"{rollout_id}  another process drives it now: {event.because}")
            case Happened.FAILED:
                talk(f"error: {rollout_id}: {event.because}{hint_of(event.error)}")
            case Happened.RESTED | Happened.LEFT:
                if event.rollout is not None:
                    talk(f"{rollout_id}  {phase_line(event.rollout.state, event.because)}")
                    say_if_unwatched(event.rollout, self.console)
            case _:  # pragma: no cover - the type checker proves it
                assert_never(event.happened)

    def trouble(self, because: str) -> None:
        """Why nothing can be looked at; "" once it can again."""
        if because != self._trouble:
            self._trouble = because
            self.console.talk(
                f"agent: {because}; looking again" if because else "agent: the journal is back"
            )


@dataclass(slots=True)
class _Upkeep:
    """Removes old rollouts now and then, in a thread of its own: no rollout waits for it."""

    clock: Clock
    work: Callable[[], None]
    _workers: Workers = field(default_factory=lambda: Workers(1, name="upkeep"))
    _next_at: datetime | None = None

    def look(self) -> None:
        """Begins the work if it is time."""
        now = self.clock.now()
        if self._next_at is None or now >= self._next_at:
            self._next_at = now + timedelta(seconds=UPKEEP_S)
            self._workers.run(self.work)
