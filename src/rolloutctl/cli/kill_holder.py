"""After the kill of an address: which open rollout holds it, and is it still zero?

SAFETY: only asked once the kill is confirmed and reported. Nothing is written to the
journal: `KillRequested` would kill the rollout's other targets too, which nobody named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.ui.console import Console

#: How long the journal may keep the answer waiting, in seconds.
LOOK_LIMIT_S = 1.0


def holder_of(address: str, store: str, environ: Mapping[str, str]) -> str:
    """The open rollout that holds an address; "" if there is none, or no usable journal."""
    from rolloutctl.store.place import default_path  # noqa: PLC0415 - light, before SQLite

    try:
        path = default_path(environ, store=store)
        if not path.is_file():
            return ""
        from rolloutctl.store.sqlite import SqliteJournal  # noqa: PLC0415 - only if there is one

        journal = SqliteJournal(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
        try:
            return journal.holder(address)
        finally:
            journal.close()
    except (RolloutctlError, OSError):
        return ""  # availability beats audit: the kill is done, a journal was never needed


def tell_holder(console: Console, address: str, rollout_id: str, *, reason: str) -> None:
    """Says what the kill means for the rollout, and the command that ends it."""
    because = f" --reason {_quoted(reason)}" if reason else ""
    console.talk(
        f"note: the open rollout {rollout_id} holds {address}. Its driver takes a canary that "
        "another hand set to zero for killed, restores the other targets and exits 13; one "
        "that had not served its canary yet may still raise it\n"
        f"  hint: end it, with the reason in its journal: rolloutctl kill {rollout_id}{because}"
    )


def _quoted(text: str) -> str:
    from shlex import quote  # noqa: PLC0415 - only for this message

    return quote(text)
