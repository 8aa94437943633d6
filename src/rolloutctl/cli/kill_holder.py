"""Before the kill of an address: does an open rollout of this journal drive it?

SAFETY: asked in a thread and within a limit; what has not answered by then is waited for
after the kill. A journal that hangs, is locked, damaged or missing prevents nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.store.sqlite import SqliteJournal

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
        from rolloutctl.store.sqlite import SqliteJournal  # noqa: PLC0415 - only if there is one

        journal = SqliteJournal(path, read_only=True, busy_limit_s=LOOK_LIMIT_S)
        try:
            holder = journal.holder(address)
            return Holding(
                rollout_id=holder,
                is_any_open=bool(journal.heads()),
                controls=_controls(journal, holder) if holder else (),
            )
        finally:
            journal.close()
    except RolloutctlError as error:
        # Availability beats audit: the kill does not need a journal.
        return Holding(trouble=error.message)
    except OSError as error:
        return Holding(trouble=f"the journal cannot be read: {error}")


def _controls(journal: SqliteJournal, rollout_id: str) -> tuple[str, ...]:
    """The safe arms as the playbook was started with; its language is not needed for that."""
    import json  # noqa: PLC0415 - only where a rollout drives the address

    try:
        begun: Any = journal.started(rollout_id).event  # the first event is always a start
        targets = json.loads(begun.document)["targets"].values()
        arms = [one["control"] for one in targets]
        named = [arm if isinstance(arm, str) else arm["is"] for arm in arms]
    except (RolloutctlError, ValueError, TypeError, KeyError, AttributeError):
        return ()  # damaged, or of another version: it is killed all the same
    # A text that could be a number keeps its quotes in a canonical document.
    return tuple([name.removeprefix('"').removesuffix('"') for name in named])
