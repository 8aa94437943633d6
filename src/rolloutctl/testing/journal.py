"""A journal in memory that keeps every promise of the port but durability."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.effects import target_of
from rolloutctl.core.ports import Lease, RolloutRow
from rolloutctl.errors import Conflict, LeaseHeld, LeaseLost, NotFound, Stale


@dataclass(slots=True)
class _Book:
    started: ev.Started
    created_at: datetime
    records: list[ev.Recorded]
    holds: tuple[str, ...]
    lease: Lease | None = None
    epoch: int = 0
    is_open: bool = True
    is_killed: bool = False
    open_intents: dict[str, str] = field(default_factory=dict)


class MemoryJournal:
    """All rollouts in one dictionary behind one lock."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}
        self._lock = threading.RLock()

    def create(
        self, rollout_id: str, started: ev.Started, *, at: datetime, holds: Sequence[str]
    ) -> None:
        """See `Journal.create`."""
        with self._lock:
            if rollout_id in self._books:
                raise Conflict(f"a rollout {rollout_id} exists already")
            for other, book in self._books.items():
                taken = set(holds) & set(book.holds)
                if book.is_open and taken:
                    raise Conflict(f"{', '.join(sorted(taken))} is held by rollout {other}")
            first = ev.Recorded(seq=1, at=at, event=started)
            self._books[rollout_id] = _Book(
                started=started, created_at=at, records=[first], holds=tuple(holds)
            )

    def append(
        self,
        rollout_id: str,
        events: Sequence[ev.Event],
        *,
        at: datetime,
        expect_seq: int,
        epoch: int | None,
    ) -> int:
        """See `Journal.append`."""
        with self._lock:
            book = self._book(rollout_id)
            if epoch is not None and epoch != book.epoch:
                raise LeaseLost(f"{rollout_id} is driven under epoch {book.epoch}, not {epoch}")
            if len(book.records) != expect_seq:
                raise Stale(f"{rollout_id} is at {len(book.records)}, not {expect_seq}")
            changed = replace(book, open_intents=dict(book.open_intents))
            added: list[ev.Recorded] = []
            for event in events:
                self._refuse(changed, event, epoch)
                self._note(changed, event)
                seq = len(book.records) + len(added) + 1
                added.append(ev.Recorded(seq=seq, at=at, event=event))
            changed.records.extend(added)
            self._books[rollout_id] = changed
            return len(changed.records)

    @staticmethod
    def _refuse(book: _Book, event: ev.Event, epoch: int | None) -> None:
        if not isinstance(event, ev.Intended):
            return
        if book.is_killed or epoch is None:
            raise Stale("no intent is accepted after a kill, nor without a lease")
        target = target_of(event.effect)
        if event.key in book.open_intents:
            raise Stale(f"the intent {event.key} is open already")
        if target and (target in book.open_intents.values() or not book.is_open):
            raise Stale(f"another intent on {target} is open, or the rollout is over")

    @staticmethod
    def _note(book: _Book, event: ev.Event) -> None:
        match event:
            case ev.KillRequested():
                book.is_killed = True
            case ev.Intended(key=key, effect=effect):
                book.open_intents[key] = target_of(effect)
            case ev.Applied(key=key) | ev.ApplyFailed(key=key):
                book.open_intents.pop(key, None)
            case ev.Finished():
                book.is_open = False
                book.open_intents.clear()
            case _:
                pass

    def read(self, rollout_id: str, *, after_seq: int = 0) -> Sequence[ev.Recorded]:
        """See `Journal.read`."""
        with self._lock:
            return self._book(rollout_id).records[after_seq:]

    def heads(self) -> Mapping[str, int]:
        """See `Journal.heads`."""
        with self._lock:
            return {name: len(book.records) for name, book in self._books.items() if book.is_open}

    def rollouts(self, *, open_only: bool = False) -> Sequence[RolloutRow]:
        """See `Journal.rollouts`."""
        with self._lock:
            rows = [
                RolloutRow(
                    rollout_id=name,
                    name=book.started.name,
                    sha256=book.started.sha256,
                    created_at=book.created_at,
                    is_open=book.is_open,
                    head_seq=len(book.records),
                    lease=book.lease,
                )
                for name, book in self._books.items()
                if book.is_open or not open_only
            ]
            return sorted(rows, key=lambda row: row.created_at, reverse=True)

    def acquire_lease(
        self, rollout_id: str, owner: str, *, now: datetime, ttl_s: float, steal: bool = False
    ) -> Lease:
        """See `Journal.acquire_lease`."""
        with self._lock:
            book = self._book(rollout_id)
            held = book.lease
            if held is not None and held.owner != owner and now < held.expires_at and not steal:
                raise LeaseHeld(f"{rollout_id} is driven by {held.owner}")
            book.epoch += 1
            book.lease = Lease(
                rollout_id=rollout_id,
                epoch=book.epoch,
                owner=owner,
                expires_at=now + timedelta(seconds=ttl_s),
            )
            taken = ev.LeaseTaken(epoch=book.epoch, owner=owner)
            book.records.append(ev.Recorded(seq=len(book.records) + 1, at=now, event=taken))
            return book.lease

    def renew_lease(self, lease: Lease, *, now: datetime, ttl_s: float) -> Lease:
        """See `Journal.renew_lease`."""
        with self._lock:
            book = self._book(lease.rollout_id)
            if book.epoch != lease.epoch or book.lease is None:
                raise LeaseLost(f"{lease.rollout_id} is driven under epoch {book.epoch}")
            book.lease = replace(book.lease, expires_at=now + timedelta(seconds=ttl_s))
            return book.lease

    def release_lease(self, lease: Lease) -> None:
        """See `Journal.release_lease`."""
        with self._lock:
            book = self._books.get(lease.rollout_id)
            if book is not None and book.epoch == lease.epoch:
                book.lease = None

    def close(self) -> None:
        """Nothing to free."""

    def _book(self, rollout_id: str) -> _Book:
        try:
            return self._books[rollout_id]
        except KeyError:
            known = ", ".join(sorted(self._books)) or "none"
            raise NotFound(f"no rollout {rollout_id}", hint=f"known: {known}") from None
