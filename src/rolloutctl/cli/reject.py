"""`rolloutctl reject ROLLOUT`: no to the question that a step asks; it rolls back."""

from __future__ import annotations

from rolloutctl.cli.answering import Manner
from rolloutctl.cli.options import NamedRollout, OutputOption, ReasonOption, StoreOption
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output


def run(
    rollout: NamedRollout = "",
    *,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Answer the question of a step with no: the rollout goes back, verified.

    Exit 0 when the rollback is confirmed, 6 if nothing is asked, 20 if it is stuck.

    Example: rolloutctl reject claude-for-gpt4-x7k2mq --reason "answers got longer"
    """
    return ask(
        rollout,
        lambda state, actor: requests.reject(state, actor, reason),
        verb="reject",
        store=store,
        output=output,
        manner=Manner(goes_back=True, may_omit=False),
    )
