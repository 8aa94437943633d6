"""Step kind `cleanup`: take away what nobody is sent to any more. The point of no quick return.

Always a step of its own and never automatic: the way back then has to bring the old side up
first. What it does belongs to the provider (`core.ports.CleansUp`), which refuses while
anybody is still sent there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.effects import Effect, cleanup_of
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import doc


class OldSide(StrEnum):
    """Whose: the side that serves nobody once the canary serves everybody."""

    CONTROL = "control"


class Action(StrEnum):
    """How."""

    SCALE_TO_ZERO = "scale-to-zero"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupSpec:
    """`cleanup: control`, with what is done to it."""

    cleanup: OldSide = doc("what is taken away: control")
    action: Action = doc(
        "scale-to-zero keeps the Deployment, delete does not (scale-to-zero)",
        default=Action.SCALE_TO_ZERO,
    )


class Cleanup:
    """One effect a target; if it fails a person is asked, nothing is rolled back."""

    name: ClassVar[str] = "cleanup"
    Spec: ClassVar[type] = CleanupSpec

    def problems(self, spec: CleanupSpec, step: Step) -> Sequence[tuple[str, str, str]]:
        """It must be asked for, by itself."""
        return tuple(_problems(spec, step))

    def plan(self, spec: CleanupSpec, context: StepContext) -> Sequence[Effect]:
        """One a target, in playbook order."""
        return tuple(
            cleanup_of(target, spec.cleanup.value, spec.action.value)
            for target in context.step.targets
        )

    def advance(self, spec: CleanupSpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving."""
        return Leave(because="the old side is gone")

    def remarks(self, spec: CleanupSpec) -> Sequence[str]:
        """What it costs."""
        if spec.action is Action.DELETE:
            return ("after it there is nothing to go back to: the old side is deleted",)
        return ("after it the way back must start the old side first",)


def _problems(spec: CleanupSpec, step: Step) -> Iterator[tuple[str, str, str]]:
    if spec.action is Action.DELETE and not step.confirm:
        fix = "add confirm: true, or write action: scale-to-zero"
        yield "action", "a deletion that nobody confirms", fix
