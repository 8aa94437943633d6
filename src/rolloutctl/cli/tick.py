"""`rolloutctl tick`: one pass over every open rollout, then exit: for cron and CI."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import SETTLED, Screen, say_if_unwatched, standing_of, take_lease
from rolloutctl.cli.interrupts import Interrupts, noted
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, LeaseHeld, RolloutctlError
from rolloutctl.runner.loop import drive
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import phase_line, status_document

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout

#: Rollouts passed over at once: one that waits for its services does not hold up the others.
THREADS_MAX = 16


def run(*, store: StoreOption = "", output: OutputOption = Output.TABLE) -> ExitCode:
    """Do everything that is due on every open rollout nobody drives, then exit.

    Overdue holds end only when their gates were judged on fresh data. Exit 0 when the
    pass is done; 20 if a rollback or kill is stuck; 5 if a rollout cannot be driven here.

    Example: */1 * * * * rolloutctl tick
    """
    console, clock, known = Console(output=output), wiring.clock(), wiring.catalog()
    ledger = wiring.journal(store, os.environ)
    worst = ExitCode.DONE
    with noted() as interrupts, ThreadPoolExecutor(THREADS_MAX) as threads:

        def pass_over(rollout_id: str) -> Rollout:
            rollout = wiring.open_rollout(rollout_id, ledger, known=known, at=clock)
            _pass_over(rollout, console, interrupts)
            return rollout

        passes = {
            row.rollout_id: threads.submit(pass_over, row.rollout_id)
            for row in ledger.rollouts(open_only=True)
        }
    for rollout_id, done in passes.items():
        worst = max(worst, _concluded(rollout_id, done, console))
    return worst


def _pass_over(rollout: Rollout, console: Console, interrupts: Interrupts) -> None:
    """Drives until nothing is due any more."""
    if rollout.state.phase.is_at_rest:
        return
    take_lease(rollout, wiring.actor())
    screen = Screen(rollout, console, prefix=rollout.rollout_id)
    rollout.listeners.append(screen.event)

    def stop(decision: Decision) -> str:
        return SETTLED if interrupts.count or isinstance(decision, WaitUntil) else ""

    try:
        drive(rollout, stop=stop)
    finally:
        rollout.release_lease()


def _concluded(rollout_id: str, done: Future[Rollout], console: Console) -> ExitCode:
    """Says how one pass ended; a rollout that failed does not hold up the others."""
    error = done.exception()
    if error is None:
        rollout = done.result()
        _say(rollout, console)
        is_stuck = rollout.state.phase is Phase.STUCK
        return ExitCode.STUCK if is_stuck else ExitCode.DONE
    if isinstance(error, LeaseHeld):
        console.talk(error.message)
        return ExitCode.DONE
    hint = error.hint if isinstance(error, RolloutctlError) else "rolloutctl status says more"
    console.talk(
        f"error: {rollout_id} could not be driven: {type(error).__name__}: {error}\n  hint: {hint}"
    )
    return ExitCode.UNAVAILABLE


def _say(rollout: Rollout, console: Console) -> None:
    standing = standing_of(rollout, None)
    if console.is_for_people:
        line = phase_line(rollout.state, standing.decision.because)
        console.data(f"{rollout.rollout_id}  {line}")
    else:
        console.data_line(dict(status_document(standing)))
    if rollout.state.phase.is_at_rest:
        say_if_unwatched(rollout, console)
