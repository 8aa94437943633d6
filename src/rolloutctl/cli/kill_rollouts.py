"""Kills rollouts and whole playbooks: fence first where there is a journal, then all targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.confirming import is_confirmed
from rolloutctl.cli.kill_arms import back_to_control, orders_to, raise_if_canary
from rolloutctl.cli.kill_opening import (
    ASIDE_LIMIT_S,
    NEEDED_LIMIT_S,
    Opened,
    answer_of,
    journal_for_kill,
    open_for_kill,
)
from rolloutctl.cli.meant import ambiguous, candidates
from rolloutctl.cli.options import parse_inputs
from rolloutctl.core.events import KillRequested
from rolloutctl.core.state import Phase
from rolloutctl.errors import (
    IllegalEvent,
    InvalidPlaybook,
    InvalidSettings,
    JournalUnavailable,
    NotFound,
    RolloutctlError,
    UsageError,
)
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill import KillOrder, KillReport, kill_targets
from rolloutctl.runner.kill_account import orders_of
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.workers import Workers
from rolloutctl.ui.console import to_json_line

if TYPE_CHECKING:
    from rolloutctl.runner.fence import KillEnd
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.store.sqlite import SqliteJournal
    from rolloutctl.ui.console import Console

#: Rollouts killed side by side; the targets of each are killed at once anyway.
ROLLOUTS_AT_ONCE = 32
_WITHOUT_IT = "rolloutctl kill --playbook FILE, or rolloutctl kill ADDRESS --to ARM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What was reached for one rollout; its id is empty for targets without one.

    `file` is the playbook of targets without a rollout, with its `inputs`.
    `failure` says why a rollout could not even be tried; then there are no reports.
    `is_followed` is False where nothing but the start of the rollout could be read.
    `is_fenced` is True where it was fenced and no more: its driver has to kill it.
    """

    rollout_id: str
    reports: Sequence[KillReport] = ()
    unrecorded: tuple[str, ...] = ()
    failure: str = ""
    rollout: Rollout | None = None
    end: KillEnd | None = None
    is_followed: bool = True
    is_fenced: bool = False
    file: Path | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


def kill_one(
    console: Console, rollout_id: str, *, to: str, store: str, reason: str
) -> list[Killed]:
    """Kills the targets of one rollout.

    Raises:
        JournalUnavailable: only the journal knows its targets.
        InvalidPlaybook, InvalidSettings: the provider of a target is missing here.
        NotFound: the journal has no such rollout.
        UsageError: it is over, and `--to` does not name its control; or it is open, and `--to`
            names its canary.
    """
    try:
        ledger = answer_of(partial(journal_for_kill, store), limit_s=NEEDED_LIMIT_S)
        rollout_id, opened = _opened(rollout_id, ledger, console, to=to)
    except (JournalUnavailable, IllegalEvent) as error:
        raise JournalUnavailable(
            f"{error.message}; only the journal knows the targets of {rollout_id}",
            hint=_WITHOUT_IT,
        ) from error
    except (InvalidPlaybook, InvalidSettings) as error:
        error.hint = f"{_WITHOUT_IT}; or install here what is missing"
        raise
    rollout = opened.rollout
    if not opened.is_open and not to and not _is_still_killed(rollout):
        ended_as = "over" if opened.trouble else str(rollout.state.phase)
        raise UsageError(
            f"rollout {rollout_id} is {ended_as}: its control may not be the safe arm any more",
            hint=back_to_control(rollout),
        )
    orders = orders_to(rollout, to)
    if opened.is_open:
        raise_if_canary(rollout, to)
    return [_kill(console, opened, orders, reason=reason)]


def _opened(word: str, ledger: SqliteJournal, console: Console, *, to: str) -> tuple[str, Opened]:
    """The rollout of that id, or the only one whose id begins so.

    An id that is written out costs nothing more. Raises `UsageError` where several begin so.
    """
    try:
        return word, open_for_kill(word, ledger)
    except NotFound:
        rows = answer_of(ledger.rollouts, limit_s=NEEDED_LIMIT_S)
        meant = candidates(word, rows)
        if to:
            # One that is over may be meant, too: nothing is chosen for being open.
            meant = [row for row in rows if row.rollout_id.startswith(word)]
        if not meant:
            raise
        if len(meant) > 1:
            raise ambiguous(word, meant, verb="kill") from None
    console.talk(f"rollout {meant[0].rollout_id}")
    return meant[0].rollout_id, open_for_kill(meant[0].rollout_id, ledger)


def kill_all(console: Console, *, store: str, reason: str) -> list[Killed]:
    """Kills every open rollout of the store at once; asks if there is a terminal.

    One that cannot be opened here is told as not killed and holds up no other.
    """
    ledger = answer_of(partial(journal_for_kill, store), limit_s=NEEDED_LIMIT_S)
    rows = answer_of(partial(ledger.rollouts, open_only=True), limit_s=NEEDED_LIMIT_S)
    ids = [row.rollout_id for row in rows]
    if not ids:
        console.talk("no rollout is open; nothing was touched")
        return []
    question = f"kill {len(ids)} rollouts: {', '.join(ids)}?"
    if console.can_ask and not is_confirmed(console, question):
        raise UsageError("not confirmed; nothing was touched", hint="answer yes to kill all")
    return kill_each(console, ids, ledger, reason=reason)


