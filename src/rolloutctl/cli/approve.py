"""`rolloutctl approve ROLLOUT`: yes to the question that a step asks."""

from __future__ import annotations

from rolloutctl.cli.answering import Manner
from rolloutctl.cli.options import OneRollout, OutputOption, ReasonOption, StoreOption
from rolloutctl.cli.preparing import is_left_alone
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output


def run(
    rollout: OneRollout = "",
    *,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Answer the question of a step with yes; skips neither time nor gates.

    Exit 0 when it is recorded and acted on, 6 if nothing is asked.

    Example: rolloutctl approve claude-for-gpt4-x7k2mq --reason "numbers look right"
    """
    return ask(
        rollout,
        lambda state, actor: requests.approve(state, actor, reason),
        verb="approve",
        store=store,
        output=output,
        manner=Manner(alone=is_left_alone),
    )
