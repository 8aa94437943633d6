"""Statements on the journal's tables, each inside a transaction that somebody else began."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.events import Event, Started
from rolloutctl.core.ports import RolloutRow
from rolloutctl.errors import Conflict, NotFound
from rolloutctl.store import lease as leases
from rolloutctl.store.chain import GENESIS, ChainBreak, Link, find_break, hash_of
from rolloutctl.store.codec import time_from_text
from rolloutctl.store.fence import Fence
from rolloutctl.store.holds import bindable, holder_of
from rolloutctl.store.migrations import SEQ_BITS
from rolloutctl.store.shape import format_time

#: Rollouts removed in one transaction by `prune`, so that a fence never waits long for it.
PRUNE_BATCH = 20
#: Rollouts named in the error about an unknown one.
KNOWN_NAMED_MAX = 5

_LEASE_COLUMNS = "lease_epoch, lease_owner, lease_expires_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A rollout's row inside a transaction."""

    number: int
    rollout_id: str
    seq: int
    hash: bytes
    killed_seq: int | None
    is_open: bool
    standing: leases.Standing


#: (seq, at, body, hash) of an event as stored.
Row = tuple[int, str, str, bytes]


def insert(
    connection: sqlite3.Connection,
    rollout_id: str,
    started: Started,
    *,
    at: datetime,
    holds: Sequence[str],
) -> None:
    """Adds a rollout without events yet, and its holds."""
    number = connection.execute(
        "INSERT INTO rollout (rollout_id, name, sha256, created_at, head_seq, head_hash) "
        "VALUES (?, ?, ?, ?, 0, ?)",
        (
            bindable(rollout_id),
            bindable(started.name),
            bindable(started.sha256),
            format_time(at),
            GENESIS,
        ),
    ).lastrowid
    connection.executemany(
        "INSERT INTO hold (address, rollout) VALUES (?, ?)",
        [(address, number) for address in {bindable(address) for address in holds}],
    )


def events(connection: sqlite3.Connection, head: Head, *, after_seq: int = 0) -> sqlite3.Cursor:
    """Cursor over `Row`s of a rollout after a seq, in order."""
    start = head.number << SEQ_BITS
    return connection.execute(
        "SELECT id - ?, at, body, hash FROM event WHERE id > ? AND id < ? ORDER BY id",
        (start, start + max(after_seq, 0), start + (1 << SEQ_BITS)),
    )


def first_event(connection: sqlite3.Connection, head: Head) -> Row | None:
    """The first `Row` of a rollout; None if there is no event at all."""
    found = events(connection, head)
    row: Row | None = found.fetchone()
    found.close()
    return row


def chain_break(connection: sqlite3.Connection, head: Head) -> ChainBreak | None:
    """The first event whose hash does not follow; None if all do."""
    links = (
        Link(seq=seq, at=at, body=body, hash=digest)
        for seq, at, body, digest in events(connection, head)
    )
    return find_break(head.rollout_id, links, head_seq=head.seq, head_hash=head.hash)


def rows(connection: sqlite3.Connection, *, open_only: bool) -> list[RolloutRow]:
    """The table of contents, newest first."""
    where = "WHERE closed_at IS NULL" if open_only else ""
    found = connection.execute(
        "SELECT number, rollout_id, name, sha256, created_at, closed_at, head_seq, "  # noqa: S608 - constants only
        f"{_LEASE_COLUMNS} FROM rollout {where} ORDER BY number DESC"
    )
    return [
        RolloutRow(
            rollout_id=row[1],
            name=row[2],
            sha256=row[3],
            created_at=time_from_text(row[4]),
            is_open=row[5] is None,
            head_seq=row[6],
            lease=leases.standing_of(row[0], row[1], row[7:]).lease,
        )
        for row in found
    ]


