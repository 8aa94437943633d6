"""`rolloutctl pause ROLLOUT`: freezes the weight where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.cli.options import OutputOption, ReasonOption, RolloutId, StoreOption
from rolloutctl.cli.requesting import Manner, ask
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output
from rolloutctl.ui.event_view import local_time

if TYPE_CHECKING:
    from rolloutctl.core.view import View


def run(
    rollout: RolloutId,
    *,
    reason: ReasonOption = "",
    store: StoreOption = "",
    output: OutputOption = Output.TABLE,
) -> ExitCode:
    """Freeze the weight where it is; guardrails go on being judged while somebody drives.

    The time of the hold and the deadline run on; the step is left only after `resume`, with
    its gates judged anew.

    Exit 0 when it is paused, also if it was already; 6 if it is over or going back.

    Example: rolloutctl pause claude-for-gpt4-x7k2mq --reason "deploy freeze"
    """
    return ask(
        rollout,
        lambda state, actor: requests.pause(state, actor, reason),
        store=store,
        output=output,
        manner=Manner(adds=_what_goes_on),
    )


def _what_goes_on(view: View) -> str:
    """What a pause does not stop."""
    if view.state.phase is not Phase.PAUSED:
        return ""
    ends_at = view.hold_ends_at
    hold = f" (its hold: until {local_time(ends_at)})" if ends_at is not None else ""
    return (
        f"the weight stays; time runs on{hold}; the step is left only after "
        f"rolloutctl resume {view.state.rollout_id}, with its gates judged anew"
    )
