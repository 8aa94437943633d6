"""Step kind `deploy`: the canary to everybody, at the pace of the service that serves it.

The curve belongs to the target; it can be neither held nor moved to a chosen share. The
step's gates are judged while it grows, so the step holds at least as long
(`Capabilities.growth_s`; lint sees to it).
"""

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


class Deployed(StrEnum):
    """What may be deployed: the control is what rollback and kill deploy."""

    CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySpec:
    """`deploy: canary`."""

    deploy: Deployed = doc("who is brought to everybody by the service's own strategy: canary")


class Deploy:
    """Hands every target of the step to its service, which takes its own time."""

    name: ClassVar[str] = "deploy"
    Spec: ClassVar[type] = DeploySpec

    def problems(self, spec: DeploySpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """None by itself; whether the hold is long enough is told where the target is known."""
        return ()

    def plan(self, spec: DeploySpec, context: StepContext) -> Sequence[Effect]:  # noqa: ARG002 - the port's signature
        """One exposure a target, in playbook order."""
        return tuple(
            Expose(target=target, exposure=split(FULL_BP)) for target in context.step.targets
        )

    def advance(self, spec: DeploySpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving once the hold is over."""
        return Leave(because="the deployment had its time")

    def remarks(self, spec: DeploySpec) -> Sequence[str]:  # noqa: ARG002 - the port's signature
        """What is different from a canary step."""
        return ("the service grows it at its own pace; gates are judged meanwhile, and stop it",)
