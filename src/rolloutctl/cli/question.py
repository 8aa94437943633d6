"""The question between steps: asked on the terminal, withdrawn when it is answered elsewhere.

Driving goes on while it stands: the terminal is looked at, never waited for. Its words are
also those of the commands that answer it elsewhere.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

from rolloutctl.core.events import Actor, Cause
from rolloutctl.core.state import Phase
from rolloutctl.core.view import View
from rolloutctl.errors import JournalUnavailable, Stale, WrongPhase
from rolloutctl.runner import requests
from rolloutctl.runner.rollout import Rollout
from rolloutctl.ui.console import Console
from rolloutctl.ui.next_steps import next_lines, next_steps
from rolloutctl.ui.rollout_view import gate_text

CHOICES = "promote / hold / rollback"
_INDENT = "  "
_YES = frozenset({"promote", "p", "y", "yes", "approve"})
_NO = frozenset({"rollback", "r", "reject"})


class Question:
    """At most one open question of one rollout."""

    def __init__(
        self,
        rollout: Rollout,
        console: Console,
        *,
        actor: Actor,
        answered: Callable[[], str | None] | None = None,
    ) -> None:
        self._rollout = rollout
        self._console = console
        self._actor = actor
        self._answered = answered or read_line
        self._step: int | None = None  # the step that the open question is about
        self._is_deaf = False
        self._is_paused = False  # a pause was seen and its commands were named

    def poll(self) -> None:
        """Asks, withdraws or answers, as the rollout and the terminal have it."""
        state = self._rollout.state
        step = state.step.index if state.phase is Phase.ASKING and state.step else None
        if step != self._step:
            self._change(step)
        self._notice_pause()
        if step is None or self._is_deaf:
            return
        line = self._answered()
        if line is not None:
            self._take(line)

    def _change(self, step: int | None) -> None:
        if self._step is not None:
            self._console.talk(f"{self._withdrawn()}; no answer is needed here any more")
        self._step = step
        if step is not None:
            self._show(step)

    def _show(self, step: int) -> None:
        """The gates first, then what can be answered from where."""
        view = View(
            playbook=self._rollout.playbook,
            state=self._rollout.state,
            kinds=self._rollout.adapters.kinds,
            now=self._rollout.clock.now(),
        )
        self._console.talk(gate_text(view, self._console.width))
        name = self._rollout.playbook.steps[step].name
        self._console.talk("from another terminal:")
        self._name_commands()
        self._console.talk(f"leave step {step + 1} ({name})? {CHOICES}: ")

    def _withdrawn(self) -> str:
        """What became of the question: an answer, or something that came first."""
        state = self._rollout.state
        is_yes = state.step is None or state.step.is_approved
        is_no = state.rollback is not None and state.rollback.cause is Cause.OPERATOR
        if is_yes or is_no:
            return "the question was answered"
        return f"the question is withdrawn, the rollout is {state.phase}"

    def _notice_pause(self) -> None:
        """A pause is no question, but only a person ends it."""
        is_paused = self._rollout.state.phase is Phase.PAUSED
        if is_paused and not self._is_paused:
            self._console.talk("it goes on from any terminal:")
            self._name_commands()
        self._is_paused = is_paused

    def _name_commands(self) -> None:
        steps = next_steps(self._rollout.state, is_driven=True)
        for line in next_lines(steps, self._console.width - len(_INDENT)):
            self._console.talk(f"{_INDENT}{line}")

    def _take(self, line: str) -> None:
        word = line.strip().lower()
        if not line:
            self._is_deaf = True  # the terminal is closed; others can still answer
            return
        if word in _YES:
            self._ask("approve")
        elif word in _NO:
            self._ask("reject")
        elif word in ("hold", "h"):
            self._console.talk("holding; promote or rollback here, or from another terminal")
        else:
            self._console.talk(f"{word!r} is none of: {CHOICES}")

    def _ask(self, verb: str) -> None:
        rollout = self._rollout
        make = requests.approve if verb == "approve" else requests.reject
        try:
            requests.request(
                rollout.journal,
                rollout.clock,
                rollout.rollout_id,
                lambda state: make(state, self._actor),
            )
        except WrongPhase as error:
            self._console.talk(error.message)  # somebody else was faster
            return
        except (JournalUnavailable, Stale) as error:
            self._console.talk(f"not recorded: {error.message}; answer again: ")
            return
        self._step = None  # answered by ourselves: nothing to withdraw


def read_line() -> str | None:
    """A line from the terminal if one is there; "" if it is closed; None otherwise."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return sys.stdin.readline() if ready else None
