"""Beside the kill of an address: does an open rollout of this journal drive it?

SAFETY: asked in a thread and within a limit, while or after the address is killed. A
journal that hangs, is locked, damaged or missing holds up nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rolloutctl.errors import RolloutctlError

#: How long a busy journal may keep the answer waiting, in seconds.
LOOK_LIMIT_S = 1.0


class Holding(NamedTuple):
    """What the journal says about an address.

    `rollout_id` is the open rollout that took it, "" if none did. `is_any_open` says that
    others are open: one may reach the same place by another name. `trouble` says why
    nothing is known.
    """

    rollout_id: str = ""
    is_any_open: bool = False
    trouble: str = ""


def holder_of(address: str, store: str, environ: Mapping[str, str]) -> Holding:
    """Looks the address up. May hang as its disk does: call it within a limit."""
    from rolloutctl.store.place import default_path  # noqa: PLC0415 - light, before SQLite

    try:
        path = default_path(environ, store=store)
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Holding(trouble=f"there is no journal at {path}")
        from rolloutctl.store.sqlite import SqliteJournal  # noqa: PLC0415 - only if there is one

        journal = SqliteJournal(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
        try:
            holder = journal.holder(address)
            return Holding(rollout_id=holder, is_any_open=bool(journal.heads()))
        finally:
            journal.close()
    except RolloutctlError as error:
        # Availability beats audit: the kill does not need a journal.
        return Holding(trouble=error.message)
    except OSError as error:
        return Holding(trouble=f"the journal cannot be read: {error}")
