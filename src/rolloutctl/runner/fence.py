"""A rollout's kill from any process: fence first, then act, then the account of it.

The one exception to journal-before-act: if the journal cannot be written within its
limit, the kill acts all the same and says what it could not record. For the kill switch,
availability beats audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rolloutctl.core import events as ev
from rolloutctl.core.machine import allows, fold
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.errors import RolloutctlError, Stale
from rolloutctl.runner import requests
from rolloutctl.runner.kill import FanOut, KillOrder, KillReport, at_once, kill_targets
from rolloutctl.runner.kill_account import result_events

#: How often the account of a kill is offered to a moving journal.
ACCOUNT_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KillEnd:
    """What a rollout's kill reached; `unrecorded` holds events the journal did not take."""

    reports: tuple[KillReport, ...]
    unrecorded: tuple[ev.Event, ...] = ()
    journal_error: str = ""

    @property
    def is_confirmed(self) -> bool:
        """Every target was seen at zero after no older write could land."""
        return all(report.confirmed for report in self.reports)


def kill_rollout(
    rollout_id: str,
    orders: Sequence[KillOrder],
    *,
    journal: Journal | None,
    clock: Clock,
    fence: ev.KillRequested,
    fan_out: FanOut = at_once,
) -> KillEnd:
    """Fences the rollout, kills its targets, records the result; never waits for a lease.

    A rollout that ended between the decision to kill and the fence is killed all the
    same: its targets are what the operator meant.
    """
    unrecorded: list[ev.Event] = []
    error_text = _fence(rollout_id, journal, clock, fence)
    if error_text:
        unrecorded.append(fence)
    reports = kill_targets(orders, clock, fan_out=fan_out)
    events = result_events(reports)
    if journal is None or error_text:
        unrecorded += events
    else:
        try:
            _account(rollout_id, journal, clock, events)
        except RolloutctlError as error:
            error_text = error.message
            unrecorded += events
    return KillEnd(reports=tuple(reports), unrecorded=tuple(unrecorded), journal_error=error_text)


def _fence(rollout_id: str, journal: Journal | None, clock: Clock, fence: ev.KillRequested) -> str:
    if journal is None:
        return "there is no usable journal"
    try:
        requests.request(
            journal,
            clock,
            rollout_id,
            lambda state: None if state.phase.is_terminal else fence,
        )
    except RolloutctlError as error:
        # SAFETY: whatever the journal has against it, the kill goes on without it.
        return error.message
    return ""


def _account(rollout_id: str, journal: Journal, clock: Clock, events: Sequence[ev.Event]) -> None:
    """Records what is still news; a driver may have accounted for the same kill already.

    Raises `Stale` with nothing recorded, and `JournalUnavailable`.
    """
    for _ in range(ACCOUNT_TRIES):
        state = fold(rollout_id, journal.read(rollout_id))
        if state.killed_at is None or not all(allows(state, event) for event in events):
            return
        try:
            journal.append(rollout_id, events, at=clock.now(), expect_seq=state.seq, epoch=None)
        except Stale:
            continue
        return
    raise Stale(f"{rollout_id}: the journal moved {ACCOUNT_TRIES} times in a row")
