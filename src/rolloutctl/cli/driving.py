"""Drives a rollout in the foreground: what people see, how it is stopped, what it leaves."""

from __future__ import annotations

import shlex
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from rolloutctl.cli.interrupts import Interrupts, noted
from rolloutctl.cli.question import Question
from rolloutctl.cli.screen import Screen
from rolloutctl.cli.telling import told
from rolloutctl.clock import monotonic_s
from rolloutctl.core import events as ev
from rolloutctl.core.decide import decide
from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.history import History, history_of
from rolloutctl.core.state import Phase
from rolloutctl.core.view import View
from rolloutctl.errors import ExitCode, JournalUnavailable, Stale, WrongPhase
from rolloutctl.runner import requests
from rolloutctl.runner.loop import DriveEnd, drive
from rolloutctl.runner.owner import make_owner, owner_is_dead, take_over
from rolloutctl.ui.console import Output
from rolloutctl.ui.next_steps import NextStep, next_lines, next_steps, ways_on
from rolloutctl.ui.rollout_view import Standing, status_document
from rolloutctl.ui.target_view import exposed_targets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rolloutctl.cli.live_rollout import LiveView
    from rolloutctl.core.ports import Journal, Lease
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console

#: Words with which driving is stopped from here.
INTERRUPTED = "interrupted"
OWED = "owed"
NEEDS_HUMAN = "needs a human"
SETTLED = "settled"
_HINT = "  hint: "
#: How long a journal is asked to take the way back of an interrupt, in seconds.
OWED_LIMIT_S = 60.0


class OnExit(StrEnum):
    """What SIGTERM and SIGINT do to the exposure."""

    ROLLBACK = "rollback"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """How a drive is attended: who answers, and what stopping means."""

    actor: ev.Actor
    auto: bool = False
    approve_all: bool = False
    on_exit: OnExit = OnExit.LEAVE
    go_on: str = ""  # the command that goes on with this rollout


def attend(rollout: Rollout, console: Console, attendance: Attendance) -> ExitCode:
    """Drives until the rollout is at rest or has to be left; tells what is left behind.

    The lease must be taken; it is given back.
    """
    screen = Screen(rollout, console)
    view = live_view_of(rollout, console, is_driven_here=True)
    listeners = [screen.event, *([view.event] if view is not None else [])]
    rollout.listeners += listeners
    with noted() as interrupts, view or nullcontext():
        try:
            stop = _Stop(rollout, console, attendance, interrupts, view=view)
            watch = screen.decision if view is None else view.decision
            with told(rollout) as teller:
                end = drive(rollout, watch=watch, stop=stop, teller=teller)
        except BaseException:
            # SAFETY: also when it is our own bug that stops the driving, nobody may believe
            # that the exposure is still watched.
            say_if_unwatched(rollout, console)
            raise
        finally:
            give_back(rollout, console)
            for listener in listeners:
                rollout.listeners.remove(listener)
    return _conclude(screen, attendance, end=end)


def give_back(rollout: Rollout, console: Console) -> None:
    """Releases the lease if the journal takes it: it expires anyway.

    What the driving came to must not get lost for a journal that fails behind its end.
    """
    try:
        rollout.release_lease()
    except JournalUnavailable as error:
        console.talk(f"{error.message}; the lease of {rollout.rollout_id} is left to expire")


def take_lease(rollout: Rollout, actor: ev.Actor) -> None:
    """Becomes the driver, at once if the one before is known to be dead.

    Raises:
        LeaseHeld: another live process drives it.
    """
    take_over(rollout, make_owner(actor.name))


def standing_of(rollout: Rollout, lease: Lease | None) -> Standing:
    """The rollout as it stands now, with the decision that comes next."""
    now = rollout.clock.now()
    kinds = rollout.adapters.kinds
    return Standing(
        view=View(playbook=rollout.playbook, state=rollout.state, kinds=kinds, now=now),
        decision=decide(rollout.playbook, rollout.state, kinds, now),
        lease=lease,
        is_driver_gone=lease is not None and owner_is_dead(lease.owner),
        history=_history(rollout),
    )


