"""`rolloutctl rollback ROLLOUT` (alias `abort`): restore points back, verified."""

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
    """Write the restore points back, in reverse order, and verify them.

    Exit 0 when the rollback is confirmed, 6 if the rollout is over, 20 if it is stuck.

    Example: rolloutctl rollback claude-for-gpt4-x7k2mq --reason "support tickets"
    """
    return ask(
        rollout,
        lambda state, actor: requests.rollback(state, actor, reason),
        verb="rollback",
        store=store,
        output=output,
        manner=Manner(goes_back=True, may_omit=False),
    )
