"""`rolloutctl status [ROLLOUT]`: where it is, why it waits, what comes next and when."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import has_driver, lease_of, standing_of
from rolloutctl.cli.listing import list_rows, open_to_list, say_nothing_listed
from rolloutctl.cli.looking import look_now
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.options import OutputOption, StoreOption, never_empty
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import status_document, status_text

if TYPE_CHECKING:
    from rolloutctl.core.ports import Clock
    from rolloutctl.store.sqlite import SqliteJournal


def run(
    rollout: Annotated[
        str,
        typer.Argument(
            callback=never_empty,
            metavar="[ROLLOUT]",
            help="Its id, or how it begins. Default: the open one, else the last.",
        ),
    ] = "",
    *,
    look: Annotated[
        bool, typer.Option("--look", help="Ask each target's provider what it serves now.")
    ] = False,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Show where a rollout is, why it waits, what each gate says, and what comes next.

    Without an id: the open rollout, a list if there are several, the last one if none is
    open. Reads only. What a target serves is what was seen last, with its age where nobody
    drives; --look asks its provider. Exit 3 if there is no such rollout, or no journal where
    one was named; 5 if --look could not read a target.

    Example: rolloutctl status claude-for-gpt4-x7k2mq
    """
    console, clock = Console(output=output), wiring.clock()
    if rollout:
        ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
        meant = rollout_meant(rollout, ledger, console, verb="status")
        return _show(meant, ledger, console, clock, look=look)
    ledger = open_to_list(store)
    rows = ledger.rollouts(open_only=True)
    if len(rows) == 1:
        return _show(rows[0].rollout_id, ledger, console, clock, look=look)
    past = ledger.rollouts() if not rows and console.is_for_people else ()
    if past:
        console.talk("no open rollout; the last one:")
        return _show(past[0].rollout_id, ledger, console, clock, look=look)
    if look and rows:
        raise UsageError(
            f"{len(rows)} rollouts are open; --look is about one",
            hint=f"rolloutctl status {rows[0].rollout_id} --look",
        )
    code = list_rows(console, rows, ledger, at=clock)
    if not rows:
        say_nothing_listed(console, ledger, store)
    return code


def _show(
    rollout_id: str, ledger: SqliteJournal, console: Console, clock: Clock, *, look: bool
) -> ExitCode:
    opened = wiring.open_rollout(rollout_id, ledger, known=wiring.catalog(), at=clock)
    lease = lease_of(ledger, rollout_id)
    glances = wiring.glances(ledger) if has_driver(lease, clock.now()) else None
    if glances is not None:
        # What its driver saw since it last recorded something; nothing is decided on it.
        opened.state, _ = glances.laid_over(opened.state)
    is_seen = not look or look_now(opened, console)
    standing = standing_of(opened, lease)
    console.document(status_document(standing), lambda: status_text(standing, console.width))
    if opened.state.phase.is_at_rest and console.is_for_people and not look:
        console.talk(f"what its targets serve now: rolloutctl status {rollout_id} --look")
    return ExitCode.DONE if is_seen else ExitCode.UNAVAILABLE
