"""Drives one rollout until it is at rest, told to stop, or overtaken by another driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rolloutctl.core.decision import Decision, Finish, WaitUntil
from rolloutctl.errors import ExitCode, JournalUnavailable, LeaseLost
from rolloutctl.runner.rollout import OVERTAKEN, STOPPED, Rollout
from rolloutctl.runner.tick import tick

if TYPE_CHECKING:
    from rolloutctl.runner.telling import Teller

#: How often a waiting driver looks whether the journal moved, in seconds.
POLL_S = 0.2
#: How long a driver waits before it tries an unreadable journal again, in seconds.
JOURNAL_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveEnd:
    """Why driving ended: at rest with its exit code, or `stopped` by the caller's word."""

    exit_code: ExitCode
    because: str
    stopped: str = ""


def drive(
    rollout: Rollout,
    *,
    watch: Callable[[Decision], None] | None = None,
    stop: Callable[[Decision], str] | None = None,
    poll_s: float = POLL_S,
    teller: Teller | None = None,
) -> DriveEnd:
    """Ticks until the rollout is at rest.

    Args:
        rollout: opened, with its lease taken.
        watch: called after every tick with its decision.
        stop: called after every tick and every poll; a word ends the driving, the
            rollout stays as it is.
        poll_s: how often the journal is looked at while waiting; infinite on a fake
            clock, where nobody else can ask for anything.
        teller: tells people beside the driving; the end waits for its last messages.
    """
    end = _drive(rollout, watch=watch, stop=stop, poll_s=poll_s, teller=teller)
    # At once, before anything is waited for; whoever gives the lease back sees that it ended.
    why = OVERTAKEN if end.stopped == "lost" else STOPPED
    rollout.invocations.end(why, rollout.clock.now())
    if teller is not None:
        teller.flush()
    return end


def attempt(work: Callable[[], object]) -> Exception | None:
    """Does the work of one rollout or one notifier; an error of any kind is returned.

    SAFETY: one of a thousand rollouts that meets a bug must not stop the others. The
    caller records or reports the error.
    """
    try:
        work()
    except Exception as error:  # noqa: BLE001 - see above
        return error
    return None


def _drive(
    rollout: Rollout,
    *,
    watch: Callable[[Decision], None] | None,
    stop: Callable[[Decision], str] | None,
    poll_s: float,
    teller: Teller | None,
) -> DriveEnd:
    while True:
        try:
            if teller is not None:
                teller.settle()
            decision = tick(rollout)
        except LeaseLost as error:
            return DriveEnd(exit_code=ExitCode.CONFLICT, because=error.message, stopped="lost")
        except JournalUnavailable as error:
            # Nothing is done without the journal; it may come back (a full disk, a lock).
            because = f"{error.message}; until then nothing is judged and nothing is written"
            decision = WaitUntil(at=rollout.clock.now(), because=because)
            rollout.clock.sleep(JOURNAL_RETRY_S)
        if watch is not None:
            watch(decision)
        if isinstance(decision, Finish):
            return DriveEnd(exit_code=decision.exit_code, because=decision.because)
        word = stop(decision) if stop is not None else ""
        if not word and isinstance(decision, WaitUntil):
            word = _wait(rollout, decision, stop=stop, poll_s=poll_s, teller=teller)
        if word:
            return DriveEnd(exit_code=ExitCode.PENDING, because=decision.because, stopped=word)


def _wait(
    rollout: Rollout,
    decision: WaitUntil,
    *,
    stop: Callable[[Decision], str] | None,
    poll_s: float,
    teller: Teller | None,
) -> str:
    """Sleeps until the time has come, the journal moved, or `stop` says a word."""
    while True:
        left_s = _left_s(decision.at, rollout.clock.now())
        if left_s <= 0:
            return ""
        rollout.clock.sleep(min(left_s, poll_s))
        try:
            rollout.keep_lease()
            if teller is not None:
                teller.settle()
            head = rollout.journal.heads().get(rollout.rollout_id)
        except (JournalUnavailable, LeaseLost):
            return ""  # the next tick says so
        if head != rollout.state.seq:
            return ""
        word = stop(decision) if stop is not None else ""
        if word:
            return word


def _left_s(at: datetime, now: datetime) -> float:
    return (at - now).total_seconds()
