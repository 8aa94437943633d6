"""Who holds an address, and who is open: two questions that need no event.

On its own because a kill asks them first, and has no time to load the journal's language.
"""

from __future__ import annotations

import sqlite3


def bindable(text: str) -> str:
    """Text as SQLite can hold it: odd bytes of paths and arguments are escaped."""
    return text.encode(errors="backslashreplace").decode()


def holder_of(connection: sqlite3.Connection, address: str) -> str:
    """The open rollout that holds an address; "" if none does."""
    row = connection.execute(
        "SELECT rollout_id FROM hold JOIN rollout ON number = rollout WHERE address = ?",
        (bindable(address),),
    ).fetchone()
    return "" if row is None else str(row[0])


def open_heads(connection: sqlite3.Connection) -> dict[str, int]:
    """Rollout id -> head seq of the open ones, oldest first."""
    return dict(
        connection.execute(
            "SELECT rollout_id, head_seq FROM rollout WHERE closed_at IS NULL ORDER BY number"
        ).fetchall()
    )
