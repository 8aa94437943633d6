"""The fence of a rollout whose targets this process cannot reach: its driver kills them.

`runner.fence` kills what it fences. Where the provider of a target is missing here, or not
even the rollout's start can be read, the fence alone still ends its writes.
"""

from __future__ import annotations

from rolloutctl.core import events as ev
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.errors import IllegalEvent, JournalUnavailable, Stale
from rolloutctl.runner import requests

#: How often the fence is offered to a journal that moves and cannot be followed.
BLIND_TRIES = 100


def fence_alone(
    rollout_id: str, *, journal: Journal, clock: Clock, fence: ev.KillRequested
) -> None:
    """Records the kill and nothing else; one that is over or fenced already is left alone.

    May hang as the journal does: call it within a limit.

    Raises:
        JournalUnavailable: it could not be written; `IllegalEvent`, `Stale` likewise.
        NotFound: the journal has no such rollout.
    """
    try:
        requests.request(
            journal,
            clock,
            rollout_id,
            lambda state: None if state.phase.is_terminal or state.killed_at else fence,
        )
    except (IllegalEvent, JournalUnavailable) as error:
        if isinstance(error, JournalUnavailable) and error.retry_after_s is not None:
            raise  # it was locked, and has had its time
        _fence_blindly(rollout_id, journal, clock, fence)


def _fence_blindly(
    rollout_id: str, journal: Journal, clock: Clock, fence: ev.KillRequested
) -> None:
    """SAFETY: the one event that every open rollout takes, whatever stands before it."""
    for _ in range(BLIND_TRIES):
        head = journal.heads().get(rollout_id)
        if head is None:
            return  # it is over: nothing of it writes any more
        try:
            journal.append(rollout_id, [fence], at=clock.now(), expect_seq=head, epoch=None)
        except Stale:
            continue
        return
    raise Stale(f"{rollout_id}: the journal moved {BLIND_TRIES} times in a row")
