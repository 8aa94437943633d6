"""The tables of a journal file, and the way there from every older version.

A file's version stands in `PRAGMA user_version`; `application_id` says that the file is
ours at all, so that somebody else's database is never migrated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from rolloutctl.errors import JournalUnavailable

Migration = Callable[[sqlite3.Connection], None]

#: "rolo" in ASCII; https://www.sqlite.org/pragma.html#pragma_application_id
APPLICATION_ID = 0x726F6C6F
#: An event's key is the rollout's number shifted by this, plus seq: one B-tree, events of
#: a rollout side by side, no second index. Leaves room for 2^31 rollouts of 2^32 events.
SEQ_BITS = 32

# No STRICT tables: SQLite has them since 3.37, enterprise Linux still ships older ones.
_TABLES = (
    """
    CREATE TABLE rollout (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      rollout_id TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      sha256 TEXT NOT NULL,
      created_at TEXT NOT NULL,
      closed_at TEXT,               -- NULL while it is open
      killed_seq INTEGER,           -- the fence: no intent after it
      head_seq INTEGER NOT NULL,
      head_hash BLOB NOT NULL,
      lease_epoch INTEGER NOT NULL DEFAULT 0,
      lease_owner TEXT,             -- NULL while nobody drives
      lease_expires_at TEXT
    )
    """,
    "CREATE INDEX rollout_open ON rollout (number) WHERE closed_at IS NULL",
    "CREATE INDEX rollout_closed ON rollout (closed_at) WHERE closed_at IS NOT NULL",
    """
    CREATE TABLE event (
      id INTEGER PRIMARY KEY,       -- rollout.number << 32 | seq
      at TEXT NOT NULL,
      body TEXT NOT NULL,
      hash BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE hold (
      address TEXT PRIMARY KEY,
      rollout INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX hold_of_rollout ON hold (rollout)",
    """
    CREATE TABLE open_intent (
      rollout INTEGER NOT NULL,
      key TEXT NOT NULL,
      target TEXT NOT NULL,
      PRIMARY KEY (rollout, key)
    ) WITHOUT ROWID
    """,
    f"""
    CREATE VIEW journal AS
      SELECT rollout_id, event.id & {(1 << SEQ_BITS) - 1} AS seq, at, body
      FROM event JOIN rollout ON rollout.number = event.id >> {SEQ_BITS}
    """,  # noqa: S608 - constants only
)


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


#: Entry n brings a file from version n to n + 1; entry 0 starts from an empty file.
MIGRATIONS: Sequence[Migration] = (_create,)


def check_version(
    connection: sqlite3.Connection, file: str, *, migrations: Sequence[Migration] = MIGRATIONS
) -> int:
    """The file's version, 0 for an empty one; changes nothing.

    Raises `JournalUnavailable` for somebody else's database and for a newer version.
    """
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application != APPLICATION_ID:
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_empty and application == 0 and version == 0:
            return 0
        raise JournalUnavailable(
            f"{file} is a database of another program, not a rolloutctl journal",
            hint="name another file with --store or ROLLOUTCTL_STORE; it was not changed",
        )
    if version > len(migrations):
        raise JournalUnavailable(
            f"{file} was written by a newer rolloutctl (journal version {version}, "
            f"this program knows up to {len(migrations)})",
            hint="upgrade rolloutctl, or name another file with --store; it was not changed",
        )
    return version


def migrate(
    connection: sqlite3.Connection, file: str, *, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Brings the file to the newest version, within the caller's write transaction.

    Raises as `check_version`. After a crash the file is as before or as after.
    """
    version = check_version(connection, file, migrations=migrations)
    if version == len(migrations):
        return
    for migration in migrations[version:]:
        migration(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
