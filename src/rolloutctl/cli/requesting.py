"""What every verb does: record the request, and see that somebody acts on it.

If another live process drives the rollout, it acts at once and we wait for its answer. If
none does, we drive it until the request is answered and nothing can be done at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
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
from rolloutctl.core import events as ev
from rolloutctl.core.decide import exit_code
from rolloutctl.core.decision import Decision, Measure, WaitUntil
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.core.units import format_duration
from rolloutctl.errors import (
    Conflict,
    ExitCode,
    InvalidPlaybook,
    InvalidSettings,
    LeaseHeld,
    Pending,
)
from rolloutctl.runner.loop import drive
from rolloutctl.runner.owner import owner_is_dead
from rolloutctl.runner.requests import request
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import status_document

if TYPE_CHECKING:
    from rolloutctl.core.ports import Journal
    from rolloutctl.core.view import View
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
    """

    goes_back: bool = False
    answer_s: float = ANSWER_S
    waits_for: Callable[[View], str] = lambda _: ""
    adds: Callable[[View], str] = lambda _: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was recorded: which rollout, by whom, after which event."""

    rollout: Rollout
    console: Console
    actor: ev.Actor
    after_seq: int
    manner: Manner


def ask(
    rollout_id: str, make: Make, *, store: str, output: Output, manner: Manner = Manner()
) -> ExitCode:
    """Records a request and reports what came of it.

    Args:
        rollout_id: which one.
        make: the event, or None if nothing has to be recorded.
        store: the value of `--store`.
        output: the form of the data on stdout.
        manner: how it is waited for.

    Raises:
        NotFound: there is no such rollout, or no journal.
        WrongPhase: the verb makes no sense now; nothing was recorded.
        Conflict: the driver refused it (a promotion whose gates do not pass).
        Pending: it was not answered within `manner.answer_s`; it stays recorded.
    """
    console, clock, actor = Console(output=output), wiring.clock(), wiring.actor()
    ledger = wiring.journal(store, os.environ, must_exist=True)
    rollout = _opened(rollout_id, ledger, console, goes_back=manner.goes_back)
    after_seq = rollout.state.seq
    request(ledger, clock, rollout_id, lambda state: make(state, actor))
    asked = Asked(rollout=rollout, console=console, actor=actor, after_seq=after_seq, manner=manner)
    screen = Screen(rollout, console)
    rollout.listeners.append(screen.event)
    rollout.refresh()
    if not rollout.state.phase.is_at_rest:
        _say(asked, manner.waits_for)
        _see_to(asked, screen)
    return _report(asked, screen)


def _opened(rollout_id: str, ledger: Journal, console: Console, *, goes_back: bool) -> Rollout:
    known, clock = wiring.catalog(), wiring.clock()
    try:
        return wiring.open_rollout(rollout_id, ledger, known=known, at=clock)
    except (InvalidPlaybook, InvalidSettings) as error:
        if not goes_back:
            raise
        rollout = wiring.open_way_back(rollout_id, ledger, known=known, at=clock)
        problems = error.problems if isinstance(error, InvalidPlaybook) else ()
        why = "; ".join(problem.message for problem in problems) or error.message
        console.talk(
            f"{rollout_id} cannot be driven here ({why}); its targets are enough to go back"
        )
        return rollout


def _see_to(asked: Asked, screen: Screen) -> None:
    """Waits for the live driver, or drives."""
    while True:
        driver = _live_driver(asked)
        if driver:
            asked.console.talk(f"{driver} drives it")
            if _is_answered_by_driver(asked):
                return
            continue  # the driver went away without an answer
        try:
            take_lease(asked.rollout, asked.actor)
        except LeaseHeld:
            continue  # somebody began to drive just now
        _drive(asked, screen)
        return


def _live_driver(asked: Asked) -> str:
    rollout = asked.rollout
    lease = lease_of(rollout.journal, rollout.rollout_id)
    if lease is None or lease.expires_at <= rollout.clock.now():
        return ""
    return "" if owner_is_dead(lease.owner) else readable_owner(lease.owner)


def _is_answered_by_driver(asked: Asked) -> bool:
    """Waits until the request is answered; False if its driver is gone."""
    rollout, clock = asked.rollout, asked.rollout.clock
    until = clock.now() + timedelta(seconds=asked.manner.answer_s)
    while not is_answered(rollout.state):
        if not _live_driver(asked):
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


def _say(asked: Asked, sentence: Callable[[View], str]) -> None:
    said = sentence(standing_of(asked.rollout, None).view)
    if said:
        asked.console.talk(said)


def is_answered(state: RolloutState) -> bool:
    """Nothing that was asked is open: no promotion, no rollback, no kill."""
    return state.promote is None and state.phase not in {Phase.ROLLING_BACK, Phase.KILLING}


def _drive(asked: Asked, screen: Screen) -> None:
    """Raises `Pending` if the answer does not come in time; the lease is given back."""
    rollout, clock = asked.rollout, asked.rollout.clock
    began_at = clock.now()

    def stop(decision: Decision) -> str:
        state, passed_s = rollout.state, (clock.now() - began_at).total_seconds()
        if interrupts.count:
            return SETTLED
        if is_answered(state):
            # A source that hangs is asked again and again: what was answered is not waited for.
            return SETTLED if isinstance(decision, WaitUntil) or passed_s >= SETTLE_S else ""
        is_limited = state.phase not in {Phase.ROLLING_BACK, Phase.KILLING}
        return LATE if is_limited and passed_s >= asked.manner.answer_s else ""

    with noted() as interrupts:
        try:
            with told(rollout) as teller:
                end = drive(rollout, watch=screen.decision, stop=stop, teller=teller)
        finally:
            give_back(rollout, asked.console)
    if end.stopped == LATE:
        say_if_unwatched(rollout, asked.console)
        raise _late(asked)


def _report(asked: Asked, screen: Screen) -> ExitCode:
    rollout, console = asked.rollout, asked.console
    rollout.refresh()
    lease = lease_of(rollout.journal, rollout.rollout_id)
    standing = standing_of(rollout, lease)
    if not console.is_for_people:
        console.document(status_document(standing), str)
    refused = _refused(asked)
    if refused is None:
        decision = standing.decision
        # A measurement that is due is no answer to what it stands at.
        is_said = not isinstance(decision, Measure)
        screen.conclude(decision.because if is_said else standing.because)
    _say(asked, asked.manner.adds)
    if not _live_driver(asked):
        say_if_unwatched(rollout, console)
    if refused is not None:
        raise Conflict(refused.because, hint=_way_on(asked, refused))
    return _code(rollout.state)


def _refused(asked: Asked) -> ev.PromoteRefused | None:
    """The refusal of a promotion, if that is what came of the request."""
    rollout = asked.rollout
    for recorded in rollout.journal.read(rollout.rollout_id, after_seq=asked.after_seq):
        if isinstance(recorded.event, ev.PromoteRefused):
            return recorded.event
    return None


def _way_on(asked: Asked, refused: ev.PromoteRefused) -> str:
    if set(refused.gates) & set(asked.rollout.playbook.guardrails):
        return "no override goes past a guardrail: wait until it passes, or roll back"
    name = asked.rollout.rollout_id
    if asked.rollout.state.phase is Phase.PAUSED and not refused.gates:
        return f"rolloutctl resume {name}, then rolloutctl promote {name}"
    return "wait for the gates, or promote --override --reason TEXT"


def _code(state: RolloutState) -> ExitCode:
    """0 unless it ended otherwise than asked: a confirmed rollback is what was asked."""
    if not state.phase.is_at_rest:
        return ExitCode.DONE
    code = exit_code(state)
    return ExitCode.DONE if code is ExitCode.ROLLED_BACK else code
