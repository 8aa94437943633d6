"""A rollout's kill from any process: fence first, then act, then the account of it.

The one exception to journal-before-act: if the journal cannot be written within its
limit, the kill acts all the same and says what it could not record. For the kill switch,
availability beats audit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rolloutctl.core import events as ev
from rolloutctl.core.machine import allows, fold
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.errors import RolloutctlError, Stale
from rolloutctl.runner.fence_alone import fence_alone
from rolloutctl.runner.kill import FanOut, KillOrder, KillReport, at_once, kill_targets
from rolloutctl.runner.kill_account import result_events
from rolloutctl.runner.workers import Begun

#: How long the journal may keep a kill waiting, in seconds. The little above the second that
#: a locked one is waited for leaves it the time to say so.
FENCE_LIMIT_S = 1.2
#: How long a fence that was late is waited for once more, after the kill, in seconds.
LATE_LIMIT_S = 0.5
#: How long the journal may take for the account of a kill, in seconds.
ACCOUNT_LIMIT_S = 5.0
#: How often the account of a kill is offered to a moving journal.
ACCOUNT_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KillEnd:
    """What a rollout's kill reached; `unrecorded` holds events the journal did not take."""

    reports: tuple[KillReport, ...]
    unrecorded: tuple[ev.Event, ...] = ()
    journal_error: str = ""

    @property
    def is_confirmed(self) -> bool:
        """Every target was seen at zero after no older write could land."""
        return all(report.confirmed for report in self.reports)


def kill_rollout(
    rollout_id: str,
    orders: Sequence[KillOrder],
    *,
    journal: Journal | None,
    clock: Clock,
    fence: ev.KillRequested,
    fan_out: FanOut = at_once,
) -> KillEnd:
    """Fences the rollout, kills its targets, records the result; never waits for a lease.

    A rollout that ended between the decision to kill and the fence is killed all the
    same: its targets are what the operator meant. Returns within the journal's limits and
    the targets' own, whatever hangs.
    """
    fencing = _Fencing(rollout_id, journal, clock, fence)
    is_in_time = fencing.ends_within(FENCE_LIMIT_S)
    reports = kill_targets(orders, clock, fan_out=fan_out)
    if not is_in_time and fencing.ends_within(LATE_LIMIT_S) and fencing.is_recorded:
        # SAFETY: until the fence stood, a driver could write over what was just killed.
        reports = kill_targets(orders, clock, fan_out=fan_out)
    unrecorded: list[ev.Event] = [] if fencing.is_recorded else [fence]
    events = result_events(reports)
    error_text = fencing.trouble
    if journal is None or error_text:
        unrecorded += events
    else:
        error_text = _recorded(partial(_account, rollout_id, journal, clock, events))
        unrecorded += events if error_text else []
    return KillEnd(reports=tuple(reports), unrecorded=tuple(unrecorded), journal_error=error_text)


class _Fencing:
    """The fence on its way into the journal, in a thread: SQLite itself may hang.

    SAFETY: whatever the journal has against it, the kill goes on without it.
    """

    def __init__(
        self, rollout_id: str, journal: Journal | None, clock: Clock, fence: ev.KillRequested
    ) -> None:
        self.is_recorded = False
        self.trouble = "there is no usable journal"
        self._begun: Begun[str] | None = None
        if journal is not None:
            work = partial(fence_alone, rollout_id, journal=journal, clock=clock, fence=fence)
            self._begun = Begun(work, name="fence")

    def ends_within(self, limit_s: float) -> bool:
        """Waits up to `limit_s` seconds, and notes what became of the fence."""
        if self._begun is None:
            return True
        if not self._begun.ends_within(limit_s):
            self.trouble = f"the journal did not answer within {FENCE_LIMIT_S:g} s"
            return False
        try:
            self.trouble = self._begun.answer()
            self.is_recorded = True
        except RolloutctlError as error:
            self.trouble = error.message
        return True


def _recorded(account: Callable[[], None]) -> str:
    """Runs the account within its limit; returns why it is not recorded, or ""."""
    begun = Begun(account, name="account")
    if not begun.ends_within(ACCOUNT_LIMIT_S):
        return f"the journal did not answer within {ACCOUNT_LIMIT_S:g} s"
    try:
        begun.answer()
    except RolloutctlError as error:
        return error.message
    return ""


def _account(rollout_id: str, journal: Journal, clock: Clock, events: Sequence[ev.Event]) -> None:
    """Records what is still news; a driver may have accounted for the same kill already.

    Raises `Stale` with nothing recorded, and `JournalUnavailable`.
    """
    for _ in range(ACCOUNT_TRIES):
        state = fold(rollout_id, journal.read(rollout_id))
        if state.killed_at is None or not all(allows(state, event) for event in events):
            return
        try:
            journal.append(rollout_id, events, at=clock.now(), expect_seq=state.seq, epoch=None)
        except Stale:
            continue
        return
    raise Stale(f"{rollout_id}: the journal moved {ACCOUNT_TRIES} times in a row")
