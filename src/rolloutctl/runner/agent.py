"""Drives every open rollout whose lease is free; none of them can disturb the others.

One thread looks at the journal and keeps the order of what is due; workers do the ticks.
Nothing is kept of a rollout that its journal does not tell: one that failed, rests or was
lost is forgotten and opened anew when there is reason to.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue

from rolloutctl.core.ports import Clock, Journal, RolloutRow
from rolloutctl.errors import JournalUnavailable, LeaseHeld, LeaseLost
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.owner import owner_is_dead
from rolloutctl.runner.rollout import OVERTAKEN, STOPPED, Rollout
from rolloutctl.runner.telling import FLUSH_S, THREADS_MAX
from rolloutctl.runner.turn import Driven, lease_ttl_s, let_go, take_turn, take_up
from rolloutctl.runner.workers import Work, Workers, at_once

#: How often the journal is looked at, in seconds: an operator's request waits this long.
POLL_S = 0.25
#: How often leases that ran out and owners that died are looked for, in seconds.
SCAN_S = 1.0
#: First and longest pause of a rollout that failed here, in seconds.
RETRY_FIRST_S = 5.0
RETRY_MAX_S = 60.0
#: A rollout that has just been started is left to the process that started it, in seconds.
FRESH_S = 3.0
#: Lease renewals a second of one agent; each is a durable write.
RENEWALS_PER_S = 50.0
#: The longest lease: how long a canary is unwatched if the agent's machine dies.
LEASE_TTL_MAX_S = 60.0
#: How long a stopping agent waits for turns under way and last messages, in seconds.
STOP_S = 30.0
_STOP_STEP_S = 0.05


class Happened(StrEnum):
    """What an agent tells of a rollout."""

    TAKEN = "taken"  # this agent drives it now
    RESTED = "rested"  # it ended, is held, or is stuck
    LOST = "lost"  # another process took it over
    FAILED = "failed"  # it cannot be driven here; tried again later
    STALLED = "stalled"  # the journal takes nothing of it: nothing is judged, nothing written
    RESUMED = "resumed"  # it does again
    LEFT = "left"  # the agent stopped; nobody drives it


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEvent:
    """Something happened to a rollout in the agent; `error` only with FAILED."""

    rollout_id: str
    happened: Happened
    because: str
    error: Exception | None = None
    rollout: Rollout | None = None


def _tell_nobody(event: AgentEvent) -> None:
    del event


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPorts:
    """What an agent works with.

    Attributes:
        open_rollout: opens a rollout with its adapters; called in workers.
        owner: this process as its leases name it, as `owner.make_owner` makes it.
        workers: rollouts ticked at once; 0 ticks in the agent's own thread.
        on_event: called in the agent's own thread, in order.
        on_trouble: told why nothing can be looked at, at each look; "" once it can again.
        on_turn: told of each turn, in the agent's own thread; the rollout may go on meanwhile.
        on_look: told at each look which rollouts are open, and which of them are driven here.
    """

    open_rollout: Callable[[RolloutRow], Rollout]
    journal: Journal
    clock: Clock
    owner: str
    workers: int = 16
    on_event: Callable[[AgentEvent], None] = _tell_nobody
    on_trouble: Callable[[str], None] = lambda _: None
    on_turn: Callable[[Driven], None] = lambda _: None
    on_look: Callable[[Collection[str], Collection[str]], None] = lambda _open, _driven: None


def run_agent(ports: AgentPorts, *, stop: Callable[[], bool], poll_s: float = POLL_S) -> None:
    """Drives until `stop` says so; then gives every lease back.

    Raises nothing of a single rollout; a journal that cannot be read is waited for.
    """
    turns = Workers(ports.workers, name="turn") if ports.workers else None
    tellers = Workers(THREADS_MAX, name="tell") if ports.workers else None
    agent = _Agent(
        ports,
        run=turns.run if turns else at_once,
        tell=tellers.run if tellers else at_once,
    )
    try:
        while not stop():
            agent.look()
            agent.dispatch()
            agent.collect()
            ports.clock.sleep(agent.idle_s(poll_s))
    finally:
        agent.stop()
        for workers in (turns, tellers):
            if workers is not None:
                workers.close()


class _Agent:
    """What is driven, what is due, and what is left alone for a while."""

    def __init__(
        self, ports: AgentPorts, *, run: Callable[[Work], None], tell: Callable[[Work], None]
    ) -> None:
        self._ports = ports
        self._run = run
        self._tell = tell
        self._driven: dict[str, Driven] = {}
        self._busy: set[str] = set()
        self._stalled: set[str] = set()
        self._due: list[tuple[datetime, str]] = []
        self._done: SimpleQueue[tuple[str, Driven | None, Exception | None]] = SimpleQueue()
        self._known: dict[str, int] = {}  # heads of what is not driven here, as last looked at
        self._resting: dict[str, int] = {}  # heads at which they came to rest
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}
        self._scan_at = ports.clock.now()
        self._is_stopping = False

    # -- looking ----------------------------------------------------------------

    def look(self) -> None:
        """Wakes rollouts whose journal moved; takes up those that nobody drives."""
        try:
            heads = self._ports.journal.heads()
            self._ports.on_trouble("")
            self._ports.on_look(heads.keys(), self._driven.keys())
            for rollout_id, driven in self._driven.items():
                is_idle = rollout_id not in self._busy
                if is_idle and heads.get(rollout_id) != driven.rollout.state.seq:
                    driven.due_at = self._ports.clock.now()
                    self._schedule(rollout_id, driven)
            others = {one: head for one, head in heads.items() if one not in self._driven}
            now = self._ports.clock.now()
            if others == self._known and now < self._scan_at:
                return
            rows = self._ports.journal.rollouts(open_only=True) if others else ()
        except JournalUnavailable as error:
            self._ports.on_trouble(error.message)
            return
        self._known, self._scan_at = others, now + timedelta(seconds=SCAN_S)
        self._forget_all_but(heads.keys())
        dead: dict[str, bool] = {}
        for row in rows:
            if self._is_free(row, now, dead):
                self._start(row.rollout_id, partial(self._take_up, row))

    def _forget_all_but(self, open_ids: Collection[str]) -> None:
        memories: tuple[dict[str, int] | dict[str, datetime], ...] = (
            self._resting,
            self._failures,
            self._not_before,
        )
        for memory in memories:
            for rollout_id in [one for one in memory if one not in open_ids]:
                del memory[rollout_id]

    def _is_free(self, row: RolloutRow, now: datetime, dead: dict[str, bool]) -> bool:
        """Whether to take it up; `dead` remembers owners already asked about."""
        if row.rollout_id in self._driven or row.rollout_id in self._busy:
            return False
        if self._resting.get(row.rollout_id) == row.head_seq:
            return False
        if now < self._not_before.get(row.rollout_id, now):
            return False
        lease = row.lease
        if lease is None:
            never_driven = row.head_seq == 1
            return not (never_driven and now < row.created_at + timedelta(seconds=FRESH_S))
        if lease.expires_at <= now or lease.owner == self._ports.owner:
            return True
        if lease.owner not in dead:
            dead[lease.owner] = owner_is_dead(lease.owner)
        return dead[lease.owner]

    # -- turns --------------------------------------------------------------------

    def dispatch(self) -> None:
        """Gives every rollout that is due to a worker, the longest due first."""
        now = self._ports.clock.now()
        while self._due and self._due[0][0] <= now:
            _, rollout_id = heapq.heappop(self._due)
            driven = self._driven.get(rollout_id)
            # An entry may be out of date: there is another one for the right time then.
            if driven is not None and rollout_id not in self._busy and driven.wakes_at <= now:
                self._start(rollout_id, partial(self._turn, driven))

    def idle_s(self, poll_s: float) -> float:
        """Seconds until something is due, at most `poll_s`."""
        if not self._due:
            return poll_s
        left_s = (self._due[0][0] - self._ports.clock.now()).total_seconds()
        return min(poll_s, max(left_s, 0.0))

    def _schedule(self, rollout_id: str, driven: Driven) -> None:
        heapq.heappush(self._due, (driven.wakes_at, rollout_id))

    def _start(self, rollout_id: str, work: Callable[[], Driven]) -> None:
        self._busy.add(rollout_id)
        self._run(partial(self._guarded, rollout_id, work))

    def _guarded(self, rollout_id: str, work: Callable[[], Driven]) -> None:
        """In a worker: whatever happens, the agent's thread hears that it is over."""
        results: list[Driven] = []
        error = None if self._is_stopping else attempt(lambda: results.append(work()))
        self._done.put((rollout_id, results[0] if results else None, error))

    def _take_up(self, row: RolloutRow) -> Driven:
        ttl_s = lease_ttl_s(
            len(self._driven), ttl_max_s=LEASE_TTL_MAX_S, renewals_per_s=RENEWALS_PER_S
        )
        return take_up(
            self._ports.open_rollout, row, owner=self._ports.owner, ttl_s=ttl_s, tell=self._tell
        )

    def _turn(self, driven: Driven) -> Driven:
        take_turn(driven, must_stop=lambda: self._is_stopping)
        if driven.is_over:
            let_go(driven)
        return driven

    # -- what came of them ----------------------------------------------------------

    def collect(self) -> None:
        """Takes in what the workers have finished."""
        while True:
            try:
                rollout_id, driven, error = self._done.get_nowait()
            except Empty:
                return
            self._busy.discard(rollout_id)
            if error is not None:
                self._failed(rollout_id, error)
            elif driven is not None:
                self._went_on(rollout_id, driven)

    def _went_on(self, rollout_id: str, driven: Driven) -> None:
        self._ports.on_turn(driven)
        self._tell_if_stalled(rollout_id, driven)
        if driven.is_over:
            was_driven = self._driven.pop(rollout_id, None) is not None
            self._resting[rollout_id] = driven.rollout.state.seq
            if was_driven:
                self._say(rollout_id, Happened.RESTED, driven.because, rollout=driven.rollout)
            return
        if rollout_id not in self._driven:
            self._driven[rollout_id] = driven
            self._say(rollout_id, Happened.TAKEN, "driven from here on", rollout=driven.rollout)
        else:
            self._failures.pop(rollout_id, None)
        self._schedule(rollout_id, driven)

    def _tell_if_stalled(self, rollout_id: str, driven: Driven) -> None:
        """SAFETY: a share that nobody judges is said aloud, once, and that it is over."""
        was_stalled = rollout_id in self._stalled
        if driven.stalled and not was_stalled:
            self._stalled.add(rollout_id)
            because = f"{driven.stalled}; until then nothing is judged and nothing is written"
            self._say(rollout_id, Happened.STALLED, because, rollout=driven.rollout)
        elif was_stalled and not driven.stalled:
            self._stalled.discard(rollout_id)
            self._say(rollout_id, Happened.RESUMED, "driven again", rollout=driven.rollout)

    def _failed(self, rollout_id: str, error: Exception) -> None:
        driven = self._driven.pop(rollout_id, None)
        now = self._ports.clock.now()
        if isinstance(error, LeaseHeld):
            self._not_before[rollout_id] = now + timedelta(seconds=SCAN_S)
            return
        if isinstance(error, LeaseLost):
            if driven is not None:
                driven.rollout.invocations.end(OVERTAKEN, now)
            self._say(rollout_id, Happened.LOST, str(error))
            return
        if driven is not None:
            # Another machine may have what is missing here.
            attempt(driven.rollout.release_lease)
        failures = self._failures.get(rollout_id, 0)
        self._failures[rollout_id] = failures + 1
        pause_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(failures, 10))
        self._not_before[rollout_id] = now + timedelta(seconds=pause_s)
        because = f"{type(error).__name__}: {error}; tried again in {pause_s:g} s"
        self._say(rollout_id, Happened.FAILED, because, error=error)

    def _say(
        self,
        rollout_id: str,
        happened: Happened,
        because: str,
        *,
        error: Exception | None = None,
        rollout: Rollout | None = None,
    ) -> None:
        self._ports.on_event(
            AgentEvent(
                rollout_id=rollout_id,
                happened=happened,
                because=because,
                error=error,
                rollout=rollout,
            )
        )

    # -- the end ----------------------------------------------------------------------

    def stop(self) -> None:
        """Lets turns under way end, and gives back every lease; within `STOP_S`.

        A turn that takes longer keeps its lease until that runs out.
        """
        self._is_stopping = True
        clock = self._ports.clock
        until = clock.now() + timedelta(seconds=STOP_S)
        self.collect()
        while self._busy and clock.now() < until:
            clock.sleep(_STOP_STEP_S)
            self.collect()
        for driven in self._driven.values():
            driven.rollout.invocations.end(STOPPED, clock.now())
        for rollout_id, driven in self._driven.items():
            if rollout_id in self._busy:
                continue
            left_s = max(0.0, (until - clock.now()).total_seconds())
            error = attempt(partial(let_go, driven, limit_s=min(left_s, FLUSH_S)))
            because = driven.because if error is None else f"{type(error).__name__}: {error}"
            self._say(rollout_id, Happened.LEFT, because, error=error, rollout=driven.rollout)
