"""Step kind `switch`: everybody to the canary at once, as a blue-green switch does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from rolloutctl.core.effects import Effect, Expose
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import doc


class Side(StrEnum):
    """Where a switch may go: back is what rollback and kill do."""

    CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSpec:
    """`switch: canary`."""

    switch: Side = doc("who serves everybody from now on: canary")


class Switch:
    """Gives every target of the step to the canary, whole; what was mirrored ends."""

    name: ClassVar[str] = "switch"
    Spec: ClassVar[type] = SwitchSpec

    def problems(self, spec: SwitchSpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """None by itself."""
        return ()

    def plan(self, spec: SwitchSpec, context: StepContext) -> Sequence[Effect]:  # noqa: ARG002 - the port's signature
        """One exposure a target, in playbook order."""
        return tuple(
            Expose(target=target, exposure=split(FULL_BP)) for target in context.step.targets
        )

    def advance(self, spec: SwitchSpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving."""
        return Leave(because="the switch is in force")
