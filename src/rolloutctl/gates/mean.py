"""Gate kind `mean`: cost or tokens per request, of the canary against control.

Each look gives one difference: the canary's mean minus the most that is accepted where
control's is what it is now. How much such differences vary says how sure one can be of
their mean, so a sum and a count are enough, and requests that go together within a look do
no harm. The confidence sequence holds at all looks at once: a canary within the margin is
failed with a probability of at most alpha, the gate's part of `limits.false_aborts`, in the
whole rollout.

What it cannot do: say anything before twenty looks; hold its word exactly (it is asymptotic:
a mean that a few huge requests decide needs more looks than it knows); react fast to a
harm that begins late, which is averaged with the healthy past; and see a canary that is
cheaper because it fails: have a gate of failures beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.arm_evidence import ArmEvidence, arm_evidence_of, counted, look
from rolloutctl.gates.arms import arm_queries, unusable_arms
from rolloutctl.gates.batch_course import (
    BatchCourse,
    Batching,
    OpenBatch,
    batch_course_of,
    bounds_of,
    with_look,
)
from rolloutctl.gates.conclusion import PASS_ERROR_RATE, Weighed, conclude
from rolloutctl.gates.mean_spec import MeanSpec, problems_of

#: Every look is a batch. The normal approximation is poor before twenty of them (simulated
#: 2026-11); tightest after sixty, half an hour of looks.
BATCHES = Batching(length_s=0.0, least=20, best_at=60.0)


class Mean:
    """The canary's mean against control's; see the module's docstring."""

    name: ClassVar[str] = "mean"
    Spec: ClassVar[type] = MeanSpec
    spends_error_rate: ClassVar[bool] = True
    carries_evidence: ClassVar[bool] = True
    compares_arms: ClassVar[bool] = True

    def problems(self, spec: MeanSpec) -> Sequence[tuple[str, str, str]]:
        """Selectors and margin."""
        return tuple(problems_of(spec))

    def texts(self, spec: MeanSpec) -> Mapping[str, str]:
        """The texts asked of the source, by key."""
        return dict(spec.asked().texts)

    def query_kinds(self, spec: MeanSpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: MeanSpec, context: GateContext) -> Sequence[Query]:
        """Both texts for control, then both for the canary."""
        return arm_queries(spec.asked(), context)

    def assess(
        self,
        spec: MeanSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds one difference of means, and says what all of them are worth."""
        asked = spec.asked()
        stand_in = unusable_arms(asked, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        known = arm_evidence_of(evidence, asked="\n".join([one.query.text for one in readings]))
        known, tick = look(asked, known, readings, context)
        if isinstance(tick, Verdict):
            return known.to_json(), tick
        one = OpenBatch(
            tick.start_s,
            tick.end_s,
            (tick.control.get("sum", 0.0), tick.control.get("count", 0.0)),
            (tick.canary.get("sum", 0.0), tick.canary.get("count", 0.0)),
        )
        course = with_look(
            batch_course_of(known.process), one, margin=spec.accepted(), batching=BATCHES
        )
        known = counted(known, tick, whole="count", process=course)
        weighed = _weigh(spec, known, course, context)
        return known.to_json(), conclude(weighed, known, context, strict=spec.strict)


def _weigh(
    spec: MeanSpec, known: ArmEvidence, course: BatchCourse, context: GateContext
) -> Weighed:
    """What the differences so far are worth."""
    canary, control = _mean(known.canary), _mean(known.control)
    bounds = bounds_of(
        course.means,
        batching=BATCHES,
        alphas=(context.error_rate, PASS_ERROR_RATE),
        scale=control or 0.0,
    )
    unready = f"{course.means.batches} of {BATCHES.least} looks with events in both arms"
    numbers = (("canary_mean", canary), ("control_mean", control))
    found = tuple([(name, one) for name, one in numbers if one is not None])
    seen = known.canary.get("count", 0.0)
    shown = f"canary {_shown(canary, seen)}, control {_shown(control, known.control.get('count'))}"
    if bounds is None:
        return Weighed(
            shown=shown,
            numbers=found,
            seen=seen,
            margin=str(spec.accepted()),
            harm="",
            against=unready,
            unready=unready,
        )
    against = f"{abs(bounds.excess):.3g} {'above' if bounds.excess > 0 else 'below'} it"
    return Weighed(
        shown=shown,
        numbers=(*found, ("beyond", bounds.excess), ("beyond_at_least", bounds.least)),
        seen=seen,
        margin=str(spec.accepted()),
        harm=f"{against}, at least {bounds.least:.3g}" if bounds.least > 0 else "",
        against=against,
        worth=f"by at least {-bounds.most:.3g}" if bounds.most < 0 else "",
        missing=f"{against}, but for chance at most {bounds.most:.3g} above",
    )


def _mean(counts: Mapping[str, float]) -> float | None:
    count = counts.get("count", 0.0)
    return counts.get("sum", 0.0) / count if count > 0 else None


def _shown(mean: float | None, count: float | None) -> str:
    return "nothing" if mean is None else f"{mean:.4g} of {count or 0.0:,.0f}"
