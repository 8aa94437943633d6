"""`rolloutctl pause ROLLOUT`: freezes the weight where it is."""

from __future__ import annotations

from rolloutctl.cli.options import OutputOption, ReasonOption, RolloutId, StoreOption
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output


def run(
    rollout: RolloutId,
    *,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Freeze the weight where it is; guardrails go on being judged.

    Exit 0 when it is paused, also if it was already; 6 if it is over or going back.

    Example: rolloutctl pause claude-for-gpt4-x7k2mq --reason "deploy freeze"
    """
    return ask(
        rollout,
        lambda state, actor: requests.pause(state, actor, reason),
        store=store,
        output=output,
    )
