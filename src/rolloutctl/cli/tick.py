"""`rolloutctl tick`: one pass over every open rollout, then exit: for cron and CI."""

from __future__ import annotations

import os

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import say_if_unwatched, standing_of
from rolloutctl.cli.interrupts import noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.cli.retention import parse_retention, prune
from rolloutctl.cli.unattended import hint_of, ports
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, LeaseHeld, LeaseLost
from rolloutctl.runner.one_pass import Passed, tick_once
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import phase_line, status_document


def run(*, store: StoreOption = "", output: OutputOption = Output.TABLE) -> ExitCode:
    """Do everything that is due on every open rollout nobody drives, then exit.

    Overdue holds end only when their gates were judged on fresh data. Exit 0 when the
    pass is done; 20 if a rollback or kill is stuck; 5 if a rollout cannot be driven here;
    130 if it was interrupted.

    Example: */1 * * * * rolloutctl tick
    """
    console, clock = Console(output=output), wiring.clock()
    retention_s = parse_retention(os.environ)
    ledger = wiring.journal(store, os.environ)
    with noted() as interrupts:
        passed = tick_once(ports(console, ledger, clock), stop=lambda: interrupts.count > 0)
        worst = max((_concluded(one, console) for one in passed), default=ExitCode.DONE)
        if interrupts.count:
            console.talk("interrupted between two acts of each rollout")
            return ExitCode.INTERRUPTED
        prune(ledger, clock, console, retention_s=retention_s)
    return worst


def _concluded(passed: Passed, console: Console) -> ExitCode:
    """Says how the pass left one rollout; one that failed does not hold up the others."""
    rollout, error = passed.rollout, passed.error
    if isinstance(error, LeaseHeld | LeaseLost):
        console.talk(error.message)
        return ExitCode.DONE
    if error is None and rollout is None:
        return ExitCode.DONE  # interrupted before it was looked at
    if error is not None or rollout is None:
        console.talk(
            f"error: {passed.rollout_id} could not be driven: {passed.because}{hint_of(error)}"
        )
        return ExitCode.UNAVAILABLE
    if console.is_for_people:
        console.data(f"{passed.rollout_id}  {phase_line(rollout.state, passed.because)}")
    else:
        console.data_line(dict(status_document(standing_of(rollout, None))))
    if rollout.state.phase.is_at_rest:
        say_if_unwatched(rollout, console)
    return ExitCode.STUCK if rollout.state.phase is Phase.STUCK else ExitCode.DONE
