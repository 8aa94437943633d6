"""The kill of an address: at once, and then of the open rollout that drives it.

SAFETY: an address killed under a driver that does not know of it would be written again at
the next step. Its rollout is therefore fenced, and killed as a whole: half a killed rollout
is a state that nobody planned. An arm that is not that rollout's safe one is refused, if
the journal says so at once; nothing of the journal holds up the kill of the address for longer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING

from rolloutctl.cli import kill_holder, wiring
from rolloutctl.cli.kill_holder import Holding
from rolloutctl.cli.kill_report import concluded, report_rollouts
from rolloutctl.errors import ExitCode, RolloutctlError, UsageError
from rolloutctl.runner.kill import KillOrder, KillReport, kill_targets
from rolloutctl.runner.workers import Begun

if TYPE_CHECKING:
    from rolloutctl.cli.kill_rollouts import Killed
    from rolloutctl.ui.console import Console

#: How long the kill waits for the journal to say that the arm is the wrong one, in seconds.
#: A healthy one answers in a tenth of that.
HEAD_START_S = 0.25
#: How long the journal may keep the report waiting, in seconds; a little more than a locked
#: one is waited for, so that it can say so.
ANSWER_LIMIT_S = kill_holder.LOOK_LIMIT_S + 0.2


def _mirrored(order: KillOrder) -> str:
    """What becomes of mirrored requests; nothing where the target can have none."""
    if order.target.shadow is not None:
        return f", shadow {order.target.shadow.flag} off"
    if not order.provider.capabilities.shadow:
        return ""
    return "; no shadow flag is named (--shadow FLAG)"


def kill_address(console: Console, order: KillOrder, *, store: str, reason: str) -> ExitCode:
    """Kills one place, and every open rollout of the journal that drives it.

    Exit 0 if all of it is confirmed, also where the journal cannot be read; 20 if the
    address or another target of such a rollout is not.

    Raises:
        UsageError: the arm is not the safe one of the rollout that drives the address.
    """
    target, address = order.target, order.provider.address(order.target)
    mirrored = _mirrored(order)
    clock = wiring.clock()
    began = clock.now()
    looking = Begun(partial(kill_holder.holder_of, address, store, os.environ), name="holder")
    if looking.ends_within(HEAD_START_S) and looking.error is None:
        _raise_if_wrong(looking.answer(), address, target.control.value)
    said = f"killing {address}: {target.control.value} for everybody{mirrored}"
    console.talk(said)
    killing = Begun(partial(kill_targets, [order], clock), name="kill-address")
    holding = _holding(looking, killing)
    killed: Sequence[Killed] = ()
    if holding.is_any_open:
        held = order._replace(earlier=partial(_changed, killing))
        killed, trouble = _kill_held(
            console, holding.rollout_id, held, store=store, reason=reason, said=said
        )
        holding = holding._replace(trouble=trouble)
    killing.ends_within(TIMEOUT_MAX)  # it has its own limit
    first = killing.answer()[0]
    reached = {report.address for one in killed for report in one.reports}
    alone = [] if address in reached else [first]
    if killed:
        since_s = (clock.now() - began).total_seconds()
        killed = [_told_once(one, first, since_s) for one in killed]
    if reason and not killed:
        console.talk(f"reason: {reason} (kept nowhere: no open rollout is known to drive it)")
    code = report_rollouts(console, killed, alone=alone)
    if holding.trouble:
        _tell_trouble(console, address, holding)
        if code is ExitCode.DONE and not _is_still_zero(order):
            return _kill_again(console, address, order)
    return code


def _raise_if_wrong(holding: Holding, address: str, to: str) -> None:
    """SAFETY: the canary, or a typing error, is not what a kill of a rollout may serve."""
    if not holding.controls or to in holding.controls:
        return
    controls = ", ".join(dict.fromkeys(holding.controls))
    raise UsageError(
        f"--to {to} is not the safe arm of the open rollout {holding.rollout_id}, which drives "
        f"{address}: that is {controls}; nothing was touched",
        hint=f"rolloutctl kill {holding.rollout_id} brings everybody to {controls}; after that "
        f"rolloutctl kill '{address}' --to {to} serves {to}",
    )


def _holding(looking: Begun[Holding], killing: Begun[list[KillReport]]) -> Holding:
    """What the journal says within its limit, or for as long as the kill lasts."""
    if not looking.ends_within(ANSWER_LIMIT_S):
        killing.ends_within(TIMEOUT_MAX)
        if not looking.ends_within(0.0):
            return Holding(trouble=f"the journal did not answer within {ANSWER_LIMIT_S:g} s")
    if looking.error is not None:
        return Holding(trouble=f"the journal cannot be read: {looking.error!r}")
    return looking.answer()


def _kill_held(
    console: Console, holder: str, order: KillOrder, *, store: str, reason: str, said: str
) -> tuple[Sequence[Killed], str]:
    """SAFETY: a bug on this way must not end the process under the kill of the address."""
    from rolloutctl.cli.kill_held import kill_held  # noqa: PLC0415 - costs time an address has not
    from rolloutctl.runner.loop import attempt  # noqa: PLC0415 - same

    reached: list[tuple[Sequence[Killed], str]] = []
    error = attempt(
        lambda: reached.append(
            kill_held(console, holder, order, store=store, reason=reason, said=said)
        )
    )
    return reached[0] if error is None else ((), f"{type(error).__name__}: {error}")


def _changed(killing: Begun[list[KillReport]]) -> str:
    """What the kill of the address changed, if it has ended well by now."""
    if not killing.ends_within(0.0) or killing.error is not None:
        return ""
    first = killing.answer()[0]
    return first.changed if first.confirmed else ""


def _told_once(one: Killed, first: KillReport, since_s: float) -> Killed:
    """The address was killed twice: when it was zero first, and when the last was settled."""

    def merged(report: KillReport) -> KillReport:
        if report.address != first.address or not (first.confirmed and report.confirmed):
            return report
        return report._replace(zero_at_s=first.zero_at_s, settled_at_s=since_s)

    return replace(one, reports=[merged(report) for report in one.reports])


def _tell_trouble(console: Console, address: str, holding: Holding) -> None:
    """What the kill could not make sure of, and the command that does."""
    rollout_id = holding.rollout_id
    if rollout_id:
        what, again = f"the open rollout {rollout_id} is NOT fenced and", rollout_id
    else:
        what, again = "an open rollout, if one drives it,", "--store JOURNAL ROLLOUT"
    console.talk(
        f"note: {holding.trouble}: {what} may write {address} again\n"
        f"  hint: end it where its journal can be reached: rolloutctl kill {again}; "
        "or stop its driver, then kill again"
    )


def _kill_again(console: Console, address: str, order: KillOrder) -> ExitCode:
    """A driver without a fence was between its decision and its write."""
    from rolloutctl.ui.kill_view import kill_text  # noqa: PLC0415 - same

    console.talk(f"{address} was written again after the kill; killing once more")
    again = [("", kill_targets([order], wiring.clock()))]
    console.talk(kill_text(again, console.width))
    return concluded(console, again)


def _is_still_zero(order: KillOrder) -> bool:
    try:
        seen = order.provider.observe(order.target).exposure
    except RolloutctlError:
        return False
    return seen is not None and seen.is_zero
