"""How long rollouts that are over stay in the journal: `ROLLOUTCTL_RETENTION`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from rolloutctl.core.units import parse_duration
from rolloutctl.errors import JournalUnavailable, UsageError

if TYPE_CHECKING:
    from rolloutctl.core.ports import Clock
    from rolloutctl.store.sqlite import SqliteJournal
    from rolloutctl.ui.console import Console

#: The environment variable: a duration, or `off`.
RETENTION_VARIABLE = "ROLLOUTCTL_RETENTION"
#: How long they stay if it is not set.
RETENTION_DEFAULT = "90d"
#: Keeps everything.
OFF = "off"
#: Most rollouts that one command removes: a start is not held up by years of them.
PRUNED_MAX = 200


def parse_retention(environ: Mapping[str, str]) -> float | None:
    """Seconds that a closed rollout stays; None is for ever. Raises `UsageError`."""
    text = environ.get(RETENTION_VARIABLE, "").strip() or RETENTION_DEFAULT
    if text == OFF:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(
            f"{RETENTION_VARIABLE}={text}: {error}",
            hint=f"{RETENTION_VARIABLE}={RETENTION_DEFAULT}, or {OFF} to keep every rollout",
        ) from error
    if seconds <= 0:
        raise UsageError(
            f"{RETENTION_VARIABLE}={text} would remove every rollout the moment it ends",
            hint=f"{RETENTION_VARIABLE}={RETENTION_DEFAULT}, or {OFF} to keep every rollout",
        )
    return seconds


def prune(
    ledger: SqliteJournal, clock: Clock, console: Console, *, retention_s: float | None
) -> None:
    """Removes rollouts that ended longer ago; an open one never. Tells what it removed.

    A journal that cannot be written now keeps them until the next time.
    """
    if retention_s is None:
        return
    try:
        count = ledger.prune(clock.now() - timedelta(seconds=retention_s), at_most=PRUNED_MAX)
    except JournalUnavailable as error:
        console.talk(f"old rollouts were not removed: {error.message}")
        return
    if count:
        what = "1 rollout" if count == 1 else f"{count} rollouts"
        console.talk(
            f"removed {what} from the journal that ended more than {retention_s / 86400:g} d ago "
            f"({RETENTION_VARIABLE})"
        )