def head_of(connection: sqlite3.Connection, rollout_id: str) -> Head:
    """A rollout's row. Raises `NotFound` with the newest known ones."""
    rollout_id = bindable(rollout_id)
    row = connection.execute(
        f"SELECT number, head_seq, head_hash, killed_seq, closed_at, {_LEASE_COLUMNS} "  # noqa: S608 - constants only
        "FROM rollout WHERE rollout_id = ?",
        (rollout_id,),
    ).fetchone()
    if row is None:
        raise _unknown(connection, rollout_id)
    return Head(
        number=row[0],
        rollout_id=rollout_id,
        seq=row[1],
        hash=row[2],
        killed_seq=row[3],
        is_open=row[4] is None,
        standing=leases.standing_of(row[0], rollout_id, row[5:]),
    )


def _unknown(connection: sqlite3.Connection, rollout_id: str) -> NotFound:
    rows = connection.execute(
        "SELECT rollout_id FROM rollout ORDER BY number DESC LIMIT ?", (KNOWN_NAMED_MAX,)
    ).fetchall()
    known = f"the newest are: {', '.join(row[0] for row in rows)}" if rows else "it is empty"
    return NotFound(
        f"no rollout {rollout_id} in this journal; {known}", hint="list them: rolloutctl list"
    )


def raise_if_taken(connection: sqlite3.Connection, rollout_id: str, holds: Sequence[str]) -> None:
    """Raises `Conflict` if the id exists or an address belongs to an open rollout."""
    found = connection.execute(
        "SELECT 1 FROM rollout WHERE rollout_id = ?", (bindable(rollout_id),)
    ).fetchone()
    if found is not None:
        raise Conflict(
            f"a rollout {rollout_id} exists already", hint=f"rolloutctl status {rollout_id}"
        )
    for address in holds:
        holder = holder_of(connection, address)
        if holder:
            raise Conflict(
                f"{address} is being changed by the open rollout {holder}",
                hint=f"end that one first: rolloutctl status {holder}",
            )


def extend(
    connection: sqlite3.Connection,
    head: Head,
    events: Sequence[tuple[str, Event]],
    *,
    at: datetime,
    epoch: int | None,
) -> int:
    """Writes events after the head and moves it; the caller has checked head and epoch."""
    if not events:
        return head.seq
    fence = Fence(
        connection,
        head.number,
        rollout_id=head.rollout_id,
        killed_seq=head.killed_seq,
        is_open=head.is_open,
    )
    moment = format_time(at)
    seq, last = head.seq, head.hash
    rows = []
    for body, event in events:
        seq += 1
        fence.admit(seq, event, epoch=epoch)
        last = hash_of(last, head.rollout_id, seq=seq, at=moment, body=body)
        rows.append(((head.number << SEQ_BITS) + seq, moment, body, last))
    connection.executemany("INSERT INTO event (id, at, body, hash) VALUES (?, ?, ?, ?)", rows)
    connection.execute(
        "UPDATE rollout SET head_seq = ?, head_hash = ?, killed_seq = ? WHERE number = ?",
        (seq, last, fence.killed_seq, head.number),
    )
    if head.is_open and not fence.is_open:
        _close_rollout(connection, head.number, moment)
    return seq


def _close_rollout(connection: sqlite3.Connection, number: int, moment: str) -> None:
    connection.execute("UPDATE rollout SET closed_at = ? WHERE number = ?", (moment, number))
    connection.execute("DELETE FROM hold WHERE rollout = ?", (number,))
    connection.execute("DELETE FROM open_intent WHERE rollout = ?", (number,))


def prune_batch(connection: sqlite3.Connection, before: str) -> int:
    """Removes some rollouts that finished before a time; returns how many."""
    rows = connection.execute(
        "SELECT number FROM rollout WHERE closed_at < ? LIMIT ?", (before, PRUNE_BATCH)
    ).fetchall()
    for (number,) in rows:
        start = number << SEQ_BITS
        connection.execute(
            "DELETE FROM event WHERE id > ? AND id < ?", (start, start + (1 << SEQ_BITS))
        )
        connection.execute("DELETE FROM rollout WHERE number = ?", (number,))
    return len(rows)
