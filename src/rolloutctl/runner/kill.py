"""The kill switch: every target to control, now, past plan and gates, confirmed twice.

Needs no lease, no plan, no gate; with `kill_targets` not even a journal. Targets are
killed in parallel, each with its own limit, so that one that hangs holds up nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rolloutctl.clock import monotonic_s
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unauthorized

if TYPE_CHECKING:
    # The ports bring every event and effect: 20 ms that a kill has no use for.
    from rolloutctl.core.answers import Observation
    from rolloutctl.core.ports import Clock, Provider
    from rolloutctl.core.target import Target

#: Seconds for one target, retries and confirmation included, beyond its settling time.
KILL_LIMIT_S = 30.0
#: Seconds for one call.
KILL_CALL_S = 10.0
#: First and longest wait between two rounds, in seconds.
ROUND_FIRST_S = 0.25
ROUND_MAX_S = 4.0
#: Tries after an error that trying again cannot heal.
PERMANENT_TRIES = 2


def _nothing() -> str:
    """What was done of an order before it was given."""
    return ""


class KillOrder(NamedTuple):
    """One target to kill and the adapter that can.

    `earlier` is asked once the kill has ended: what another kill of the same place changed,
    which is part of the account. It must neither wait nor raise.
    """

    target: Target
    provider: Provider
    earlier: Callable[[], str] = _nothing


#: What a provider raises when it will never do it.
_REFUSALS = (Unauthorized, Rejected, NotFound)


class KillReport(NamedTuple):
    """What the kill reached on one target.

    `zero_at_s` is the first observation of zero, `settled_at_s` the one after which no
    older write can land; both in seconds since the kill began, None if not reached.
    `is_refused`: the provider said no for good each time, and nothing was written.
    """

    target: str
    address: str
    confirmed: bool
    zero_at_s: float | None = None
    settled_at_s: float | None = None
    message: str = ""
    changed: str = ""
    untouched: str = ""
    is_refused: bool = False


#: Runs the kills of several targets: (one call a target, seconds for all of them).
FanOut = Callable[[Sequence[Callable[[], None]], float], None]


def at_once(calls: Sequence[Callable[[], None]], limit_s: float) -> None:
    """Runs the calls in daemon threads; returns when all ended or `limit_s` has passed.

    A call that hangs past the limit is left behind: it cannot hold up the process.
    """
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    ends_at = monotonic_s() + limit_s
    for thread in threads:
        thread.join(timeout=max(0.0, ends_at - monotonic_s()))


def in_turn(calls: Sequence[Callable[[], None]], limit_s: float) -> None:
    """Runs the calls one after the other, in this thread; for virtual clocks."""
    del limit_s
    for call in calls:
        call()


def kill_targets(
    orders: Sequence[KillOrder],
    clock: Clock,
    *,
    limit_s: float = KILL_LIMIT_S,
    fan_out: FanOut = at_once,
) -> list[KillReport]:
    """Kills all targets at once; returns within the longest target's limit, always.

    A target whose call hangs past every limit is reported as not confirmed.
    """
    began = clock.now()
    reports: list[KillReport | None] = [None] * len(orders)

    def work(place: int, order: KillOrder) -> None:
        reports[place] = _kill_one(order, clock, began, limit_s=limit_s)

    calls = [partial(work, place, order) for place, order in enumerate(orders)]
    longest = max((_limit_s(order, limit_s) for order in orders), default=0.0)
    # SAFETY: a single target too; a file on a network drive that is gone hangs like a service.
    fan_out(calls, longest + KILL_CALL_S)
    return [
        _whole(order, report)
        if report is not None
        else _report(order, message="no answer within the limit")
        for order, report in zip(orders, reports, strict=True)
    ]


def _whole(order: KillOrder, report: KillReport) -> KillReport:
    """With what was changed before: whoever reads the account would think nothing was."""
    earlier = order.earlier() if report.confirmed else ""
    if not earlier:
        return report
    return report._replace(changed=f"{earlier}; then, under the fence: {report.changed}")


def _limit_s(order: KillOrder, limit_s: float) -> float:
    return limit_s + order.provider.capabilities.settle_s


def _report(order: KillOrder, *, message: str) -> KillReport:
    return KillReport(
        target=order.target.name,
        address=order.provider.address(order.target),
        confirmed=False,
        message=message,
    )


class _Attempt:
    """One target's kill in progress."""

    def __init__(self, order: KillOrder, clock: Clock, *, began: datetime, limit_s: float) -> None:
        self.order = order
        self.clock = clock
        self.began = began
        self.ends_at = began + timedelta(seconds=_limit_s(order, limit_s))
        self.report = _report(order, message="")
        self.unsettled_s = 0.0
        self.failures = 0
        self.permanent = 0
        self.may_have_written = False

    def since_s(self) -> float:
        """Seconds since the kill began."""
        return (self.clock.now() - self.began).total_seconds()


