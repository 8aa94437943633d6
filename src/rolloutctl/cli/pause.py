"""`rolloutctl pause ROLLOUT`: freezes the weight where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.cli.answering import Manner
from rolloutctl.cli.options import OneRollout, OutputOption, ReasonOption, StoreOption
from rolloutctl.cli.requesting import ask
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.ui.console import Output
from rolloutctl.ui.event_view import local_time

if TYPE_CHECKING:
    from rolloutctl.ui.rollout_view import Standing


def run(
    rollout: OneRollout = "",
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
        verb="pause",
        store=store,
        output=output,
        manner=Manner(adds=_what_goes_on, unchanged=_is_paused),
    )


def _is_paused(standing: Standing) -> str:
    """A pause of a paused rollout: nothing is recorded, whatever the reason is."""
    since = standing.history.phase_at
    at = f" since {local_time(since)}" if since is not None else ""
    return f"it was paused already{at}; nothing was recorded"


def _what_goes_on(standing: Standing) -> str:
    """What a pause does not stop."""
    view = standing.view
    if view.state.phase is not Phase.PAUSED:
        return ""
    ends_at = view.hold_ends_at
    hold = f" (its hold: until {local_time(ends_at)})" if ends_at is not None else ""
    drifted = [one.name for one in view.state.targets.values() if one.drift is not None]
    if drifted:
        return (
            f"what the edit of {', '.join(drifted)} serves stays, time runs on{hold}; it goes on "
            "once the edit was put back by hand, or is written over"
        )
    return (
        f"the weight stays; time runs on{hold}; the step is left only after "
        f"rolloutctl resume {view.state.rollout_id}, with its gates judged anew"
    )
