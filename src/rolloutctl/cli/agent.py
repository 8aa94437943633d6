"""`rolloutctl agent`: drives every rollout whose lease is free, until it is told to stop."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import (
    INTERRUPTED,
    Screen,
    say_if_unwatched,
    take_lease,
)
from rolloutctl.cli.interrupts import Interrupts, noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.errors import ExitCode, LeaseHeld, RolloutctlError
from rolloutctl.runner.loop import drive
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import phase_line

if TYPE_CHECKING:
    from rolloutctl.core.ports import Clock
    from rolloutctl.store.sqlite import SqliteJournal

#: How often rollouts without a driver are looked for, in seconds.
LOOK_S = 1.0
#: Rollouts driven at once by one agent; others wait, and are said to.
DRIVEN_MAX = 64
#: How long a rollout that could not be driven is left alone, in seconds.
RETRY_S = 30.0
#: How long one that another process drives is left alone, in seconds.
HELD_RETRY_S = 5.0


def run(
    *,
    poll: Annotated[
        float, typer.Option(min=0.05, help="Seconds between two looks for free rollouts.")
    ] = LOOK_S,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Drive every open rollout whose lease is free, on this machine or many, until stopped.

    One rollout that fails does not stop the others. SIGINT and SIGTERM leave the exposure
    where it is and say what is unwatched; exit 130.

    Example: rolloutctl agent --output ndjson
    """
    console, clock = Console(output=output), wiring.clock()
    agent = _Agent(console, clock, wiring.journal(store, os.environ))
    console.talk("agent: driving every rollout whose lease is free; interrupt to stop")
    with noted() as interrupts, ThreadPoolExecutor(DRIVEN_MAX) as threads:
        while not interrupts.count:
            agent.look(threads, interrupts)
            clock.sleep(poll)
        console.talk("agent: stopping between two acts of each rollout")
    return ExitCode.INTERRUPTED


class _Agent:
    """Who drives what, and what could not be driven."""

    def __init__(self, console: Console, clock: Clock, ledger: SqliteJournal) -> None:
        self._console = console
        self._clock = clock
        self._ledger = ledger
        self._known = wiring.catalog()
        self._driven: dict[str, Future[int]] = {}
        self._not_before: dict[str, float] = {}
        self._at_rest: dict[str, int] = {}  # rollout id -> head when it came to rest

    def look(self, threads: ThreadPoolExecutor, interrupts: Interrupts) -> None:
        """Takes up rollouts that nobody drives; collects those that ended."""
        now_s = self._clock.now().timestamp()
        for rollout_id, future in list(self._driven.items()):
            if future.done():
                del self._driven[rollout_id]
                self._ended(rollout_id, future, now_s)
        try:
            heads = self._ledger.heads()
        except RolloutctlError as error:
            self._console.talk(f"agent: {error.message}; looking again")
            return
        for rollout_id, head in heads.items():
            is_due = now_s >= self._not_before.get(rollout_id, 0.0)
            is_due = is_due and self._at_rest.get(rollout_id) != head
            if rollout_id not in self._driven and is_due and len(self._driven) < DRIVEN_MAX:
                future = threads.submit(self._drive, rollout_id, interrupts)
                self._driven[rollout_id] = future

    def _ended(self, rollout_id: str, future: Future[int], now_s: float) -> None:
        error = future.exception()
        if error is None:
            self._at_rest[rollout_id] = future.result()
            return
        is_held = isinstance(error, LeaseHeld)
        self._not_before[rollout_id] = now_s + (HELD_RETRY_S if is_held else RETRY_S)
        if is_held:
            return
        hint = f"\n  hint: {error.hint}" if isinstance(error, RolloutctlError) else ""
        self._console.talk(
            f"error: {rollout_id}: {type(error).__name__}: {error}; tried again in "
            f"{RETRY_S:g} s{hint}"
        )

    def _drive(self, rollout_id: str, interrupts: Interrupts) -> int:
        """Drives one rollout until it is at rest; its head then."""
        rollout = wiring.open_rollout(rollout_id, self._ledger, known=self._known, at=self._clock)
        if rollout.state.phase.is_at_rest:
            return rollout.state.seq
        take_lease(rollout, wiring.actor())
        rollout.listeners.append(Screen(rollout, self._console, prefix=rollout_id).event)
        try:
            drive(rollout, stop=lambda _: INTERRUPTED if interrupts.count else "")
        finally:
            rollout.release_lease()
        self._console.talk(f"{rollout_id}  {phase_line(rollout.state, 'left')}")
        say_if_unwatched(rollout, self._console)
        return rollout.state.seq