def _history(rollout: Rollout) -> History:
    """Its course; empty if the journal cannot be read now: where it stands is told anyway."""
    try:
        return history_of(rollout.journal.read(rollout.rollout_id))
    except JournalUnavailable:
        return History()


def lease_of(journal: Journal, rollout_id: str) -> Lease | None:
    """Who drives a rollout, as the journal has it."""
    return next((row.lease for row in journal.rollouts() if row.rollout_id == rollout_id), None)


def has_driver(lease: Lease | None, now: datetime) -> bool:
    """Whether a lease runs and nothing says that its owner is dead: somebody drives."""
    return lease is not None and lease.expires_at > now and not owner_is_dead(lease.owner)


def say_if_unwatched(rollout: Rollout, console: Console) -> None:
    """SAFETY: nobody leaves an exposure behind without saying so, and how it is watched."""
    exposed = exposed_targets(rollout.state)
    if rollout.state.phase.is_terminal or not exposed:
        return
    console.talk(
        f"UNWATCHED: rollout {rollout.rollout_id} exposes {'; '.join(exposed)}: nobody drives "
        f"it and no gate is judged\n{_hint(ways_on(rollout.state), console)}"
    )


def _hint(steps: Sequence[NextStep], console: Console) -> str:
    """Commands below each other, to be copied."""
    lines = next_lines(steps, console.width - len(_HINT))
    return "\n".join(
        f"{_HINT if not number else ' ' * len(_HINT)}{line}" for number, line in enumerate(lines)
    )


class _Stop:
    """Reads signals and answers between two acts, and says the word that ends the driving."""

    def __init__(
        self,
        rollout: Rollout,
        console: Console,
        attendance: Attendance,
        interrupts: Interrupts,
        *,
        view: LiveView | None = None,
    ) -> None:
        self._rollout = rollout
        self._console = console
        self._attendance = attendance
        self._interrupts = interrupts
        self._view = view
        self._question = _question(rollout, console, view, attendance)
        self._is_asking = console.can_ask and not attendance.auto
        self._heard = 0  # signals that a rollback was asked for
        self._is_owed = False  # it was asked for, and the journal did not take it yet
        self._owed_since_s = 0.0
        self._owed_because = ""

    def __call__(self, decision: Decision) -> str:
        """A word once driving has to end; "" goes on."""
        if self._view is not None:
            self._view.beat()
        if self._interrupts.count > self._heard:
            if self._heard or self._attendance.on_exit is OnExit.LEAVE:
                return INTERRUPTED
            self._heard = self._interrupts.count
            self._is_owed, self._owed_since_s = True, monotonic_s()
            self._console.talk("interrupted: rolling back; interrupt again to leave it as it is")
        if self._is_owed:
            self._ask_to_roll_back()
        if self._is_owed and monotonic_s() > self._owed_since_s + OWED_LIMIT_S:
            return OWED
        if self._heard:
            return ""
        if self._rollout.state.phase is Phase.ASKING and self._attendance.approve_all:
            _approve(self._rollout, self._attendance)
            return ""
        if self._is_asking:
            self._question.poll()
            return ""
        needs_human = isinstance(decision, WaitUntil) and decision.needs_human
        return NEEDS_HUMAN if needs_human else ""

    def _ask_to_roll_back(self) -> None:
        """`--on-exit rollback`: takes the exposure back; only a second signal leaves it."""
        rollout = self._rollout
        make = partial(requests.rollback, actor=self._attendance.actor, cause=ev.Cause.INTERRUPTED)
        try:
            requests.request(rollout.journal, rollout.clock, rollout.rollout_id, make)
        except WrongPhase as error:
            self._console.talk(error.message)
        except (JournalUnavailable, Stale) as error:
            # SAFETY: a passing lock must not make an interrupt leave the exposure behind.
            if error.message != self._owed_because:
                self._owed_because = error.message
                self._console.talk(
                    f"{error.message}; asking again, for {OWED_LIMIT_S:g} s at most\n"
                    f"  hint: without the journal: {kills_by_address(rollout)}"
                )
            return
        self._is_owed = False


