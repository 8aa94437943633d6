"""How a request gets its answer: from the process that drives, or by driving here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.cli.driving import (
    SETTLED,
    give_back,
    lease_of,
    say_if_unwatched,
    standing_of,
    take_lease,
)
from rolloutctl.cli.interrupts import noted
from rolloutctl.cli.screen import Screen
from rolloutctl.cli.telling import told
from rolloutctl.clock import in_seconds
from rolloutctl.core import events as ev
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.units import format_duration
from rolloutctl.errors import LeaseHeld, Pending
from rolloutctl.runner.loop import drive
from rolloutctl.runner.owner import living
from rolloutctl.ui.console import Console
from rolloutctl.ui.rollout_view import Standing

if TYPE_CHECKING:
    from rolloutctl.cli.preparing import Preparation
    from rolloutctl.runner.rollout import Rollout

#: How long an answer may take unless it is said, in seconds; a measurement may be under way.
ANSWER_S = 60.0
#: How long what was answered may go on being looked at, in seconds: a source may hang.
SETTLE_S = 10.0
#: How often its answer is looked for, in seconds.
LOOK_S = 0.2

#: The word that ends a drive whose request was not answered in time.
LATE = "late"


Make = Callable[[RolloutState, ev.Actor], ev.Event | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a request is waited for.

    Attributes:
        goes_back: it is done with nothing but targets where the rest cannot be loaded.
        answer_s: how long the answer may take; a rollback takes as long as it takes.
        waits_for: says what the answer follows from, before it is waited for; "" says nothing.
        adds: says what else a person should know of where the rollout stands now.
        unchanged: says why nothing had to be recorded.
        may_omit: no id means the only open rollout.
        alone: where nobody drives, says before anything is written what will be served then.
        asks: that needs a yes where there is a terminal.
        prepares: where nobody drives, undecided gates are judged again first.
        is_override: of these only guardrails, which nothing goes past.
    """

    goes_back: bool = False
    answer_s: float = ANSWER_S
    waits_for: Callable[[Standing], str] = lambda _: ""
    adds: Callable[[Standing], str] = lambda _: ""
    unchanged: Callable[[Standing], str] = lambda _: ""
    may_omit: bool = True
    alone: Callable[[Standing], str] | None = None
    asks: bool = False
    prepares: bool = False
    is_override: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was recorded: which rollout, by whom, after which event."""

    rollout: Rollout
    console: Console
    actor: ev.Actor
    after_seq: int
    manner: Manner
    make: Make


def see_to(asked: Asked, screen: Screen) -> None:
    """Waits for the live driver, or drives. Raises `Pending` if the answer is late."""
    while True:
        driver = live_driver(asked)
        if driver:
            asked.console.talk(f"{driver} drives it")
            if _is_answered_by_driver(asked):
                return
            continue  # the driver went away without an answer
        try:
            take_lease(asked.rollout, asked.actor)
        except LeaseHeld:
            continue  # somebody began to drive just now
        drive_to_answer(asked, screen)
        return


def live_driver(asked: Asked) -> str:
    """Who drives it now, as people read it; "" if nobody does."""
    rollout = asked.rollout
    lease = living(lease_of(rollout.journal, rollout.rollout_id))
    if lease is None or lease.expires_at <= rollout.clock.now():
        return ""
    return readable_owner(lease.owner)


def _is_answered_by_driver(asked: Asked) -> bool:
    """Waits until the request is answered; False if its driver is gone."""
    rollout, clock = asked.rollout, asked.rollout.clock
    until = clock.now() + timedelta(seconds=asked.manner.answer_s)
    while not is_answered(rollout.state):
        if not live_driver(asked):
            return False
        if _is_late(clock.now(), until, rollout.state):
            raise _late(asked)
        clock.sleep(LOOK_S)
        rollout.refresh()
    return True


def _is_late(now: datetime, until: datetime, state: RolloutState) -> bool:
    """A rollback takes as long as it takes: its own retries and its limit govern it."""
    return now >= until and state.phase not in {Phase.ROLLING_BACK, Phase.KILLING}


def _late(asked: Asked) -> Pending:
    """The request outlives this command: the next driver answers it, unless it is paused."""
    name, limit_s = asked.rollout.rollout_id, asked.manner.answer_s
    because = standing_of(asked.rollout, None).because
    return Pending(
        f"the request is recorded, but not answered within {format_duration(limit_s)}: {because}",
        hint=f"whoever drives answers it: rolloutctl wait {name}, or rolloutctl agent; "
        f"rolloutctl pause {name} withdraws it",
    )


def say(asked: Asked, sentence: Callable[[Standing], str]) -> None:
    """Says what a sentence makes of where the rollout stands now; "" says nothing."""
    said = sentence(standing_of(asked.rollout, None))
    if said:
        asked.console.talk(said)


def is_answered(state: RolloutState) -> bool:
    """Nothing that was asked is open: no promotion, no rollback, no kill."""
    return state.promote is None and state.phase not in {Phase.ROLLING_BACK, Phase.KILLING}


def drive_to_answer(asked: Asked, screen: Screen, preparation: Preparation | None = None) -> None:
    """Raises `Pending` if the answer does not come in time; the lease is given back."""
    rollout, clock = asked.rollout, asked.rollout.clock
    began_at = clock.now()
    answered_at: datetime | None = None

    def stop(decision: Decision) -> str:
        if interrupts.count:
            return SETTLED
        if preparation is not None and not preparation.is_over:
            preparation.look(decision)
            return ""  # the next tick sees the request, if it was recorded
        nonlocal answered_at
        state, now = rollout.state, clock.now()
        if is_answered(state):
            answered_at = answered_at or now
            # A source that hangs is asked again and again: what was answered is not waited for.
            is_settled = now >= in_seconds(answered_at, SETTLE_S)
            return SETTLED if isinstance(decision, WaitUntil) or is_settled else ""
        is_limited = state.phase not in {Phase.ROLLING_BACK, Phase.KILLING}
        is_late = now >= in_seconds(began_at, asked.manner.answer_s)
        return LATE if is_limited and is_late else ""

    with noted() as interrupts:
        try:
            with told(rollout) as teller:
                end = drive(rollout, watch=screen.decision, stop=stop, teller=teller)
        finally:
            give_back(rollout, asked.console)
    if end.stopped == LATE:
        say_if_unwatched(rollout, asked.console)
        raise _late(asked)
