"""One rollout's turn in an agent: taken up, driven until it waits, let go.

Runs in a worker; a rollout is never in two workers. What goes wrong here is raised, and
caught by the agent's guard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rolloutctl.core.decision import CompleteKill, Decision, Finish, WaitUntil
from rolloutctl.core.ports import Clock, RolloutRow
from rolloutctl.errors import JournalUnavailable
from rolloutctl.runner.loop import JOURNAL_RETRY_S
from rolloutctl.runner.owner import take_over
from rolloutctl.runner.rollout import LEASE_TTL_S, STOPPED, Rollout
from rolloutctl.runner.telling import FLUSH_S, Teller, has_untold
from rolloutctl.runner.tick import tick
from rolloutctl.runner.workers import Work

#: Ticks of one rollout before the others have their turn.
TICKS_MAX = 50
#: How often the end looks whether the last messages were delivered, in seconds.
_TOLD_STEP_S = 0.2


@dataclass(slots=True, kw_only=True)
class Driven:
    """A rollout whose lease this agent holds.

    Attributes:
        due_at: when its next tick is due; earlier if the journal moves.
        because: why it waits, or how it ended.
        told_until: set once it is at rest: its last messages are waited for until then.
        is_over: it is at rest and nothing is left to be told.
        stalled: why nothing can be done for it: the journal takes nothing; "" while it does.
        lag_s: seconds after it was due that its last turn began.
        took_s: seconds its last turn took.
    """

    rollout: Rollout
    teller: Teller | None
    due_at: datetime
    because: str = ""
    told_until: datetime | None = None
    is_over: bool = False
    stalled: str = ""
    lag_s: float = 0.0
    took_s: float = 0.0

    @property
    def wakes_at(self) -> datetime:
        """When it needs a worker: its next tick, or its lease."""
        lease = self.rollout.lease
        if lease is None or self.stalled:
            # A journal that takes nothing renews no lease either: it is asked once a second.
            return self.due_at
        renewed_at = lease.expires_at - timedelta(seconds=self.rollout.lease_ttl_s * 2 / 3)
        return min(self.due_at, renewed_at)


def lease_ttl_s(driven: int, *, ttl_max_s: float, renewals_per_s: float) -> float:
    """Time to live that keeps an agent's renewals (at a third of it) below a rate."""
    return min(ttl_max_s, max(LEASE_TTL_S, 3.0 * driven / renewals_per_s))


def take_up(
    open_rollout: Callable[[RolloutRow], Rollout],
    row: RolloutRow,
    *,
    owner: str,
    ttl_s: float,
    tell: Callable[[Work], None],
) -> Driven:
    """Opens a rollout and takes its lease, unless it is at rest and everybody knows.

    Raises `LeaseHeld`, and whatever opening raises.
    """
    rollout = open_rollout(row)
    now = rollout.clock.now()
    if rollout.state.phase.is_at_rest and not has_untold(rollout):
        return Driven(rollout=rollout, teller=None, due_at=now, is_over=True)
    rollout.lease_ttl_s = ttl_s
    take_over(rollout, owner)
    teller = Teller(rollout, run=tell) if rollout.adapters.notifiers else None
    return Driven(rollout=rollout, teller=teller, due_at=now)


def take_turn(driven: Driven, *, must_stop: Callable[[], bool]) -> None:
    """Keeps the lease, records what was told, ticks what is due.

    Raises `LeaseLost`, and what a tick raises.
    """
    rollout, clock = driven.rollout, driven.rollout.clock
    began_at = clock.now()
    driven.lag_s = max(0.0, (began_at - driven.wakes_at).total_seconds())
    try:
        rollout.keep_lease()
        if driven.teller is not None:
            driven.teller.settle()
        if driven.told_until is not None:
            _wait_until_told(driven, driven.told_until, clock)
        elif rollout.refresh() or clock.now() >= driven.due_at:
            _tick(driven, must_stop)
            driven.stalled = ""
    except JournalUnavailable as error:
        # Nothing is done without the journal; it may come back (a full disk, a lock).
        driven.because = driven.stalled = error.message
        driven.due_at = clock.now() + timedelta(seconds=JOURNAL_RETRY_S)
    driven.took_s = max(0.0, (clock.now() - began_at).total_seconds())


def let_go(driven: Driven, *, limit_s: float = 0.0) -> None:
    """Delivers what can be delivered within `limit_s`, and gives the lease back."""
    try:
        driven.rollout.invocations.close(driven.rollout, STOPPED)
        if driven.teller is not None:
            driven.teller.flush(limit_s)
            driven.teller.close()
    finally:
        driven.rollout.release_lease()


def _tick(driven: Driven, must_stop: Callable[[], bool]) -> None:
    for _ in range(TICKS_MAX):
        decision: Decision = tick(driven.rollout)
        now = driven.rollout.clock.now()
        driven.because = decision.because
        driven.due_at = decision.at if isinstance(decision, WaitUntil) else now
        if isinstance(decision, Finish):
            driven.told_until = now + timedelta(seconds=FLUSH_S)
            _wait_until_told(driven, driven.told_until, driven.rollout.clock)
        if isinstance(decision, WaitUntil | Finish | CompleteKill) or must_stop():
            return


def _wait_until_told(driven: Driven, until: datetime, clock: Clock) -> None:
    now = clock.now()
    driven.is_over = driven.teller is None or driven.teller.is_idle or now >= until
    driven.due_at = now + timedelta(seconds=_TOLD_STEP_S)