def kills_by_address(rollout: Rollout) -> str:
    """The kill of each target by its address: it needs no journal."""
    commands = []
    for seen in rollout.state.targets.values():
        target = rollout.playbook.targets[seen.name]
        shadow = f" --shadow {shlex.quote(target.shadow.flag)}" if target.shadow else ""
        to = shlex.quote(str(target.control.value))
        commands.append(f"rolloutctl kill '{seen.address}' --to {to}{shadow}")
    return "; ".join(commands)


def live_view_of(rollout: Rollout, console: Console, *, is_driven_here: bool) -> LiveView | None:
    """The live view of a rollout, where the console has a terminal for it."""
    terminal = console.live_terminal()
    if terminal is None:
        return None
    from rolloutctl.cli.live_rollout import LiveView  # noqa: PLC0415 - Rich costs 60 ms; logs need none

    return LiveView(rollout, console, terminal, is_driven_here=is_driven_here)


def _question(
    rollout: Rollout, console: Console, view: LiveView | None, attendance: Attendance
) -> Question:
    if view is None:
        return Question(rollout, console, actor=attendance.actor)
    from rolloutctl.cli.live_question import LiveQuestion  # noqa: PLC0415 - with a view only

    return LiveQuestion(rollout, console, view, actor=attendance.actor)


def _approve(rollout: Rollout, attendance: Attendance) -> None:
    make = partial(requests.approve, actor=attendance.actor, reason="--approve-all")
    # A guardrail or a person was faster; or the journal is busy, and the next tick asks again.
    with suppress(WrongPhase, JournalUnavailable, Stale):
        requests.request(rollout.journal, rollout.clock, rollout.rollout_id, make)


def _conclude(screen: Screen, attendance: Attendance, *, end: DriveEnd) -> ExitCode:
    rollout, console = screen.rollout, screen.console
    try:
        rollout.refresh()
    except JournalUnavailable as error:
        console.talk(f"{error.message}; told as it was last read")
    if not console.is_for_people:
        standing = standing_of(rollout, None)
        if console.output is Output.NDJSON:
            console.data_line(dict(status_document(standing)))
        else:
            console.document(status_document(standing), str)
    if end.stopped == "lost":
        console.talk(f"another process drives {rollout.rollout_id} now: {end.because}")
        return ExitCode.CONFLICT
    if end.stopped == OWED:
        console.talk(
            f"error: STUCK: {rollout.rollout_id} was to be taken back, and its journal does not "
            f"take it; page somebody\n  hint: {kills_by_address(rollout)}"
        )
        say_if_unwatched(rollout, console)
        return ExitCode.STUCK
    if end.stopped == INTERRUPTED:
        go_on = f"\n  hint: go on with: {attendance.go_on}" if attendance.go_on else ""
        console.talk(f"interrupted: {rollout.rollout_id} stays where it is{go_on}")
    elif end.stopped == NEEDS_HUMAN:
        console.talk(_pending(rollout, console, attendance, because=end.because))
    else:
        screen.conclude(end.because)
    say_if_unwatched(rollout, console)
    return ExitCode.INTERRUPTED if end.stopped == INTERRUPTED else end.exit_code


def _pending(rollout: Rollout, console: Console, attendance: Attendance, *, because: str) -> str:
    """What somebody has to do, and with which command it goes on then."""
    state = rollout.state
    then = f"\n  then: {attendance.go_on}" if attendance.go_on else ""
    if state.phase is Phase.ASKING:
        because = f"{state.rollout_id} waits for an answer"
    if exposed_targets(state):
        return f"pending: {because}{then}"  # the line about who watches it names the commands
    hint = _hint(next_steps(state, is_driven=False), console)
    return f"pending: {because}\n{hint}{then}"
