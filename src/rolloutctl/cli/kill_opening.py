"""Opens the journal and its rollouts for a kill: no further than it needs, within limits.

The first event of a rollout names its targets. Whatever stands behind it, written by a
newer version, damaged or on a disk that hangs, is no reason not to kill them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rolloutctl.cli import wiring
from rolloutctl.core.machine import fold
from rolloutctl.errors import IllegalEvent, JournalUnavailable, NotFound
from rolloutctl.runner.workers import Begun

if TYPE_CHECKING:
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.store.sqlite import SqliteJournal

#: How long a locked journal may keep a kill waiting, in seconds; then it acts without.
JOURNAL_LIMIT_S = 1.0
#: How long a journal may take for a question that the kill can do without, in seconds.
ASIDE_LIMIT_S = 1.2
#: And for one that only it can answer: which targets a rollout has, which ones are open.
NEEDED_LIMIT_S = 10.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A rollout that can be killed.

    `trouble` says why nothing but its start is known; then its phase says nothing either.
    """

    rollout: Rollout
    is_open: bool
    trouble: str = ""


def answer_of(question: Callable[[], Answer], *, limit_s: float) -> Answer:
    """What the journal answers. Raises `JournalUnavailable` after the limit, and its errors."""
    begun = Begun(question, name="journal")
    if not begun.ends_within(limit_s):
        raise JournalUnavailable(
            f"the journal did not answer within {limit_s:g} s",
            hint="look after its disk, or the network drive that it lies on",
        )
    return begun.answer()


def journal_for_kill(store: str) -> SqliteJournal:
    """The journal; none is made. Raises `JournalUnavailable`; call it within a limit."""
    try:
        return wiring.journal(store, os.environ, must_exist=True, busy_limit_s=JOURNAL_LIMIT_S)
    except NotFound as error:
        raise JournalUnavailable(error.message, hint=error.hint) from error


def open_for_kill(rollout_id: str, ledger: SqliteJournal) -> Opened:
    """A rollout as its journal tells it, or, where that cannot be read, as it began.

    Raises:
        JournalUnavailable: not even its start can be read.
        IllegalEvent: it has no start.
        NotFound: the journal has no such rollout.
        InvalidPlaybook, InvalidSettings: the provider of a target is missing here.
    """
    began = answer_of(partial(ledger.started, rollout_id), limit_s=NEEDED_LIMIT_S)
    rollout = wiring.open_to_kill(
        began, rollout_id, ledger, known=wiring.catalog(), at=wiring.clock()
    )
    try:
        rollout.state = answer_of(
            lambda: fold(rollout_id, ledger.read(rollout_id)), limit_s=ASIDE_LIMIT_S
        )
    except (JournalUnavailable, IllegalEvent) as error:
        return Opened(rollout=rollout, is_open=_is_open(rollout_id, ledger), trouble=error.message)
    return Opened(rollout=rollout, is_open=not rollout.state.phase.is_terminal)


def _is_open(rollout_id: str, ledger: SqliteJournal) -> bool:
    """Whether it still holds its targets, as the journal's table of contents has it."""
    return rollout_id in answer_of(ledger.heads, limit_s=NEEDED_LIMIT_S)
