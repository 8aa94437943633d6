"""The question between steps: asked on the terminal, withdrawn when it is answered elsewhere.

Driving goes on while it stands: the terminal is looked at, never waited for. Its words are
also those of the commands that answer it elsewhere.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

from rolloutctl.core.events import Actor
from rolloutctl.core.state import Phase
from rolloutctl.core.view import View
from rolloutctl.errors import JournalUnavailable, Stale, WrongPhase
from rolloutctl.runner import requests
from rolloutctl.runner.rollout import Rollout
from rolloutctl.ui.console import Console
from rolloutctl.ui.rollout_view import gate_text

CHOICES = "promote / hold / rollback"
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

    def poll(self) -> None:
        """Asks, withdraws or answers, as the rollout and the terminal have it."""
        state = self._rollout.state
        step = state.step.index if state.phase is Phase.ASKING and state.step else None
        if step != self._step:
            self._change(step)
        if step is None or self._is_deaf:
            return
        line = self._answered()
        if line is not None:
            self._take(line)

    def _change(self, step: int | None) -> None:
        if self._step is not None:
            self._console.talk("the question was answered; no answer is needed here any more")
        self._step = step
        if step is None:
            return
        view = View(
            playbook=self._rollout.playbook,
            state=self._rollout.state,
            kinds=self._rollout.adapters.kinds,
            now=self._rollout.clock.now(),
        )
        self._console.talk(gate_text(view, self._console.width))
        name = self._rollout.playbook.steps[step].name
        rollout_id = self._rollout.rollout_id
        self._console.talk(
            f"elsewhere: rolloutctl approve {rollout_id} promotes, "
            f"rolloutctl reject {rollout_id} rolls back\n"
            f"leave step {step + 1} ({name})? {CHOICES}: "
        )

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
            name = self._rollout.rollout_id
            self._console.talk(
                f"holding; promote or rollback here, or elsewhere: rolloutctl approve {name}, "
                f"rolloutctl reject {name}"
            )
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
