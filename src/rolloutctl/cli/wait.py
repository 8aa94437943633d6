"""`rolloutctl wait ROLLOUT`: blocks until it is done, or needs a human; for pipelines."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import has_driver, lease_of, say_if_unwatched, standing_of
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.options import OneRollout, OutputOption, StoreOption, parse_limit
from rolloutctl.clock import in_seconds
from rolloutctl.core.decide import exit_code
from rolloutctl.core.situation import needs_human
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, Pending
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import Standing, status_document, status_text

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout

#: How often the journal is looked at, in seconds.
LOOK_S = 0.5


class For(StrEnum):
    """What is waited for."""

    DONE = "done"
    HUMAN = "human"


def run(
    rollout: OneRollout = "",
    *,
    until: Annotated[For, typer.Option("--for", help="The end, or a question.")] = For.DONE,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="At most so long.")] = "24h",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Block until a rollout is done, or until it needs a human.

    Exit with the rollout's own code when it is at rest; with --for human, 0 as soon as
    it needs one, and 6 if it succeeded without; 8 if the timeout comes first. Drives nothing.

    Example: rolloutctl wait claude-for-gpt4-x7k2mq --for done --timeout 5h
    """
    console, clock = Console(output=output), wiring.clock()
    until_at = in_seconds(clock.now(), parse_limit(timeout, example="5h"))
    ledger = wiring.journal(store, os.environ, read_only=True, must_exist=True)
    rollout = rollout_meant(rollout, ledger, console, verb="wait")
    opened = wiring.open_rollout(rollout, ledger, known=wiring.catalog(), at=clock)
    is_told = False
    while (code := _reached(opened, until)) is None:
        is_driven = has_driver(lease_of(ledger, rollout), clock.now())
        if not is_driven and not is_told:
            say_if_unwatched(opened, console)
        is_told = not is_driven
        if clock.now() >= until_at:
            raise Pending(
                f"rollout {rollout} is {opened.state.phase} after {timeout}: "
                f"{_standing(opened).because}",
                hint=f"rolloutctl status {rollout}",
            )
        clock.sleep(LOOK_S)
        opened.refresh()
    standing = _standing(opened)
    if until is For.HUMAN and opened.state.phase is Phase.SUCCEEDED:
        console.talk(f"{rollout} succeeded: nobody is asked any more")
        code = ExitCode.CONFLICT
    console.document(status_document(standing), lambda: status_text(standing, console.width))
    return code


def _standing(rollout: Rollout) -> Standing:
    return standing_of(rollout, lease_of(rollout.journal, rollout.rollout_id))


def _reached(rollout: Rollout, until: For) -> ExitCode | None:
    """The exit code once what is waited for has come; None before."""
    if rollout.state.phase.is_at_rest:
        return exit_code(rollout.state)
    is_enough = until is For.HUMAN and needs_human(rollout.state)
    return ExitCode.DONE if is_enough else None