def _kill_one(order: KillOrder, clock: Clock, began: datetime, *, limit_s: float) -> KillReport:
    """Writes, looks, waits, looks again; starts over until confirmed or out of time."""
    attempt = _Attempt(order, clock, began=began, limit_s=limit_s)
    try:
        while not _confirmed(attempt):
            wait_s = retry_s(attempt.failures)
            if attempt.permanent >= PERMANENT_TRIES:
                return attempt.report._replace(is_refused=not attempt.may_have_written)
            if _is_over(attempt, wait_s):
                return attempt.report
            clock.sleep(wait_s)
    except Exception as error:  # noqa: BLE001 - the other targets' report must still be printed
        return attempt.report._replace(message=f"{type(error).__name__}: {error}")
    return attempt.report


def retry_s(failures: int) -> float:
    """Seconds to wait after the n-th round that did not confirm: doubling, bounded."""
    return min(ROUND_MAX_S, ROUND_FIRST_S * 2.0 ** min(failures - 1, 10))


def _is_over(attempt: _Attempt, wait_s: float) -> bool:
    return attempt.clock.now() + timedelta(seconds=wait_s) >= attempt.ends_at


def _confirmed(attempt: _Attempt) -> bool:
    written = _write_control(attempt)
    seen = _see(attempt)
    if seen is None or not _is_zero(seen):
        attempt.failures += 1
        if seen is not None:
            not_yet = f"not zero yet: {seen.detail}" if seen.detail else "not zero yet"
            attempt.report = attempt.report._replace(
                zero_at_s=None, message=attempt.report.message or not_yet
            )
        return False
    if attempt.report.zero_at_s is None:
        attempt.report = attempt.report._replace(zero_at_s=attempt.since_s())
    if not written:
        # Zero is seen, but our own write is not confirmed: an older one may still land
        # over it where writes are conditional. Try again.
        attempt.failures += 1
        return False
    return _settled(attempt)


def _settled(attempt: _Attempt) -> bool:
    settle_s = attempt.order.provider.capabilities.settle_s
    settles_at = attempt.began + timedelta(seconds=settle_s)
    if attempt.unsettled_s:
        later = attempt.clock.now() + timedelta(seconds=attempt.unsettled_s)
        settles_at = max(settles_at, later)
    attempt.clock.sleep((settles_at - attempt.clock.now()).total_seconds())
    seen = _see(attempt)
    if seen is None or not _is_zero(seen):
        attempt.failures += 1
        attempt.report = attempt.report._replace(
            zero_at_s=None, message="it was zero and did not stay so"
        )
        return False
    attempt.report = attempt.report._replace(
        confirmed=True, settled_at_s=attempt.since_s(), message=seen.detail
    )
    return True


def _write_control(attempt: _Attempt) -> bool:
    order = attempt.order
    try:
        receipt = order.provider.kill(order.target, timeout_s=KILL_CALL_S)
    except RolloutctlError as error:
        attempt.may_have_written |= not isinstance(error, _REFUSALS)
        _note_error(attempt, error)
        return False
    attempt.may_have_written = True
    attempt.unsettled_s = receipt.unsettled_s
    attempt.report = attempt.report._replace(
        changed=receipt.changed, untouched=receipt.untouched, message=""
    )
    return True


def _see(attempt: _Attempt) -> Observation | None:
    order = attempt.order
    try:
        return order.provider.observe(order.target)
    except RolloutctlError as error:
        _note_error(attempt, error)
        return None


def _note_error(attempt: _Attempt, error: RolloutctlError) -> None:
    if isinstance(error, _REFUSALS):
        attempt.permanent += 1
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    attempt.report = attempt.report._replace(message=text)


def _is_zero(seen: Observation) -> bool:
    return seen.exposure is not None and seen.exposure.is_zero