def kill_playbook(
    console: Console, file: Path, *, given: Sequence[str] | None, store: str, reason: str
) -> list[Killed]:
    """Kills every target of a playbook, and fences the open rollouts that hold them."""
    known = wiring.catalog()
    inputs = parse_inputs(given)
    targets = wiring.load_targets(file, inputs, known=known, environ=os.environ)
    providers = wiring.providers(targets, known)
    orders = {
        providers[name].address(target): KillOrder(target=target, provider=providers[name])
        for name, target in targets.items()
    }
    killed: list[Killed] = []
    try:
        ledger, ids = answer_of(partial(_holders, store, list(orders)), limit_s=ASIDE_LIMIT_S)
        killed = kill_each(console, ids, ledger, reason=reason)
    except JournalUnavailable as error:
        console.talk(f"{error.message}; killing without it")
    reached = {report.address for one in killed for report in one.reports}
    left = [order for address, order in orders.items() if address not in reached]
    if left:
        unheld = _kill_unheld(console, left)
        killed.append(replace(unheld, file=file, inputs=inputs))
    return killed


def _is_still_killed(rollout: Rollout) -> bool:
    """It was killed and every target still is: confirming that again cannot serve a stranger."""
    if rollout.state.phase is not Phase.KILLED:
        return False
    for order in orders_of(rollout):
        try:
            seen = order.provider.observe(order.target).exposure
        except RolloutctlError:
            return False
        if seen is None or not seen.is_zero:
            return False
    return True


def _holders(store: str, addresses: Sequence[str]) -> tuple[SqliteJournal, list[str]]:
    """The journal, and the open rollouts in it that hold one of the addresses."""
    ledger = journal_for_kill(store)
    holding = dict.fromkeys(ledger.holder(address) for address in addresses)
    return ledger, [rollout_id for rollout_id in holding if rollout_id]


def _all_targets(opened: Opened) -> list[KillOrder]:
    return orders_of(opened.rollout)


def kill_each(
    console: Console,
    ids: Sequence[str],
    ledger: SqliteJournal,
    *,
    reason: str,
    orders: Callable[[Opened], list[KillOrder]] = _all_targets,
    said: str = "",
) -> list[Killed]:
    """Kills rollouts side by side; what fails with one is told, and stops no other.

    `said` is what was said of one of the targets already.
    """
    done: SimpleQueue[Killed] = SimpleQueue()

    def kill(rollout_id: str) -> None:
        killed: list[Killed] = []

        def work() -> None:
            opened = open_for_kill(rollout_id, ledger)
            killed.append(_kill(console, opened, orders(opened), reason=reason, said=said))

        error = attempt(work)
        failure = _why(error) if error is not None else ""
        done.put(killed[0] if killed else Killed(rollout_id=rollout_id, failure=failure))

    workers = Workers(ROLLOUTS_AT_ONCE, name="kill")
    for rollout_id in ids:
        workers.run(partial(kill, rollout_id))
    # Every question to the journal and every target has its own limit: each one ends.
    found = {killed.rollout_id: killed for killed in (done.get() for _ in ids)}
    workers.close()
    return [found[rollout_id] for rollout_id in ids]


def _why(error: Exception) -> str:
    if not isinstance(error, RolloutctlError):
        return f"{type(error).__name__}: {error}"
    problems = error.problems if isinstance(error, InvalidPlaybook) else ()
    if problems:
        return "; ".join(problem.message for problem in problems)
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _kill_unheld(console: Console, orders: Sequence[KillOrder]) -> Killed:
    _announce(console, orders)
    return Killed(rollout_id="", reports=kill_targets(orders, wiring.clock()))


def _kill(
    console: Console,
    opened: Opened,
    orders: Sequence[KillOrder],
    *,
    reason: str,
    said: str = "",
) -> Killed:
    rollout = opened.rollout
    _announce(console, orders, said=said)
    end = kill_rollout(
        rollout.rollout_id,
        orders,
        journal=rollout.journal,
        clock=rollout.clock,
        fence=KillRequested(actor=wiring.actor(), reason=reason),
    )
    if end.journal_error:
        console.talk(f"the journal did not take all of it: {end.journal_error}")
    return Killed(
        rollout_id=rollout.rollout_id,
        reports=end.reports,
        unrecorded=_lines(rollout, end),
        rollout=rollout,
        end=end,
        is_followed=not opened.trouble,
    )


def _lines(rollout: Rollout, end: KillEnd) -> tuple[str, ...]:
    from rolloutctl.store.codec import event_to_json  # noqa: PLC0415 - only without a journal

    return tuple(
        to_json_line({"id": rollout.rollout_id, "event": event_to_json(event)})
        for event in end.unrecorded
    )


def _announce(console: Console, orders: Sequence[KillOrder], *, said: str = "") -> None:
    for order in orders:
        target = order.target
        mirrored = f", shadow {target.shadow.flag} off" if target.shadow else ""
        address = order.provider.address(target)
        line = f"killing {address}: {target.control.value} for everybody{mirrored}"
        if not said.startswith(line):
            console.talk(line)
