"""The fence of a kill: in the journal, whatever stands before it there.

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


def fence_alone(rollout_id: str, *, journal: Journal, clock: Clock, fence: ev.KillRequested) -> str:
    """Records the kill and nothing else; one that is over is left alone.

    May hang as the journal does: call it within a limit.

    Returns:
        Why the rollout cannot be followed, "" if it can; the fence stands either way.

    Raises:
        JournalUnavailable: it could not be written; `IllegalEvent`, `Stale` likewise.
        NotFound: the journal has no such rollout.
    """
    try:
        requests.request(
            journal,
            clock,
            rollout_id,
            lambda state: None if state.phase.is_terminal else fence,
        )
    except (IllegalEvent, JournalUnavailable) as error:
        if isinstance(error, JournalUnavailable) and error.retry_after_s is not None:
            raise  # it was locked, and has had its time
        if not _is_fenced_blindly(rollout_id, journal, clock, fence):
            raise
        return error.message
    return ""


def _is_fenced_blindly(
    rollout_id: str, journal: Journal, clock: Clock, fence: ev.KillRequested
) -> bool:
    """Whether the fence stands behind events that this program cannot read.

    SAFETY: it is the one event that every open rollout takes, and the journal itself
    refuses intents after it. What came of the kill is left to a program that can read them.
    """
    for _ in range(BLIND_TRIES):
        head = journal.heads().get(rollout_id)
        if head is None:
            return False
        try:
            journal.append(rollout_id, [fence], at=clock.now(), expect_seq=head, epoch=None)
        except Stale:
            continue
        return True
    return False
