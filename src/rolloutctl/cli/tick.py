"""`rolloutctl tick`: one pass over every open rollout, then exit: for cron and CI."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import SETTLED, Screen, say_if_unwatched, standing_of, take_lease
from rolloutctl.cli.interrupts import noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, JournalUnavailable, LeaseHeld, RolloutctlError
from rolloutctl.runner.loop import drive
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import phase_line, status_document

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout


def run(*, store: StoreOption = "", output: OutputOption = Output.TABLE) -> ExitCode:
    """Do everything that is due on every open rollout nobody drives, then exit.

    Overdue holds end only when their gates were judged on fresh data. Exit 0 when the
    pass is done; 20 if a rollback or kill is stuck; 5 if a rollout cannot be driven here.

    Example: */1 * * * * rolloutctl tick
    """
    console, clock, known = Console(output=output), wiring.clock(), wiring.catalog()
    ledger = wiring.journal(store, os.environ)
    worst = ExitCode.DONE
    for row in ledger.rollouts(open_only=True):
        try:
            rollout = wiring.open_rollout(row.rollout_id, ledger, known=known, at=clock)
            _pass_over(rollout, console)
        except LeaseHeld as error:
            console.talk(error.message)
            continue
        except JournalUnavailable:
            raise  # nothing can be done for any of them
        except RolloutctlError as error:
            # One rollout that cannot be driven here must not hold up the others.
            console.talk(f"error: {row.rollout_id}: {error.message}\n  hint: {error.hint}")
            worst = max(worst, ExitCode.UNAVAILABLE)
            continue
        _say(rollout, console)
        if rollout.state.phase is Phase.STUCK:
            worst = ExitCode.STUCK
    return worst


def _pass_over(rollout: Rollout, console: Console) -> None:
    take_lease(rollout, wiring.actor())
    screen = Screen(rollout, console)
    rollout.listeners.append(screen.event)

    def stop(decision: Decision) -> str:
        return SETTLED if interrupts.count or isinstance(decision, WaitUntil) else ""

    with noted() as interrupts:
        try:
            drive(rollout, stop=stop)
        finally:
            rollout.release_lease()


def _say(rollout: Rollout, console: Console) -> None:
    standing = standing_of(rollout, None)
    if console.is_for_people:
        line = phase_line(rollout.state, standing.decision.because)
        console.data(f"{rollout.rollout_id}  {line}")
    else:
        console.data_line(dict(status_document(standing)))
    if rollout.state.phase.is_at_rest:
        say_if_unwatched(rollout, console)
