"""Step kind `canary`: the whole exposure, stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rolloutctl.core.effects import Effect, Expose
from rolloutctl.core.exposure import Cohort, split
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import WeightBp, doc


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySpec:
    """`canary: 5%`, with what else the exposure says; what is left out is off."""

    canary: WeightBp = doc("share of the audience that gets the canary")
    shadow: WeightBp = doc("share of requests mirrored to the canary (0%)", default=0)
    audience: Cohort | None = doc("who is eligible at all (everyone)", default=None)
    include: Cohort | None = doc("who gets the canary at 100% (nobody)", default=None)


class Canary:
    """Gives every target of the step the exposure that the step states."""

    name: ClassVar[str] = "canary"
    Spec: ClassVar[type] = CanarySpec

    def problems(self, spec: CanarySpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """None by itself; steps that take the canary away are found where steps are compared."""
        return ()

    def plan(self, spec: CanarySpec, context: StepContext) -> Sequence[Effect]:
        """One exposure a target, in playbook order."""
        wanted = split(
            spec.canary, shadow_bp=spec.shadow, audience=spec.audience, include=spec.include
        )
        return tuple(Expose(target=target, exposure=wanted) for target in context.step.targets)

    def advance(self, spec: CanarySpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving."""
        return Leave(because="the exposure is in force")
