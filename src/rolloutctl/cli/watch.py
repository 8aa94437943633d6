"""`rolloutctl watch [ROLLOUT]`: follows rollouts until they are over; drives and writes nothing."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import live_view_of, say_if_unwatched, standing_of
from rolloutctl.cli.interrupts import Interrupts, noted
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.options import OutputOption, StoreOption, never_empty
from rolloutctl.cli.screen import Screen, where
from rolloutctl.core.decide import exit_code
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.units import format_duration
from rolloutctl.errors import ExitCode, JournalUnavailable, NotFound, UsageError
from rolloutctl.runner.owner import living
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.driver_pulse import DriverPulse
from rolloutctl.ui.rollout_view import status_document

if TYPE_CHECKING:
    from rolloutctl.cli.live_rollout import LayOver, LiveView
    from rolloutctl.core.ports import Journal, Lease
    from rolloutctl.runner.rollout import Rollout

#: How often the journal is looked at, in seconds: nothing recorded is shown later than that
#: and the second of a repaint.
LOOK_S = 0.5


def run(
    rollout: Annotated[
        str,
        typer.Argument(
            callback=never_empty,
            metavar="[ROLLOUT]",
            help="Its id, or how it begins. Default: every open one.",
        ),
    ] = "",
    *,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Follow a rollout until it is over, from any terminal. Reads only; Ctrl-C stops looking.

    On a terminal a picture in place, elsewhere one line a change. Without an id: the open
    rollout, or a table of all if several are open. Exit with the rollout's own code (0 done,
    10 judged bad, 13 killed, 20 stuck …) once it is at rest; a table ends with 0 once nothing
    is open; 130 on Ctrl-C, which changes nothing; 3 if there is nothing to follow.

    Example: rolloutctl watch claude-for-gpt4-x7k2mq
    """
    console, clock = Console(output=output), wiring.clock()
    ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
    if not rollout:
        rows = ledger.rollouts(open_only=True)
        if not rows:
            raise NotFound(
                "no rollout is open: there is nothing to watch",
                hint="rolloutctl start FILE begins one; rolloutctl list shows those that are over",
            )
        if len(rows) > 1:
            if output in (Output.JSON, Output.YAML):
                raise UsageError(
                    f"{len(rows)} rollouts are open; {output} is one document, they end one by one",
                    hint="rolloutctl watch --output ndjson, or rolloutctl watch ROLLOUT",
                )
            from rolloutctl.cli.watch_all import watch_all  # noqa: PLC0415 - several only

            return watch_all(ledger, console, clock)
        rollout = rows[0].rollout_id
    rollout = rollout_meant(rollout, ledger, console, verb="watch")
    opened = wiring.open_rollout(rollout, ledger, known=wiring.catalog(), at=clock)
    return watch_one(opened, console)


def watch_one(rollout: Rollout, console: Console) -> ExitCode:
    """Follows one rollout to its end; returns its exit code, or 130."""
    screen = Screen(rollout, console)
    view = live_view_of(rollout, console, is_driven_here=False)
    if view is not None:
        view.lay_over = _seen_by_driver(rollout)
    rollout.listeners += [screen.event, *([view.event] if view is not None else [])]
    onlooker = _Onlooker(rollout, console, screen, view)
    with noted() as interrupts, view or nullcontext():
        code = onlooker.follow(interrupts)
    if code is ExitCode.INTERRUPTED:
        console.talk(f"not watched from here any more; {rollout.rollout_id} goes on as it is")
        return code
    if not console.is_for_people:
        standing = standing_of(rollout, None)
        if console.output is Output.NDJSON:
            console.data_line(dict(status_document(standing)))
        else:
            console.document(status_document(standing), str)
    elif view is None:
        screen.conclude(rollout.state.ended_because)
    say_if_unwatched(rollout, console)
    return code


def _seen_by_driver(rollout: Rollout) -> LayOver | None:
    """What its driver saw since the journal's last event."""
    glances = wiring.glances(rollout.journal)
    return None if glances is None else glances.laid_over


class _Onlooker:
    """Reads what others record, and says when nobody records anything any more."""

    def __init__(
        self, rollout: Rollout, console: Console, screen: Screen, view: LiveView | None
    ) -> None:
        self._rollout = rollout
        self._console = console
        self._screen = screen
        self._view = view
        self._pulse = DriverPulse()
        self._is_unwatched = False
        self._said = ""

    def follow(self, interrupts: Interrupts) -> ExitCode:
        """Until the rollout is at rest, or Ctrl-C."""
        rollout, clock = self._rollout, self._rollout.clock
        read_at = clock.now()
        if self._view is None and not rollout.state.phase.is_at_rest:
            self._console.talk(where(rollout))
        while True:
            try:
                self._look()
                read_at = clock.now()
                alarm = self._pulse.sentence(read_at)
            except JournalUnavailable as error:
                for_s = max(1.0, (clock.now() - read_at).total_seconds())
                alarm = f"journal unread for {format_duration(for_s)}: {error.message}"
            self._alarm(alarm)
            if rollout.state.phase.is_at_rest:
                return exit_code(rollout.state)
            if interrupts.count:
                return ExitCode.INTERRUPTED
            clock.sleep(LOOK_S)

    def _look(self) -> None:
        rollout = self._rollout
        before = rollout.state.seq
        if rollout.journal.heads().get(rollout.rollout_id) != before:
            rollout.refresh()
        now, lease = rollout.clock.now(), lease_now(rollout.journal, rollout.rollout_id)
        self._pulse.see(lease, now)
        if rollout.state.seq != before:
            self._pulse.note(now)
        seen_at = self._view.outlook.seen_at if self._view is not None else None
        if seen_at is not None:
            self._pulse.note(seen_at)
        if self._view is not None:
            self._view.outlook.lease = lease
        elif not rollout.state.phase.is_at_rest:
            self._say_what_is_waited_for(lease)

    def _say_what_is_waited_for(self, lease: Lease | None) -> None:
        standing = standing_of(self._rollout, lease)
        self._screen.decision(WaitUntil(at=standing.view.now, because=standing.because))
        is_unwatched = not standing.driver
        if is_unwatched and not self._is_unwatched:
            say_if_unwatched(self._rollout, self._console)
        self._is_unwatched = is_unwatched

    def _alarm(self, alarm: str) -> None:
        """In the picture while it lasts; in a log once, when it begins."""
        if self._view is not None:
            self._view.outlook.alarm = alarm
            return
        kind = alarm.partition(" for ")[0]
        if kind and kind != self._said:
            self._console.talk(alarm)
        self._said = kind


def lease_now(journal: Journal, rollout_id: str) -> Lease | None:
    """Who drives an open rollout, as the journal has it; nobody, if that process is dead."""
    rows = journal.rollouts(open_only=True)
    return living(next((row.lease for row in rows if row.rollout_id == rollout_id), None))
