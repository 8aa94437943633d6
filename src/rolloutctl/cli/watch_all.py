"""Follows every open rollout at once, those that begin meanwhile too, until none is open."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.interrupts import Interrupts, noted
from rolloutctl.cli.screen import Screen, where
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.errors import ExitCode, JournalUnavailable, RolloutctlError
from rolloutctl.runner.owner import living

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from rolloutctl.core.ports import Clock, Lease
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.store.sqlite import SqliteJournal
    from rolloutctl.ui.console import Console

#: How often the journal is looked at, in seconds.
LOOK_S = 0.5


def watch_all(ledger: SqliteJournal, console: Console, clock: Clock) -> ExitCode:
    """A table in place, or one line a change with the rollout's id before it."""
    terminal = console.live_terminal()
    crowd = _Crowd(ledger, console, clock, is_drawn=terminal is not None)
    if terminal is None:
        picture = None
    else:
        from rolloutctl.cli.live import Picture  # noqa: PLC0415 - Rich, for people only

        picture = Picture(console, terminal, clock, crowd.lines)
    with noted() as interrupts, picture or nullcontext():
        code = crowd.follow(interrupts)
    if code is ExitCode.INTERRUPTED:
        console.talk("not watched from here any more; the rollouts go on as they are")
    else:
        console.talk("no rollout is open any more")
    return code


class _Crowd:
    """The open rollouts as they were last read."""

    def __init__(
        self, ledger: SqliteJournal, console: Console, clock: Clock, *, is_drawn: bool
    ) -> None:
        self.is_drawn = is_drawn
        self._ledger = ledger
        self._console = console
        self._clock = clock
        self._known = wiring.catalog()
        self._rollouts: dict[str, Rollout] = {}
        self._leases: dict[str, Lease | None] = {}
        self._refused: set[str] = set()
        self._alarm = ""

    def follow(self, interrupts: Interrupts) -> ExitCode:
        """Until none is open, or Ctrl-C."""
        while True:
            try:
                is_empty = self._look()
                self._alarm = ""
            except JournalUnavailable as error:
                is_empty = False
                if not self._alarm:
                    self._console.talk(error.message)
                self._alarm = f"journal not readable: {error.message}"
            if is_empty:
                return ExitCode.DONE
            if interrupts.count:
                return ExitCode.INTERRUPTED
            self._clock.sleep(LOOK_S)

    def lines(self, width: int, rows: int) -> Sequence[Text]:
        """The table; called in the picture's thread."""
        from rolloutctl.ui.live_table import OneOfMany, table_lines  # noqa: PLC0415 - as above

        now = self._clock.now()
        shown = [
            OneOfMany(
                state=rollout.state, playbook=rollout.playbook, driver=self._driver(rollout_id)
            )
            for rollout_id, rollout in list(self._rollouts.items())
            if not rollout.state.phase.is_terminal
        ]
        return table_lines(shown, now, width, rows, alarm=self._alarm)

    def _driver(self, rollout_id: str) -> str:
        lease = self._leases.get(rollout_id)
        is_driven = lease is not None and lease.expires_at > self._clock.now()
        return readable_owner(lease.owner) if lease is not None and is_driven else ""

    def _look(self) -> bool:
        """Reads what is new; True once nothing is open."""
        rows = self._ledger.rollouts(open_only=True)
        self._leases = {row.rollout_id: living(row.lease) for row in rows}
        for row in rows:
            rollout = self._rollouts.get(row.rollout_id)
            if rollout is None:
                self._take_up(row.rollout_id)
            elif rollout.state.seq != row.head_seq:
                rollout.refresh()
        for rollout_id in set(self._rollouts) - set(self._leases):
            rollout = self._rollouts[rollout_id]
            rollout.refresh()  # its last events
            del self._rollouts[rollout_id]
        return not rows

    def _take_up(self, rollout_id: str) -> None:
        if rollout_id in self._refused:
            return
        try:
            rollout = wiring.open_rollout(
                rollout_id, self._ledger, known=self._known, at=self._clock
            )
        except JournalUnavailable:
            raise
        except RolloutctlError as error:
            # One that cannot be read here must not hide the others.
            self._refused.add(rollout_id)
            self._console.talk(f"error: {rollout_id}: {error.message}\n  hint: {error.hint}")
            return
        self._rollouts[rollout_id] = rollout
        screen = Screen(rollout, self._console, prefix=rollout_id)
        rollout.listeners.append(screen.event)
        if not self.is_drawn:
            self._console.talk(where(rollout))
