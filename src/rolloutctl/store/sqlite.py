"""The embedded journal: one SQLite file, many processes, no server.

Measured on SQLite 3.40 (WAL, synchronous=FULL): see benchmarks/journal.py. Readers never
wait for writers; writers wait for each other in `journal_file`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from rolloutctl.clock import in_seconds
from rolloutctl.core.events import Event, LeaseTaken, Recorded, Started
from rolloutctl.core.ports import Lease, RolloutRow
from rolloutctl.errors import IllegalEvent, Stale
from rolloutctl.store import holds as held
from rolloutctl.store import lease as leases
from rolloutctl.store import tables
from rolloutctl.store.chain import ChainBreak
from rolloutctl.store.codec import event_from_text, event_to_text, time_from_text
from rolloutctl.store.journal_file import BUSY_LIMIT_S, JournalFile, Work
from rolloutctl.store.shape import format_time

Answer = TypeVar("Answer")


class SqliteJournal:
    """`core.ports.Journal` in a SQLite file; see there for what each method guarantees.

    Args:
        path: the file; made with its folders, for the owner only, unless read_only.
        busy_limit_s: longest wait for other writers, in seconds; kill passes 1.
        read_only: reads without write access; a missing file is an empty journal.

    Raises:
        JournalUnavailable: it cannot be used; nothing was changed.
    """

    def __init__(
        self, path: Path, *, busy_limit_s: float = BUSY_LIMIT_S, read_only: bool = False
    ) -> None:
        self._file = JournalFile(path, busy_limit_s=busy_limit_s, read_only=read_only)
        self._heads: tuple[int, Mapping[str, int]] | None = None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._file.path

    def create(
        self, rollout_id: str, started: Started, *, at: datetime, holds: Sequence[str]
    ) -> None:
        """Begins a rollout; the addresses are its own until `Finished`."""
        first = (event_to_text(started), started)

        def work(connection: sqlite3.Connection) -> None:
            tables.raise_if_taken(connection, rollout_id, holds)
            tables.insert(connection, rollout_id, started, at=at, holds=holds)
            head = tables.head_of(connection, rollout_id)
            tables.extend(connection, head, [first], at=at, epoch=None)

        self._change(work)

    def append(
        self,
        rollout_id: str,
        events: Sequence[Event],
        *,
        at: datetime,
        expect_seq: int,
        epoch: int | None,
    ) -> int:
        """Adds events, all or none; a lost lease is told before a moved head."""
        encoded = [(event_to_text(event), event) for event in events]

        def work(connection: sqlite3.Connection) -> int:
            head = tables.head_of(connection, rollout_id)
            if epoch is not None and epoch != head.standing.epoch:
                raise leases.lost(rollout_id, epoch)
            if head.seq != expect_seq:
                raise Stale(
                    f"{rollout_id} is at event {head.seq}, the decision was made at {expect_seq}",
                    hint="read the journal again and decide again",
                )
            return tables.extend(connection, head, encoded, at=at, epoch=epoch)

        return self._change(work)

    def read(self, rollout_id: str, *, after_seq: int = 0) -> Sequence[Recorded]:
        """Events after a seq, in order."""

        def work(connection: sqlite3.Connection) -> list[tables.Row]:
            head = tables.head_of(connection, rollout_id)
            return tables.events(connection, head, after_seq=after_seq).fetchall()

        return [
            Recorded(seq=seq, at=time_from_text(at), event=event_from_text(body))
            for seq, at, body, _hash in self._file.read(work)
        ]

    def started(self, rollout_id: str) -> Recorded:
        """The first event alone, whatever stands behind it.

        Raises `NotFound`, `IllegalEvent` if it is missing, and `JournalUnavailable`.
        """

        def work(connection: sqlite3.Connection) -> tables.Row | None:
            return tables.first_event(connection, tables.head_of(connection, rollout_id))

        row = self._file.read(work)
        if row is None or row[0] != 1:
            raise IllegalEvent(f"{rollout_id}: it does not begin with its start")
        return Recorded(seq=1, at=time_from_text(row[1]), event=event_from_text(row[2]))

    def heads(self) -> Mapping[str, int]:
        """Rollout id -> head seq of the open rollouts; one pragma if nothing moved."""

        def work(connection: sqlite3.Connection) -> Mapping[str, int]:
            # It counts other connections' commits; our own drop the copy in `_change`.
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if self._heads is None or self._heads[0] != version:
                self._heads = (version, held.open_heads(connection))
            return self._heads[1]

        return dict(self._file.read(work))

    def rollouts(self, *, open_only: bool = False) -> Sequence[RolloutRow]:
        """The table of contents, newest first."""
        return self._file.read(lambda connection: tables.rows(connection, open_only=open_only))

    def holder(self, address: str) -> str:
        """The id of the open rollout that holds a target's address; "" if none does."""
        return self._file.read(lambda connection: held.holder_of(connection, address))

    def acquire_lease(
        self, rollout_id: str, owner: str, *, now: datetime, ttl_s: float, steal: bool = False
    ) -> Lease:
        """Takes it when it is free, expired, ours already, or to be stolen."""
        owner = held.bindable(owner)

        def work(connection: sqlite3.Connection) -> Lease:
            head = tables.head_of(connection, rollout_id)
            leases.raise_if_held(head.standing, owner, now=now, steal=steal)
            lease = leases.take(connection, head.standing, owner, expires_at=in_seconds(now, ttl_s))
            taken = LeaseTaken(epoch=lease.epoch, owner=owner)
            tables.extend(
                connection, head, [(event_to_text(taken), taken)], at=now, epoch=lease.epoch
            )
            return lease

        return self._change(work)

    def renew_lease(self, lease: Lease, *, now: datetime, ttl_s: float) -> Lease:
        """Prolongs it; the head does not move."""
        return self._file.write(
            lambda connection: leases.renew(connection, lease, now=now, ttl_s=ttl_s)
        )

    def release_lease(self, lease: Lease) -> None:
        """Gives it up if it is still ours."""
        self._file.write(lambda connection: leases.release(connection, lease))

    def verify_chain(self, rollout_id: str) -> ChainBreak | None:
        """The first event that was edited after it was recorded; None if none was.

        Raises `NotFound` and `JournalUnavailable`.
        """
        return self._file.read(
            lambda connection: tables.chain_break(
                connection, tables.head_of(connection, rollout_id)
            )
        )

    def prune(self, older_than: datetime, *, at_most: int | None = None) -> int:
        """Removes rollouts that finished before a time; open ones never.

        The freed space is used again by later events. Returns how many were removed: no
        batch is begun once there are `at_most`, or all of them without it.
        """
        before = format_time(older_than)
        removed = 0
        while at_most is None or removed < at_most:
            count = self._change(lambda c: tables.prune_batch(c, before))
            if not count:
                break
            removed += count
        return removed

    def close(self) -> None:
        """Frees the file; safe twice."""
        self._file.close()

    def _change(self, work: Work[Answer]) -> Answer:
        def forgetting(connection: sqlite3.Connection) -> Answer:
            # Inside the transaction, where no other thread can fill it in between.
            self._heads = None
            return work(connection)

        return self._file.write(forgetting)
