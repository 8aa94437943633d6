"""`rolloutctl promote ROLLOUT`: ends the hold now, if the step's gates pass."""

from __future__ import annotations

from typing import Annotated

import typer

from rolloutctl.cli.options import OutputOption, ReasonOption, RolloutId, StoreOption
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output


def run(
    rollout: RolloutId,
    *,
    override: Annotated[
        bool, typer.Option("--override", help="Go past gates that do not pass; needs --reason.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="To the last step; recorded as an override.")
    ] = False,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """End the hold now, if the step's gates pass.

    Exit 0 when the step was left, 6 with the gates that do not pass. An override goes past
    gates, never past guardrails.

    Example: rolloutctl promote claude-for-gpt4-x7k2mq
    """
    if override and not reason:
        raise UsageError(
            "--override goes past gates and needs a reason",
            hint=f"rolloutctl promote {rollout} --override --reason TEXT",
        )
    return ask(
        rollout,
        lambda state, actor: requests.promote(state, actor, reason, override=override, full=full),
        store=store,
        output=output,
    )
