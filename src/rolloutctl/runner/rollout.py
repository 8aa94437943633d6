"""One open rollout in this process: its folded state, its lease, its unrecorded judgements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from rolloutctl.core import events as ev
from rolloutctl.core.machine import allows, fold, judged, observed
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import Clock, Journal, Lease
from rolloutctl.core.state import RolloutState
from rolloutctl.errors import LeaseLost, Stale
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.invocations import Invocations

#: How long a silent driver keeps its lease; renewed at a third of it.
LEASE_TTL_S = 15.0
#: At the latest after this long an unchanged verdict is recorded again.
SUMMARY_S = 300.0
_SUMMARY = timedelta(seconds=SUMMARY_S)
#: Why an invocation was ended by a driver that lost its lease.
OVERTAKEN = "ended because another process drives now"
#: And by one that was told to stop, or that failed.
STOPPED = "ended because its driver stopped"
#: How often a fact (something that happened) is offered to a moving journal.
FACT_TRIES = 100


class Onlookers(Protocol):
    """People elsewhere, who see what is not recorded yet; nothing is decided on it."""

    def leave(self, state: RolloutState, now: datetime) -> None:
        """What this process knows now. Must not raise, and must not wait for a disk."""
        ...

    def remove(self, rollout_id: str) -> None:
        """This process drives it no more. Must not raise."""
        ...


@dataclass(slots=True, kw_only=True)
class Rollout:
    """A rollout being driven or looked at.

    `state` is the fold of the journal plus judgements not recorded yet; those are
    recorded before, and in the same transaction as, any event that follows them.
    """

    rollout_id: str
    playbook: Playbook
    adapters: Adapters
    journal: Journal
    clock: Clock
    state: RolloutState
    lease: Lease | None = None
    #: an agent of many rollouts asks for longer leases: each renewal is a durable write
    lease_ttl_s: float = LEASE_TTL_S
    #: called with every record this process folds, ours and others'
    listeners: list[Callable[[ev.Recorded], None]] = field(default_factory=list)
    #: what this process has begun and not seen the end of
    invocations: Invocations = field(default_factory=Invocations)
    #: whether the last tick measured: the next one does something else (`core.decide`)
    has_measured: bool = False
    #: are told after every look of the driver; None where nobody can look on
    onlookers: Onlookers | None = None
    _unrecorded: dict[str, ev.GateJudged] = field(default_factory=dict)
    _recorded_judgements: dict[str, ev.GateJudged] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        rollout_id: str,
        *,
        playbook: Playbook,
        adapters: Adapters,
        journal: Journal,
        clock: Clock,
    ) -> Rollout:
        """Folds the whole journal of `rollout_id`. Raises `NotFound`."""
        state = fold(rollout_id, journal.read(rollout_id))
        return cls(
            rollout_id=rollout_id,
            playbook=playbook,
            adapters=adapters,
            journal=journal,
            clock=clock,
            state=state,
        )

    # -- lease ----------------------------------------------------------------

    def take_lease(self, owner: str, *, steal: bool = False) -> None:
        """Becomes the driver; folds everything that was recorded before. Raises `LeaseHeld`."""
        now = self.clock.now()
        self.invocations.end(OVERTAKEN, now)  # of an earlier lease of this process
        self.lease = self.journal.acquire_lease(
            self.rollout_id, owner, now=now, ttl_s=self.lease_ttl_s, steal=steal
        )
        if self._unrecorded:
            # SAFETY: judgements of an earlier lease were never recorded. Written down
            # now they would stand behind newer ones of the driver in between.
            self._forget_judgements()
        self.refresh()

    def keep_lease(self) -> None:
        """Renews the lease when a third of it is gone. Raises `LeaseLost`."""
        if self.lease is None:
            return
        now = self.clock.now()
        if now + timedelta(seconds=self.lease_ttl_s * 2 / 3) >= self.lease.expires_at:
            self.lease = self.journal.renew_lease(self.lease, now=now, ttl_s=self.lease_ttl_s)

    def release_lease(self) -> None:
        """Lets another process drive; what this one has begun is ended first, on record."""
        try:
            self.invocations.close(self, STOPPED)
        finally:
            if self.lease is not None:
                self.journal.release_lease(self.lease)
                self.lease = None
                if self.onlookers is not None:
                    self.onlookers.remove(self.rollout_id)

    # -- reading --------------------------------------------------------------

    def refresh(self) -> bool:
        """Folds what others recorded; True if there was something."""
        records = self.journal.read(self.rollout_id, after_seq=self.state.seq)
        for record in records:
            self._fold(record)
        if records:
            self._unrecorded = {
                gate: event
                for gate, event in self._unrecorded.items()
                if allows(self.state, event) and gate in self.state.gates
            }
        return bool(records)

    def _forget_judgements(self) -> None:
        """Back to what the journal says, without the judgements held in memory only."""
        records = self.journal.read(self.rollout_id)[: self.state.seq]
        self.state = fold(self.rollout_id, records)
        self._unrecorded = {}
        self._recorded_judgements = {}

    def _fold(self, record: ev.Recorded) -> None:
        self.state = fold(self.rollout_id, [record], self.state)
        for listener in self.listeners:
            listener(record)

    def looked_at(self, target: str, *, is_seen: bool) -> None:
        """Notes in memory that `target` was looked at now, and whether it was seen."""
        self.state = observed(self.state, target, self.clock.now(), is_seen=is_seen)
        self._tell_onlookers()

    # -- writing --------------------------------------------------------------

    def record(self, *events: ev.Event) -> None:
        """Records events on top of exactly the state they were decided on.

        Raises:
            Stale: the journal moved; refresh and decide again. Nothing was recorded.
            LeaseLost: another process drives.
        """
        if self.lease is None:
            raise LeaseLost(f"{self.rollout_id}: this process does not drive it")
        batch: list[ev.Event] = [*self._unrecorded.values(), *events]
        at = self.clock.now()
        before = self.state.seq
        self.journal.append(
            self.rollout_id, batch, at=at, expect_seq=before, epoch=self.lease.epoch
        )
        self._recorded_judgements.update(self._unrecorded)
        self._unrecorded = {}
        for offset, event in enumerate(batch, start=1):
            self._fold(ev.Recorded(seq=before + offset, at=at, event=event))

    def record_fact(self, *events: ev.Event) -> bool:
        """Records what happened, whatever was recorded meanwhile.

        Returns False, with nothing recorded, if the rollout can no longer hold it (it
        ended, or another event closed the intent): the fact then changes nothing.
        """
        for _ in range(FACT_TRIES):
            if not self._holds(events):
                return False
            try:
                self.record(*events)
            except Stale:
                self.refresh()
                continue
            return True
        raise Stale(f"{self.rollout_id}: the journal moved {FACT_TRIES} times in a row")

    def _holds(self, events: Sequence[ev.Event]) -> bool:
        for event in events:
            if not allows(self.state, event):
                return False
            if isinstance(event, ev.Applied) and event.key not in self.state.open:
                return False
        return True

    def judged(self, events: Sequence[ev.GateJudged]) -> None:
        """Folds judgements; records them now only if a verdict changed or it is time.

        Raises `Stale` as `record`.
        """
        if not events or not allows(self.state, events[0]):
            return
        self.state = judged(self.state, events)
        self._unrecorded.update({event.gate: event for event in events})
        if any(self._is_due(event) for event in events):
            self.record()
        self._tell_onlookers()

    def _tell_onlookers(self) -> None:
        if self.onlookers is not None and self.lease is not None:
            self.onlookers.leave(self.state, self.clock.now())

    def _is_due(self, event: ev.GateJudged) -> bool:
        last = self._recorded_judgements.get(event.gate)
        return (
            last is None
            or last.step != event.step
            or last.record.verdict.outcome is not event.record.verdict.outcome
            or event.record.judged_at - last.record.judged_at >= _SUMMARY
        )
