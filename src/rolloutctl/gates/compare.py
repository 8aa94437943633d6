"""Gate kind `compare`: bad events of the canary against those of control, tick by tick.

It fails once the evidence that the canary is worse than `margin` reaches 1/alpha, where alpha is
the gate's part of `limits.false_aborts`: however often it looks, a canary within the margin
is failed with a probability of at most alpha in the whole rollout. The failure stays.

It passes when the step has shown enough events and nothing speaks against the canary;
with `strict` it passes only once the canary is shown to be within the margin, at an error
rate of 5 %. Everything else is inconclusive.

What it cannot do: tell a bad canary from a bad environment where both are bad (it sees no
difference, and `control_max` makes it say so), and keep its word where requests of one user
fail together, unless they are declared `clustered`; it warns where control's seem to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.arm_evidence import (
    IDLE_LOOKS_MAX,
    ArmEvidence,
    arm_evidence_of,
    asked_of,
    counted,
    look,
)
from rolloutctl.gates.arms import ArmTick, arm_queries, unusable_arms
from rolloutctl.gates.clustered import batched, weigh_batches
from rolloutctl.gates.compare_course import Course, advance, course_of, shares_of
from rolloutctl.gates.compare_spec import CompareSpec, Dependence, problems_of
from rolloutctl.gates.conclusion import PASS_ERROR_RATE, Weighed, conclude
from rolloutctl.gates.control_seen import Share
from rolloutctl.gates.foresight import (
    Both,
    Shares,
    counted_ahead,
    evidence_after,
    idle_after,
    look_ahead,
)
from rolloutctl.gates.margin import parse_margin
from rolloutctl.gates.shown import arms_shown, evidence_shown, share_numbers
from rolloutctl.gates.sights import share_sight

#: The one course of a comparison, where `latency` has one for each bound.
_ALL = 0.0


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

    def sight(self, spec: CompareSpec, outlook: Outlook) -> Sight | None:
        """When `effect` is seen; clustered events are fewer than they look, so not said."""
        if spec.dependence is Dependence.CLUSTERED:
            return None
        return share_sight(
            outlook,
            bad_per_s=outlook.per_s.get("bad", 0.0),
            total_per_s=outlook.per_s.get("total", 0.0),
            margin=spec.accepted(),
            effect=parse_margin(spec.effect),
        )

    def assess(
        self,
        spec: CompareSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds the events since the last look to the evidence, and says what it is worth."""
        return assess_shares(spec, evidence, readings, context)

    def foresee(
        self, spec: CompareSpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`."""
        if spec.dependence is Dependence.CLUSTERED:
            return None
        known = arm_evidence_of(evidence, asked=asked_of(self.queries(spec, context)))
        both = counted_ahead(spec.asked(), known, ahead)
        shares = None if both is None else _shares_ahead(both)
        if both is None or shares is None:
            return None
        needed, course = 1 / context.error_rate, course_of(known.process, context)
        looks, courses = look_ahead(
            spec, known, courses={_ALL: course}, shares={_ALL: shares}, needed=needed
        )
        if not looks:
            return None
        known = evidence_after(known, both, ahead, looks)
        idle = idle_after(known.idle, shares[:looks])
        return Foreseen(looks, evolve(known, idle=idle, process=courses[_ALL]).to_json())


def _shares_ahead(both: Both) -> Shares | None:
    """What both arms had at each look; None where `bad` is more than all."""
    arms = []
    for arm in (both[CONTROL], both[CANARY]):
        if arm.keys() != {"bad", "total"}:
            return None
        rows = list(zip(arm["bad"].events, arm["total"].events, strict=True))
        if any(bad > total for bad, total in rows):
            return None
        arms.append(rows)
    return list(zip(*arms, strict=True))


def assess_shares(
    spec: CompareSpec,
    evidence: Json,
    readings: Sequence[Reading],
    context: GateContext,
    *,
    delay_s: float = 0.0,
) -> tuple[Json, Verdict]:
    """One judgement; with `delay_s` of events that come in so late after their answer."""
    asked = spec.asked()
    stand_in = unusable_arms(asked, readings, context)
    if stand_in is not None:
        return evidence, stand_in
    known = arm_evidence_of(evidence, asked=asked_of([one.query for one in readings]))
    known, tick = look(asked, known, readings, context, delay_s=delay_s)
    if isinstance(tick, Verdict):
        return known.to_json(), tick
    shares = shares_of(tick)
    if isinstance(shares, Verdict):
        return known.to_json(), shares
    known, weighed = _weighed(spec, known, context, tick=tick, shares=shares)
    idle = max(IDLE_LOOKS_MAX, int(delay_s / context.interval_s))
    verdict = conclude(weighed, known, context, strict=spec.strict, idle_looks_max=idle)
    return known.to_json(), verdict


def _weighed(
    spec: CompareSpec,
    known: ArmEvidence,
    context: GateContext,
    *,
    tick: ArmTick,
    shares: tuple[Share, Share],
) -> tuple[ArmEvidence, Weighed]:
    """The evidence with the tick's, and what it is worth, as the events hang together."""
    if spec.dependence is Dependence.CLUSTERED:
        batches = batched(spec, known.process, tick, shares)
        known = counted(known, tick, whole="total", process=batches)
        return known, weigh_batches(spec, known, batches, context)
    course = advance(spec, course_of(known.process, context), shares)
    known = counted(known, tick, whole="total", process=course)
    return known, _weigh(spec, known, course, context)


def _weigh(spec: CompareSpec, known: ArmEvidence, course: Course, context: GateContext) -> Weighed:
    """What evidence of single events is worth."""
    harm, needed = e_value(course.harm), 1 / context.error_rate
    worth, enough = (e_value(course.worth) if spec.strict else 0.0), 1 / PASS_ERROR_RATE
    spread = course.control.dispersion()
    return Weighed(
        shown=arms_shown(known),
        numbers=(*share_numbers(known), ("evidence", harm), ("limit", needed)),
        seen=known.canary.get("total", 0.0),
        margin=str(spec.accepted()),
        harm=f"evidence {evidence_shown(harm)} >= {needed:g}" if harm >= needed else "",
        against=f"evidence {evidence_shown(harm)} of {needed:g}",
        worth=f"evidence {evidence_shown(worth)} >= {enough:g}" if worth >= enough else "",
        missing=f"{worth:.2g} of {enough:g}",
        unhealthy=spec.unhealthy(course.control),
        warning=_warning(spread),
    )


def _warning(spread: float | None) -> str:
    if spread is None:
        return ""
    return (
        f"requests seem to fail in clusters ({spread:.1f} times the spread of chance): "
        "declare dependence: clustered"
    )
