"""Step kind `experiment`: split the units, wait for the planned sample, ship or go back.

The step itself only writes the split. The judgement is a gate that it implies, of kind
`experiment`: the step is left once that gate has passed, and what its other verdicts lead
to is what `decide` says. So a guardrail, a pause, a kill, a crash and a replay mean for an
experiment what they mean for every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from rolloutctl.core.effects import Effect, Expose
from rolloutctl.core.experiment import (
    GATE_KIND,
    Experiment,
    ImpliedGate,
    Trial,
    describe_plan,
    problems_of,
)
from rolloutctl.core.exposure import Cohort, split
from rolloutctl.core.playbook import Step
from rolloutctl.core.ports import Leave, StepAdvice, StepContext, StepProgress
from rolloutctl.core.units import doc


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """`experiment: {arms: …, metric: …, test: …, decide: …}`."""

    experiment: Experiment = field(metadata={"doc": "an A/B experiment with a planned sample"})
    audience: Cohort | None = doc("who is eligible at all (everyone)", default=None)


class ExperimentStep:
    """Gives the step's one target the experiment's split."""

    name: ClassVar[str] = "experiment"
    Spec: ClassVar[type] = ExperimentSpec

    def problems(self, spec: ExperimentSpec, step: Step) -> Sequence[tuple[str, str, str]]:
        """Arms, sizes, directions, and how they go together."""
        return tuple(_problems(spec, step))

    def plan(self, spec: ExperimentSpec, context: StepContext) -> Sequence[Effect]:
        """The split."""
        wanted = split(spec.experiment.canary_bp, audience=spec.audience)
        return tuple(Expose(target=target, exposure=wanted) for target in context.step.targets)

    def advance(self, spec: ExperimentSpec, progress: StepProgress, now: datetime) -> StepAdvice:  # noqa: ARG002 - the port's signature
        """Nothing against leaving: the implied gate says when."""
        return Leave(because="the split is in force")

    def remarks(self, spec: ExperimentSpec) -> Sequence[str]:
        """How many units it takes."""
        return (describe_plan(spec.experiment),)

    def implied_gate(self, spec: ExperimentSpec, step: Step) -> ImpliedGate:
        """The gate that judges it."""
        experiment = spec.experiment
        return ImpliedGate(
            kind=GATE_KIND,
            spec=Trial(experiment=experiment, hold_s=step.hold_s),
            source=experiment.source,
            source_key="experiment.source",
            target=step.targets[0],
            on_fail=experiment.decide.worse,
            needs_unit=True,
        )


def _problems(spec: ExperimentSpec, step: Step) -> Iterator[tuple[str, str, str]]:
    for key, message, fix in problems_of(spec.experiment):
        yield f"experiment.{key}", message, fix
    if len(step.targets) != 1:
        fix = f"add target: one of {', '.join(step.targets)}" if step.targets else "name a target"
        yield "experiment", "an experiment splits the units of one target", fix
