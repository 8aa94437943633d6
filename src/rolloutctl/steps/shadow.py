"""Step kind `shadow`: mirror a share of the requests to the canary, answers discarded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from rolloutctl.core.effects import Effect, Expose
from rolloutctl.core.exposure import split
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import WeightBp, doc


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSpec:
    """`shadow: 10%`."""

    shadow: WeightBp = doc("share of requests mirrored to the canary")


class Shadow:
    """Changes the mirrored share and nothing else: the canary stays where it is."""

    name: ClassVar[str] = "shadow"
    Spec: ClassVar[type] = ShadowSpec

    def problems(self, spec: ShadowSpec, step: Step) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the port's signature
        """A shadow step that mirrors nothing shows nothing."""
        if spec.shadow:
            return ()
        fix = "write shadow: 10%, or remove the step: a canary step ends the mirroring itself"
        return (("shadow", "a shadow step of 0% mirrors nothing", fix),)

    def plan(self, spec: ShadowSpec, context: StepContext) -> Sequence[Effect]:
        """One exposure a target, in playbook order."""
        effects = []
        for target in context.step.targets:
            current = context.exposures[target]
            wanted = replace(
                split(current.canary_bp, shadow_bp=spec.shadow),
                audience=current.audience,
                include=current.include,
            )
            effects.append(Expose(target=target, exposure=wanted))
        return tuple(effects)

    def advance(self, spec: ShadowSpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving."""
        return Leave(because="the mirrored share is in force")
