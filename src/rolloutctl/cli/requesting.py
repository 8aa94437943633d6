"""What every verb does: record the request, and see that somebody acts on it.

If another live process drives the rollout, it acts at once and we wait for its answer. If
none does, we drive it until the request is answered and nothing can be done at once.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from rolloutctl.cli import wiring
from rolloutctl.cli.answering import (
    Asked,
    Make,
    Manner,
    drive_to_answer,
    live_driver,
    say,
    see_to,
)
from rolloutctl.cli.confirming import is_confirmed
from rolloutctl.cli.driving import lease_of, say_if_unwatched, standing_of, take_lease
from rolloutctl.cli.meant import rollout_meant
from rolloutctl.cli.preparing import ANSWER_TAKES_S, Preparation
from rolloutctl.cli.screen import Screen
from rolloutctl.clock import in_seconds
from rolloutctl.core import events as ev
from rolloutctl.core.decide import exit_code
from rolloutctl.core.decision import Measure
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.errors import Conflict, ExitCode, InvalidPlaybook, InvalidSettings, LeaseHeld
from rolloutctl.runner.requests import request
from rolloutctl.ui.console import Console, Output
from rolloutctl.ui.rollout_view import status_document

if TYPE_CHECKING:
    from rolloutctl.core.ports import Journal
    from rolloutctl.runner.rollout import Rollout

#: Phases in which a request may widen what is served.
_ON_THE_WAY = frozenset({Phase.RUNNING, Phase.ASKING, Phase.PAUSED, Phase.HELD})
_PLAIN = Manner()


def ask(
    word: str, make: Make, *, verb: str, store: str, output: Output, manner: Manner = _PLAIN
) -> ExitCode:
    """Records a request and reports what came of it.

    Args:
        word: which one: its id, the beginning of it, or "" (see `cli.meant`).
        make: the event, or None if nothing has to be recorded.
        store: the value of `--store`.
        verb: the command, for messages.
        output: the form of the data on stdout.
        manner: how it is waited for.

    Raises:
        UsageError: several rollouts are meant.
        NotFound: there is no such rollout, or no journal.
        WrongPhase: the verb makes no sense now; nothing was recorded.
        Conflict: the driver refused it (a promotion whose gates do not pass).
        Pending: it was not answered within `manner.answer_s`; it stays recorded.
    """
    console, actor = Console(output=output), wiring.actor()
    ledger = wiring.journal(store, os.environ, must_exist=True)
    rollout_id = rollout_meant(word, ledger, console, verb=verb, may_omit=manner.may_omit)
    rollout = _opened(rollout_id, ledger, console, goes_back=manner.goes_back)
    asked = Asked(
        rollout=rollout,
        console=console,
        actor=actor,
        after_seq=rollout.state.seq,
        manner=manner,
        make=make,
    )
    # Refused before anything is said, asked or waited for; and again when it is recorded.
    is_unchanged = make(rollout.state, actor) is None
    if not _is_accepted(asked):
        return ExitCode.INTERRUPTED
    screen = Screen(rollout, console)
    rollout.listeners.append(screen.event)
    preparation = _prepared(asked, screen) if manner.prepares else None
    if preparation is None:
        _record(asked)
        rollout.refresh()
        if not rollout.state.phase.is_at_rest:
            say(asked, manner.waits_for)
            see_to(asked, screen)
    elif not preparation.is_over:
        console.talk("interrupted: nothing was asked for")
        say_if_unwatched(rollout, console)
        return ExitCode.INTERRUPTED
    if is_unchanged:
        say(asked, manner.unchanged)
    return _report(asked, screen, came_first=preparation.came_first if preparation else "")


def _record(asked: Asked) -> None:
    rollout = asked.rollout
    made = partial(_made, asked)
    request(rollout.journal, rollout.clock, rollout.rollout_id, made)


def _made(asked: Asked, state: RolloutState) -> ev.Event | None:
    return asked.make(state, asked.actor)


def _is_accepted(asked: Asked) -> bool:
    """SAFETY: what widens and is watched by nobody is said before it is written, not after."""
    console, manner = asked.console, asked.manner
    if manner.alone is None or asked.rollout.state.phase not in _ON_THE_WAY or live_driver(asked):
        return True
    warning = manner.alone(standing_of(asked.rollout, None))
    if not warning:
        return True
    console.talk(warning)
    if not (manner.asks and console.can_ask) or is_confirmed(console, "go on?"):
        return True
    console.talk("nothing was asked for; nothing was touched")
    return False


def _is_holding(state: RolloutState) -> bool:
    """A step is in force, and its gates are judged."""
    is_in_force = state.step is not None and bool(state.step.done)
    return state.phase in {Phase.RUNNING, Phase.ASKING} and is_in_force and not state.open


def _prepared(asked: Asked, screen: Screen) -> Preparation | None:
    """Drives until the request can be answered, then until it is.

    None where there is nothing to prepare, or another process drives. Raises as `drive_to_answer`.
    """
    rollout = asked.rollout
    if not _is_holding(rollout.state) or live_driver(asked):
        return None
    try:
        take_lease(rollout, asked.actor)
    except LeaseHeld:
        return None
    left_s = max(0.0, asked.manner.answer_s - ANSWER_TAKES_S)
    preparation = Preparation(
        rollout=rollout,
        record=partial(_record_and_say, asked),
        tell=asked.console.talk,
        until=in_seconds(rollout.clock.now(), left_s),
        steps_left=rollout.state.steps_left,
        is_override=asked.manner.is_override,
    )
    drive_to_answer(asked, screen, preparation)
    return preparation


def _record_and_say(asked: Asked) -> None:
    say(asked, asked.manner.waits_for)
    _record(asked)


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


def _report(asked: Asked, screen: Screen, *, came_first: str) -> ExitCode:
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
    say(asked, asked.manner.adds)
    if not live_driver(asked):
        say_if_unwatched(rollout, console)
    if refused is not None:
        raise Conflict(refused.because, hint=_way_on(asked, refused))
    if came_first and rollout.state.phase is Phase.PAUSED:
        raise Conflict(
            f"nothing was asked for: {came_first}: {rollout.state.paused_because}",
            hint=f"rolloutctl status {rollout.rollout_id} names the ways on",
        )
    if came_first:
        console.talk(f"nothing was asked for: {came_first}")
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
