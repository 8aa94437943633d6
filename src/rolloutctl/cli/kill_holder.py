"""Before the kill of an address: does an open rollout of this journal drive it?

SAFETY: asked in a thread and within a limit; what has not answered by then is waited for
after the kill. A journal that hangs, is locked, damaged or missing prevents nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rolloutctl.errors import RolloutctlError

#: How long a busy journal may keep the answer waiting, in seconds.
LOOK_LIMIT_S = 1.0


class Holding(NamedTuple):
    """What the journal says about an address.

    `rollout_id` is the open rollout that took it, "" if none did. `is_any_open` says that
    others are open: one may reach the same place by another name. `trouble` says why
    nothing is known. `controls` are the safe arms of that rollout's targets, () if they
    cannot be read.
    """

    rollout_id: str = ""
    is_any_open: bool = False
    trouble: str = ""
    controls: tuple[str, ...] = ()


def holder_of(address: str, store: str, environ: Mapping[str, str]) -> Holding:
    """Looks the address up. May hang as its disk does: call it within a limit."""
    from rolloutctl.store.place import default_path  # noqa: PLC0415 - light, before SQLite

    try:
        path = default_path(environ, store=store)
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Holding(trouble=f"there is no journal at {path}")
        return _asked(path, address)
    except RolloutctlError as error:
        # Availability beats audit: the kill does not need a journal.
        return Holding(trouble=error.message)
    except OSError as error:
        return Holding(trouble=f"the journal cannot be read: {error}")


def _asked(path: Path, address: str) -> Holding:
    """What the tables say; the events are loaded only where a rollout holds the address."""
    from rolloutctl.store import holds  # noqa: PLC0415 - only if there is a journal
    from rolloutctl.store.journal_file import JournalFile  # noqa: PLC0415 - same

    file = JournalFile(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
    try:
        holder = file.read(partial(holds.holder_of, address=address))
        is_any_open = bool(holder or file.read(holds.open_heads))
    finally:
        file.close()
    controls = _controls(path, holder) if holder else ()
    return Holding(rollout_id=holder, is_any_open=is_any_open, controls=controls)


def _controls(path: Path, rollout_id: str) -> tuple[str, ...]:
    """The safe arms as the playbook was started with; its language is not needed for that."""
    import json  # noqa: PLC0415 - only where a rollout drives the address

    from rolloutctl.store.sqlite import SqliteJournal  # noqa: PLC0415 - same

    try:
        journal = SqliteJournal(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
        try:
            begun: Any = journal.started(rollout_id).event  # the first event is always a start
        finally:
            journal.close()
        targets = json.loads(begun.document)["targets"].values()
        arms = [one["control"] for one in targets]
        named = [arm if isinstance(arm, str) else arm["is"] for arm in arms]
    except (RolloutctlError, ValueError, TypeError, KeyError, AttributeError):
        return ()  # damaged, or of another version: it is killed all the same
    # A text that could be a number keeps its quotes in a canonical document.
    return tuple([name.removeprefix('"').removesuffix('"') for name in named])
