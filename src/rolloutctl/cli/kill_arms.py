"""Which arm a kill serves: the playbook's control, or what `--to` names."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rolloutctl.core.playbook import Arm
from rolloutctl.errors import UsageError
from rolloutctl.runner.kill import KillOrder
from rolloutctl.runner.kill_account import orders_of

if TYPE_CHECKING:
    from rolloutctl.core.target import Target
    from rolloutctl.runner.rollout import Rollout


def orders_to(rollout: Rollout, to: str) -> list[KillOrder]:
    """The rollout's targets; with `to`, which must name an arm of each of them.

    Raises `UsageError` if it does not.
    """
    orders = orders_of(rollout)
    if not to:
        return orders
    strange = [order.target for order in orders if to not in _arms(order.target)]
    if strange:
        raise UsageError(
            f"--to {to} is no arm of {', '.join(target.name for target in strange)}",
            hint=_other_arm(to, dict.fromkeys(arm for one in strange for arm in _arms(one))),
        )
    return [turned(order, to) for order in orders]


def raise_if_canary(rollout: Rollout, to: str) -> None:
    """SAFETY: a kill that brings everybody to the canary would call itself control only.

    Raises `UsageError` if `to` is the canary of a target.
    """
    canaries = [one.name for one in rollout.playbook.targets.values() if to == one.canary.value]
    if canaries:
        raise UsageError(
            f"--to {to} is the canary of {', '.join(canaries)}, and {rollout.rollout_id} is open",
            hint=f"rolloutctl kill {rollout.rollout_id} brings everybody to control; after that "
            "rolloutctl kill ADDRESS --to ARM serves what you like",
        )


def turned(order: KillOrder, to: str) -> KillOrder:
    """The order with `to` as the safe arm."""
    target = order.target
    other = target.control.value if to == target.canary.value else target.canary.value
    turned = replace(
        target,
        control=Arm(name="control", value=to),
        canary=Arm(name="canary", value=other),
    )
    return order._replace(target=turned)


def back_to_control(rollout: Rollout) -> str:
    """The commands that bring the targets of a rollout that is over to its control."""
    orders = orders_of(rollout)
    controls = {order.target.control.value for order in orders}
    if len(controls) == 1:
        return f"rolloutctl kill {rollout.rollout_id} --to {shlex.quote(*controls)}"
    # One value cannot name the safe arm of them all.
    return "; ".join(
        f"rolloutctl kill {shlex.quote(order.provider.address(order.target))}"
        f" --to {shlex.quote(order.target.control.value)}"
        for order in orders
    )


def _arms(target: Target) -> tuple[str, str]:
    return target.control.value, target.canary.value


def _other_arm(to: str, arms: Iterable[str]) -> str:
    """What was meant, if one arm looks like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - typing errors only

    known = list(arms)
    near = get_close_matches(to, known, n=1)
    meant = f"did you mean --to {near[0]}? " if near else ""
    return (
        f"{meant}its arms are: {', '.join(known)}; to serve another variant: "
        "rolloutctl kill ADDRESS --to ARM, one target at a time"
    )
