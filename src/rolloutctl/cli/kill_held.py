"""Kills the open rollouts that drive an address: fence first, then all of their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.kill_opening import ASIDE_LIMIT_S, answer_of, journal_for_kill
from rolloutctl.cli.kill_rollouts import Killed, kill_each
from rolloutctl.core.events import KillRequested
from rolloutctl.errors import RolloutctlError
from rolloutctl.runner.fence import FENCE_LIMIT_S
from rolloutctl.runner.fence_alone import fence_alone
from rolloutctl.runner.kill_account import orders_of

if TYPE_CHECKING:
    from rolloutctl.cli.kill_opening import Opened
    from rolloutctl.runner.kill import KillOrder
    from rolloutctl.store.sqlite import SqliteJournal
    from rolloutctl.ui.console import Console


def kill_held(
    console: Console, holder: str, order: KillOrder, *, store: str, reason: str, said: str
) -> tuple[Sequence[Killed], str]:
    """Kills every open rollout that drives the order's address.

    Args:
        console: where it is announced.
        holder: the rollout that took the address; "" if none did by this name.
        order: the address; all targets of those rollouts go to their own control.
        store: the value of `--store`.
        reason: recorded with the fence.
        said: what was said of the address already.

    Returns:
        What was reached, and why a rollout that may drive it is not fenced, or "".
    """
    try:
        ledger = answer_of(partial(journal_for_kill, store), limit_s=ASIDE_LIMIT_S)
    except RolloutctlError as error:
        return (), error.message
    ids, trouble = _drivers_of(order, ledger, holder)
    if not ids:
        return (), trouble
    console.talk(
        f"driven by the open rollout {', '.join(ids)}: all of its targets are killed, or it "
        "would go on"
    )
    tried = kill_each(
        console, ids, ledger, reason=reason, orders=partial(_orders, order=order), said=said
    )
    killed, troubles = [], [trouble]
    for one in tried:
        end = _fenced(one, ledger, reason) if one.failure else one
        troubles.append(_why_not_fenced(end))
        if not end.failure or end.is_fenced:
            killed.append(end)
    return killed, "; ".join(one for one in troubles if one)


def _drivers_of(order: KillOrder, ledger: SqliteJournal, holder: str) -> tuple[list[str], str]:
    """The holder, and open rollouts that reach the same place by another name now."""
    known = [holder] if holder else []
    try:
        found = answer_of(partial(_by_place, order, ledger), limit_s=ASIDE_LIMIT_S)
    except RolloutctlError as error:
        return known, "" if holder else error.message
    return list(dict.fromkeys([*known, *found])), ""


def _by_place(order: KillOrder, ledger: SqliteJournal) -> list[str]:
    """SAFETY: a link that was turned since the start leads its driver here, too."""
    address = order.provider.address(order.target)
    found: list[str] = []
    for rollout_id in ledger.heads():
        try:
            rollout = wiring.open_to_kill(
                ledger.started(rollout_id),
                rollout_id,
                ledger,
                known=wiring.catalog(),
                at=wiring.clock(),
            )
            places = [one.provider.address(one.target) for one in orders_of(rollout)]
        except RolloutctlError:
            continue  # under its own name the journal knows it all the same
        if address in places:
            found.append(rollout_id)
    return found


def _orders(opened: Opened, *, order: KillOrder) -> list[KillOrder]:
    """All targets of the rollout, each to its own control, whatever the order names.

    SAFETY: a journal that answered late could not refuse an arm that is none of its safe ones.
    """
    address = order.provider.address(order.target)
    targets = [_with_earlier(one, address, order) for one in orders_of(opened.rollout)]
    if opened.is_open:
        return targets
    # It ended by itself meanwhile: what it left is nobody's to undo but the address.
    return [one for one in targets if one.provider.address(one.target) == address]


def _with_earlier(one: KillOrder, address: str, order: KillOrder) -> KillOrder:
    """The order of the same place knows what was done there already."""
    try:
        is_same = one.provider.address(one.target) == address
    except RolloutctlError:
        is_same = False  # SAFETY: only its account is shorter; it is killed all the same
    return one._replace(earlier=order.earlier) if is_same else one


def _fenced(one: Killed, ledger: SqliteJournal, reason: str) -> Killed:
    """The fence at least, for a rollout that could not be opened: its driver does the rest."""
    fence = KillRequested(actor=wiring.actor(), reason=reason)
    work = partial(fence_alone, one.rollout_id, journal=ledger, clock=wiring.clock(), fence=fence)
    try:
        answer_of(work, limit_s=FENCE_LIMIT_S)
    except RolloutctlError as error:
        return replace(one, failure=f"{one.failure}; {error.message}")
    return replace(
        one, is_fenced=True, failure=f"it is fenced, its driver kills its targets; {one.failure}"
    )


def _why_not_fenced(one: Killed) -> str:
    """Why a driver of the rollout may still write; "" if none may."""
    if one.end is None:
        return "" if one.is_fenced else one.failure
    if any(isinstance(event, KillRequested) for event in one.end.unrecorded):
        return one.end.journal_error
    return ""
