"""What `agent` and `tick` share: how they open rollouts, and what people see of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.screen import Screen
from rolloutctl.errors import RolloutctlError
from rolloutctl.runner.agent import AgentPorts
from rolloutctl.runner.owner import make_owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from rolloutctl.core.ports import Clock, Journal, RolloutRow
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console


def ports(
    console: Console,
    ledger: Journal,
    clock: Clock,
    *,
    watch: Callable[[Rollout], None] = lambda _: None,
) -> AgentPorts:
    """Ports with the installed plug-ins; each rollout's lines begin with its id.

    `watch` is given every rollout that is opened, in workers, before anything is done.
    """
    known = wiring.catalog()

    def open_rollout(row: RolloutRow) -> Rollout:
        rollout = wiring.open_rollout(row.rollout_id, ledger, known=known, at=clock)
        rollout.listeners.append(Screen(rollout, console, prefix=row.rollout_id).event)
        watch(rollout)
        return rollout

    return AgentPorts(
        open_rollout=open_rollout,
        journal=ledger,
        clock=clock,
        owner=make_owner(wiring.actor().name),
    )


def hint_of(error: Exception | None) -> str:
    """What to do about it, as the end of a message; "" if nobody knows."""
    hint = error.hint if isinstance(error, RolloutctlError) else ""
    return f"\n  hint: {hint}" if hint else ""
