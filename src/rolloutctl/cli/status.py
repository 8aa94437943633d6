"""`rolloutctl status [ROLLOUT]`: where it is, why it waits, what comes next and when."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import lease_of, standing_of
from rolloutctl.cli.listing import list_rows
from rolloutctl.cli.options import OutputOption, StoreOption
from rolloutctl.errors import ExitCode
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import status_document, status_text


def run(
    rollout: Annotated[
        str, typer.Argument(metavar="[ROLLOUT]", help="Its id. Default: the open one.")
    ] = "",
    *,
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Show where a rollout is, why it waits, what each gate says, and what comes next.

    Without an id: the open rollout, or a list if there are several. Reads only.

    Example: rolloutctl status claude-for-gpt4-x7k2mq
    """
    console, clock, known = Console(output=output), wiring.clock(), wiring.catalog()
    ledger = wiring.journal(store, os.environ, read_only=True)
    rollout_id = rollout
    if not rollout_id:
        rows = ledger.rollouts(open_only=True)
        if len(rows) != 1:
            return list_rows(console, rows, ledger, at=clock)
        rollout_id = rows[0].rollout_id
    opened = wiring.open_rollout(rollout_id, ledger, known=known, at=clock)
    standing = standing_of(opened, lease_of(ledger, rollout_id))
    console.document(status_document(standing), lambda: status_text(standing, console.width))
    return ExitCode.DONE
