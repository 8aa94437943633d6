"""Gate kind `compare`: bad events of the canary against those of control, tick by tick.

It fails once the evidence that the canary is worse than `margin` reaches 1/alpha, where alpha is
the gate's part of `limits.false_aborts`: however often it looks, a canary within the margin
is failed with a probability of at most alpha in the whole rollout. The failure stays.

It passes when the step has shown enough events and nothing speaks against the canary;
with `strict` it passes only once the canary is shown to be within the margin, at an error
rate of 5 %. Everything else is inconclusive.

What it cannot do: tell a bad canary from a bad environment where both are bad (it sees no
difference, and `control_max` makes it say so), and keep its word where requests of one user
fail together, unless they are declared `clustered`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arm_evidence import (
    ArmEvidence,
    arm_evidence_of,
    counted,
    idle_verdict,
    look,
)
from rolloutctl.gates.arms import arm_queries, unusable_arms
from rolloutctl.gates.compare_course import Course, advance, course_of, is_unhealthy, shares_of
from rolloutctl.gates.compare_spec import CompareSpec, problems_of

#: Canary events of a step below which nothing passes, unless the gate says `min_sample`.
PASS_SAMPLE_MIN = 500.0
#: The chance that a strict gate passes a canary that is exactly at the margin.
PASS_ERROR_RATE = 0.05


class Compare:
    """Canary against concurrent control; see the module's docstring."""

    name: ClassVar[str] = "compare"
    Spec: ClassVar[type] = CompareSpec
    spends_error_rate: ClassVar[bool] = True
    carries_evidence: ClassVar[bool] = True
    compares_arms: ClassVar[bool] = True

    def problems(self, spec: CompareSpec) -> Sequence[tuple[str, str, str]]:
        """Selectors, margin and how they go together."""
        return tuple(problems_of(spec))

    def texts(self, spec: CompareSpec) -> Mapping[str, str]:
        """The texts asked of the source, by key."""
        return dict(spec.asked().texts)

    def query_kinds(self, spec: CompareSpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: CompareSpec, context: GateContext) -> Sequence[Query]:
        """Both texts for control, then both for the canary."""
        return arm_queries(spec.asked(), context)

    def assess(
        self,
        spec: CompareSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds the events since the last look to the evidence, and says what it is worth."""
        asked = spec.asked()
        stand_in = unusable_arms(asked, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        known = arm_evidence_of(evidence, asked="\n".join(one.query.text for one in readings))
        known, tick = look(asked, known, readings, context)
        if isinstance(tick, Verdict):
            return known.to_json(), tick
        shares = shares_of(tick)
        if isinstance(shares, Verdict):
            return known.to_json(), shares
        known = counted(known, tick, whole="total")
        course = advance(spec, course_of(known.process, context), shares)
        known = replace(known, process=course.to_json())
        return known.to_json(), _verdict(spec, known, course, context)


def _verdict(
    spec: CompareSpec, known: ArmEvidence, course: Course, context: GateContext
) -> Verdict:
    """What the evidence is worth."""
    harm, needed = e_value(course.harm), 1 / context.error_rate
    seen = known.canary.get("total", 0.0)
    shown = f"canary {_shown(known.canary)}, control {_shown(known.control)}"
    verdict = Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=shown,
        numbers=_numbers(known, harm=harm, needed=needed),
        sample=seen,
    )
    if harm >= needed:
        # Evidence is valid at any count: a failure waits for no minimum sample.
        because = f"{shown}: worse than {spec.accepted()} (evidence {harm:.3g} >= {needed:g})"
        sample = max(seen, context.min_sample)
        return replace(verdict, outcome=Outcome.FAIL, because=because, sample=sample)
    idle = idle_verdict(known)
    if idle is not None:
        return replace(idle, numbers=verdict.numbers, sample=seen)
    if is_unhealthy(spec, course):
        limit = f"control_max {spec.control_max * 100:g}%"
        because = f"{shown}: control itself is worse than {limit}, nothing is concluded"
        return replace(verdict, because=because)
    against = f"evidence of harm {harm:.2g} of {needed:g}"
    least = context.min_sample or PASS_SAMPLE_MIN
    if seen < least:
        because = f"{seen:,.0f} of {least:,.0f} canary events ({shown}; {against})"
        return replace(verdict, because=because)
    return _passed(spec, verdict, worth=e_value(course.worth), against=against)


def _passed(spec: CompareSpec, verdict: Verdict, *, worth: float, against: str) -> Verdict:
    """PASS where nothing speaks against the canary; with `strict` where it is shown."""
    margin, enough = spec.accepted(), 1 / PASS_ERROR_RATE
    if not spec.strict:
        because = f"{verdict.because}: no sign of more than {margin} ({against})"
        return replace(verdict, outcome=Outcome.PASS, because=because)
    if worth >= enough:
        because = f"{verdict.because}: within {margin} (evidence {worth:.3g} >= {enough:g})"
        return replace(verdict, outcome=Outcome.PASS, because=because)
    because = f"{verdict.because}: not shown to be within {margin} yet ({worth:.2g} of {enough:g})"
    return replace(verdict, because=because)


def _numbers(known: ArmEvidence, *, harm: float, needed: float) -> tuple[tuple[str, float], ...]:
    return (
        ("canary_bad", known.canary.get("bad", 0.0)),
        ("canary_total", known.canary.get("total", 0.0)),
        ("control_bad", known.control.get("bad", 0.0)),
        ("control_total", known.control.get("total", 0.0)),
        ("evidence", harm),
        ("limit", needed),
    )


def _shown(counts: Mapping[str, float]) -> str:
    """3.1% of 1,204."""
    bad, total = counts.get("bad", 0.0), counts.get("total", 0.0)
    share = f"{bad / total * 100:.2g}%" if total > 0 else "nothing"
    return f"{share} of {total:,.0f}"
