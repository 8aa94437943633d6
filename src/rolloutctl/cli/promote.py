"""`rolloutctl promote ROLLOUT`: ends the hold now, if the step's gates pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli.answering import Manner
from rolloutctl.cli.options import OneRollout, OutputOption, ReasonOption, StoreOption, parse_limit
from rolloutctl.cli.preparing import goes_on_alone
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output

if TYPE_CHECKING:
    from rolloutctl.ui.rollout_view import Standing


def run(  # noqa: PLR0913 - one parameter an option, named by the command line
    rollout: OneRollout = "",
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
    Exit 0 when the step was left, 6 with the gates that do not pass or if it is paused, 8 if
    no answer came in time. An override goes past gates, never past guardrails.

    Where nobody drives, it says first what will be served unwatched (and asks, on a
    terminal), and judges gates that are still undecided again, within --timeout.

    Example: rolloutctl promote claude-for-gpt4-x7k2mq
    """
    if override and not reason:
        raise UsageError(
            "--override goes past gates and needs a reason",
            hint=f"rolloutctl promote {rollout or 'ROLLOUT'} --override --reason TEXT",
        )
    return ask(
        rollout,
        lambda state, actor: requests.promote(state, actor, reason, override=override, full=full),
        verb="promote",
        store=store,
        output=output,
        manner=Manner(
            answer_s=parse_limit(timeout, example="5m"),
            waits_for=_waits_for(timeout),
            alone=lambda standing: goes_on_alone(standing.view, full=full),
            asks=True,
            prepares=True,
            is_override=override,
        ),
    )


def _waits_for(timeout: str) -> Callable[[Standing], str]:
    def said(standing: Standing) -> str:
        gates = ", ".join(gate.name for gate in standing.view.judged_gates)
        return f"judging anew: {gates}; waiting at most {timeout}" if gates else ""

    return said
