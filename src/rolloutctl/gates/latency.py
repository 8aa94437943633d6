"""Gate kind `latency`: requests above bucket bounds, of the canary against control.

"p99 is at most 2.5 s" and "at most 1 % of requests take longer than 2.5 s" are the same.
The second can be counted: a bucket's counter is exact at its bound, while a quantile between
two bounds is a guess (up to 49 % off with a client's default buckets), and a quantile that
is compared at every look aborts every healthy canary within a day (simulated 2026-11). So
each bound is judged as `compare` judges failures, tick by tick, and it keeps its word in the
same way. Of several bounds the e-values are averaged: a mean of e-values is one, so "slower
somewhere" costs nothing of the error rate. A strict pass needs each bound to be shown.

The bound with the most evidence is told. p50 and p99 of both arms in this step are shown
beside, canary first, interpolated; nothing rests on them.

What it cannot do: see a change between two bounds, or judge a bound that is no bucket's.
Both arms must have the same buckets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.classic_histogram import Quantile, quantile_of
from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.arm_evidence import ArmEvidence, arm_evidence_of, asked_of, counted, look
from rolloutctl.gates.arms import ARMS, ArmTick, arm_queries, unusable_arms
from rolloutctl.gates.compare_course import Course, advance, course_of
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
from rolloutctl.gates.latency_spec import LatencySpec, problems_of
from rolloutctl.gates.margin import parse_margin
from rolloutctl.gates.readings import error
from rolloutctl.gates.shown import evidence_shown, share_shown
from rolloutctl.gates.sights import share_sight

#: The bucket of all events, as it is named in counts.
WHOLE = str(math.inf)
#: Quantiles that are shown.
_SHOWN = (0.5, 0.99)
#: Relative error forgiven when a bucket counts more than all: sums of floats.
_ROUNDING = 1e-9


class Latency:
    """Slow requests of the canary against control's; see the module's docstring."""

    name: ClassVar[str] = "latency"
    Spec: ClassVar[type] = LatencySpec
    spends_error_rate: ClassVar[bool] = True
    carries_evidence: ClassVar[bool] = True
    compares_arms: ClassVar[bool] = True

    def problems(self, spec: LatencySpec) -> Sequence[tuple[str, str, str]]:
        """Selector, bounds, margin and how they go together."""
        return tuple(problems_of(spec))

    def texts(self, spec: LatencySpec) -> Mapping[str, str]:
        """The text asked of the source, by key."""
        return dict(spec.asked().texts)

    def query_kinds(self, spec: LatencySpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: LatencySpec, context: GateContext) -> Sequence[Query]:
        """The histogram of control, then that of the canary."""
        return arm_queries(spec.asked(), context)

    def sight(self, spec: LatencySpec, outlook: Outlook) -> Sight | None:
        """When `effect` is seen at the bound that sees it first.

        Several bounds share the error rate. None where the source told no buckets.
        """
        total_per_s = outlook.per_s.get(WHOLE)
        if total_per_s is None:
            return None
        bounds = spec.bounds()
        outlook = evolve(outlook, error_rate=outlook.error_rate / len(bounds))
        found = [
            share_sight(
                outlook,
                bad_per_s=total_per_s - outlook.per_s.get(str(bound), total_per_s),
                total_per_s=total_per_s,
                margin=spec.accepted(),
                effect=parse_margin(spec.effect),
            )
            for bound in bounds
        ]
        first = min(found, key=lambda one: math.inf if one.seconds is None else one.seconds)
        return evolve(first, effect=f"{spec.effect} as many slow requests")

    def assess(
        self,
        spec: LatencySpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds the requests since the last look to the evidence of each bound."""
        asked = spec.asked()
        stand_in = unusable_arms(asked, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        known = arm_evidence_of(evidence, asked=asked_of([one.query for one in readings]))
        known, tick = look(asked, known, readings, context)
        if isinstance(tick, Verdict):
            return known.to_json(), tick
        shares = shares_above(spec.bounds(), tick)
        if isinstance(shares, Verdict):
            return known.to_json(), shares
        courses = _advanced(spec, known.process, shares, context)
        process = {str(bound): one for bound, one in courses.items()}
        known = counted(known, tick, whole=WHOLE, process=process)
        weighed = _weigh(spec, known, courses, context)
        return known.to_json(), conclude(weighed, known, context, strict=spec.strict)

    def foresee(
        self, spec: LatencySpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`."""
        known = arm_evidence_of(evidence, asked=asked_of(self.queries(spec, context)))
        both = counted_ahead(spec.asked(), known, ahead)
        shares = None if both is None else _shares_ahead(spec.bounds(), both)
        if both is None or shares is None:
            return None
        stored = cast("Mapping[str, Any]", known.process or {})  # Any: courses
        courses = {bound: course_of(stored.get(str(bound)), context) for bound in shares}
        # A mean of evidence is below what is needed where each part of it is.
        needed = 1 / context.error_rate
        looks, after = look_ahead(spec, known, courses=courses, shares=shares, needed=needed)
        if not looks:
            return None
        known = evidence_after(known, both, ahead, looks)
        idle = idle_after(known.idle, next(iter(shares.values()))[:looks])
        process = {str(bound): one for bound, one in after.items()}
        return Foreseen(looks, evolve(known, idle=idle, process=process).to_json())


def _shares_ahead(bounds: Sequence[float], both: Both) -> dict[float, Shares] | None:
    """What both arms had above each bound; None unless the buckets are one histogram's."""
    found: dict[float, Shares] = {}
    for bound in bounds:
        arms = []
        for arm in (both[CONTROL], both[CANARY]):
            if WHOLE not in arm or str(bound) not in arm:
                return None
            total, within = arm[WHOLE].events, arm[str(bound)].events
            if any(some > whole for some, whole in zip(within, total, strict=True)):
                return None
            arms.append([(n - k, n) for k, n in zip(within, total, strict=True)])
        found[bound] = list(zip(*arms, strict=True))
    return found if both[CONTROL].keys() == both[CANARY].keys() else None


def shares_above(
    bounds: Sequence[float], tick: ArmTick
) -> Mapping[float, tuple[Share, Share]] | Verdict:
    """(above, all) of control and of the canary by bound; or why there are none."""
    if tick.control.keys() != tick.canary.keys():
        only = sorted(map(float, tick.control.keys() ^ tick.canary.keys()))
        return error(f"histogram: the arms have different buckets; of one only: {_listed(only)}")
    there = set(map(float, tick.control))
    if math.inf not in there:
        return error("histogram: there is no +Inf bucket (use _bucket)")
    unknown = [bound for bound in bounds if bound not in there]
    if unknown:
        known = _listed(sorted(there - {math.inf}))
        return error(f"above: no bucket ends at {_listed(unknown)}; there are: {known}")
    found = {}
    for bound in bounds:
        arms: list[Share] = []
        for arm, counts in (("control", tick.control), ("canary", tick.canary)):
            total, within = counts[WHOLE], counts[str(bound)]
            if within > total * (1 + _ROUNDING):
                return error(
                    f"{arm}: bucket le={bound:g} counts {within:g}, more than all {total:g}: "
                    "not one histogram"
                )
            arms.append((max(0.0, total - within), total))
        found[bound] = (arms[0], arms[1])
    return found


def _advanced(
    spec: LatencySpec,
    stored: Json,
    shares: Mapping[float, tuple[Share, Share]],
    context: GateContext,
) -> dict[float, Course]:
    known = cast("Mapping[str, Any]", stored or {})  # Any: courses, as they are or as JSON
    return {
        bound: advance(spec, course_of(known.get(str(bound)), context), arms)
        for bound, arms in shares.items()
    }


def _weigh(
    spec: LatencySpec, known: ArmEvidence, courses: Mapping[float, Course], context: GateContext
) -> Weighed:
    """The evidence of all bounds: its mean for harm, its least for a strict pass."""
    by_bound = {bound: e_value(course.harm) for bound, course in courses.items()}
    harm, needed = math.fsum(by_bound.values()) / len(by_bound), 1 / context.error_rate
    worth = min(e_value(course.worth) for course in courses.values()) if spec.strict else 0.0
    enough = 1 / PASS_ERROR_RATE
    worst = max(by_bound, key=by_bound.__getitem__)
    controls = tuple([course.control for course in courses.values()])
    shown, numbers = _quantiles(known)
    return Weighed(
        shown=_above(known, worst),
        numbers=(*numbers, *_counts(known, worst), ("evidence", harm), ("limit", needed)),
        seen=known.canary.get(WHOLE, 0.0),
        margin=str(spec.accepted()),
        harm=f"evidence {evidence_shown(harm)} >= {needed:g}; {shown}" if harm >= needed else "",
        against=f"evidence {evidence_shown(harm)} of {needed:g}; {shown}",
        worth=f"evidence {evidence_shown(worth)} >= {enough:g}" if worth >= enough else "",
        missing=f"{worth:.2g} of {enough:g}",
        unhealthy=spec.unhealthy(controls),
    )


def _above(known: ArmEvidence, bound: float) -> str:
    """Shares above one bound: above 2.5: canary 3.1% of 1,204, control 0.9% of 20,931."""
    arms = []
    for arm, counts in (("canary", known.canary), ("control", known.control)):
        total = counts.get(WHOLE, 0.0)
        arms.append(share_shown(arm, bad=total - counts.get(str(bound), 0.0), total=total))
    return f"above {bound:g}: {', '.join(arms)}"


def _counts(known: ArmEvidence, bound: float) -> tuple[tuple[str, float], ...]:
    found = []
    for arm, counts in (("canary", known.canary), ("control", known.control)):
        total = counts.get(WHOLE, 0.0)
        found += [(f"{arm}_above", total - counts.get(str(bound), 0.0)), (f"{arm}_total", total)]
    return tuple(found)


def _quantiles(known: ArmEvidence) -> tuple[str, tuple[tuple[str, float], ...]]:
    """p50 and p99 of the step in words and numbers; above the highest bound is said so."""
    words, numbers = [], []
    for share in _SHOWN:
        name, told = f"p{share * 100:g}", []
        for arm, counts in (("canary", known.canary), ("control", known.control)):
            found = quantile_of({float(bound): one for bound, one in counts.items()}, share)
            if isinstance(found, Quantile):
                told.append(f"above {found.bound:g}" if found.is_above else f"{found.bound:.2g}")
                numbers.append((f"{arm}_{name}", found.bound))
        if len(told) == len(ARMS):
            words.append(f"{name} {' vs '.join(told)}")
    return ", ".join(words) or "no requests", tuple(numbers)


def _listed(bounds: Sequence[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)
