"""The question between steps where a live view stands: part of the picture, gates above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.cli.question import Question

if TYPE_CHECKING:
    from rolloutctl.cli.live_rollout import LiveView
    from rolloutctl.core.events import Actor
    from rolloutctl.runner.rollout import Rollout
    from rolloutctl.ui.console import Console


class LiveQuestion(Question):
    """Shows and withdraws the question in the picture; answers count as they always do."""

    def __init__(self, rollout: Rollout, console: Console, view: LiveView, *, actor: Actor) -> None:
        super().__init__(rollout, console, actor=actor, answered=view.answer)
        self._view = view

    def poll(self) -> None:
        """As `Question.poll`; the picture asks exactly while an answer is needed."""
        super().poll()
        self._view.ask("" if self._step is None or self._is_deaf else self._words(self._step))

    def _show(self, step: int) -> None:
        """The picture has the gates and the commands already."""
        self._view.ask(self._words(step))

    def _name_commands(self) -> None:
        """The picture has them."""

    def _notice_pause(self) -> None:
        """The picture shows the pause and what ends it."""

    def _words(self, step: int) -> str:
        name = self._rollout.playbook.steps[step].name
        return f"leave step {step + 1} ({name})?"
