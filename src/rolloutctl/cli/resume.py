"""`rolloutctl resume ROLLOUT`: undoes a pause, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rolloutctl.cli.answering import Manner
from rolloutctl.cli.options import OneRollout, OutputOption, ReasonOption, StoreOption
from rolloutctl.cli.preparing import is_left_alone
from rolloutctl.cli.requesting import ask
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output

if TYPE_CHECKING:
    from rolloutctl.ui.rollout_view import Standing


def run(
    rollout: OneRollout = "",
    *,
    reapply: Annotated[
        bool, typer.Option("--reapply", help="Write over somebody else's edit of a target.")
    ] = False,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Undo a pause; skips neither time nor gates.

    The hold ran on meanwhile; the step's gates are judged anew. With --reapply the weight is
    written again, and the hold begins anew with it: the edit was not what is to be judged.

    Exit 0 when it goes on, 6 if it is not paused or an edit of a target still stands.

    Example: rolloutctl resume claude-for-gpt4-x7k2mq
    """
    return ask(
        rollout,
        lambda state, actor: requests.resume(state, actor, reason, reapply=reapply),
        verb="resume",
        store=store,
        output=output,
        manner=Manner(alone=is_left_alone, adds=_anew if reapply else lambda _: ""),
    )


def _anew(standing: Standing) -> str:
    """What writing over an edit means for the step."""
    del standing
    return "the weight is written over the edit; the hold begins anew with that write"
