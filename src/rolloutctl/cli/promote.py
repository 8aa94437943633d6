"""`rolloutctl promote ROLLOUT`: ends the hold now, if the step's gates pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli.options import OutputOption, ReasonOption, RolloutId, StoreOption, parse_limit
from rolloutctl.cli.requesting import Manner, ask
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output

if TYPE_CHECKING:
    from rolloutctl.core.view import View


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    rollout: RolloutId,
    *,
    override: Annotated[
        bool, typer.Option("--override", help="Go past gates that do not pass; needs --reason.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="To the last step; recorded as an override.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="Wait at most so long for the answer.")
    ] = "1m",
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """End the hold now, if the step's gates pass.

    Every gate is judged anew first. Where a step asks, it answers the question too.
    Exit 0 when the step was left, 6 with the gates that do not pass, 8 if no answer came in
    time. An override goes past gates, never past guardrails.

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
        manner=Manner(answer_s=parse_limit(timeout, example="5m"), waits_for=_waits_for(timeout)),
    )


def _waits_for(timeout: str) -> Callable[[View], str]:
    def said(view: View) -> str:
        gates = ", ".join(gate.name for gate in view.judged_gates)
        return f"judging anew: {gates}; waiting at most {timeout}" if gates else ""

    return said
