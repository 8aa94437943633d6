"""Gate kind `experiment`: one test of a planned sample; made by the step of the same name.

It counts units from the moment the split was in force, tick by tick as `compare` does, and
says nothing before every arm has its planned units and the step's hold is over. Then, once:
the split of the units is checked (p < 0.001: not judged, the rollout pauses), and the shares
are compared by chi-square, or by Fisher's test where a cell is expected below 5. The result
stays: it is part of the evidence, and later looks repeat it. More units would make it a
second test.

When it ends depends on how many units there are, never on how they fare, so the stated
alpha holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, cast

from rolloutctl.core.evolve import evolve
from rolloutctl.core.experiment import ARMS, Experiment, OnUndecided, Trial, Want
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.against_control import (
    FISHER,
    Comparison,
    compare_with_control,
    told_p,
)
from rolloutctl.core.stats.split_test import split_test
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arm_evidence import (
    ArmEvidence,
    arm_evidence_of,
    counted,
    idle_verdict,
    look,
)
from rolloutctl.gates.arms import Asked, arm_queries, unusable_arms
from rolloutctl.gates.compare_spec import text_problems
from rolloutctl.gates.experiment_sight import see
from rolloutctl.gates.readings import error

#: Below this p-value the units are not split as intended, and nothing they show is judged.
#: A. Fabijan et al., KDD 2019 (see `core.stats.split_test`).
SPLIT_P_MIN = 0.001
#: A verdict that waits for more units waits so many looks before it counts as undecided.
_LOOKS_AHEAD = 2
#: Where the texts stand in the step, for lint.
_KEYS = {"success": "experiment.metric.success", "total": "experiment.metric.total"}

#: (units that succeeded, all units)
Counts = tuple[float, float]


class ExperimentGate:
    """The planned test of an A/B experiment; see the module's docstring."""

    name: ClassVar[str] = "experiment"
    Spec: ClassVar[type] = Trial
    compares_arms: ClassVar[bool] = True
    carries_evidence: ClassVar[bool] = True
    keeps_evidence: ClassVar[bool] = True
    is_implied: ClassVar[bool] = True

    def problems(self, spec: Trial) -> Sequence[tuple[str, str, str]]:
        """Are the selectors selectors, and do they tell the arms apart?"""
        return tuple(text_problems(dict(self.texts(spec))))

    def texts(self, spec: Trial) -> Mapping[str, str]:
        """The texts asked of the source, by where they stand in the step."""
        return {_KEYS[key]: text for key, text in _asked(spec).texts}

    def query_kinds(self, spec: Trial) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: Trial, context: GateContext) -> Sequence[Query]:
        """Both texts for control, then both for the canary."""
        return arm_queries(_asked(spec), context)

    def sight(self, spec: Trial, outlook: Outlook) -> Sight | None:
        """How long it takes until the planned units are there."""
        per_s = outlook.per_s.get(_KEYS["total"], outlook.per_s.get("total", 0.0))
        return see(spec.experiment, outlook, per_s=per_s)

    def assess(
        self, spec: Trial, evidence: Json, readings: Sequence[Reading], context: GateContext
    ) -> tuple[Json, Verdict]:
        """Counts the units since the last look; judges once, when all are there."""
        asked = _asked(spec)
        stand_in = unusable_arms(asked, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        known = arm_evidence_of(evidence, asked="\n".join([one.query.text for one in readings]))
        known, tick = look(asked, known, readings, context)
        if known.process is not None:
            return known.to_json(), _from_json(known.process)
        if isinstance(tick, Verdict):
            return known.to_json(), tick
        known = counted(known, tick, whole="total")
        waiting = _waiting(spec, known, context)
        if waiting is not None:
            return known.to_json(), waiting
        verdict = _concluded(spec.experiment, known)
        if verdict.outcome is not Outcome.ERROR:
            known = evolve(known, process=_to_json(verdict))
        return known.to_json(), verdict


def _asked(spec: Trial) -> Asked:
    metric = spec.experiment.metric
    texts = (("success", metric.success), ("total", metric.total))
    return Asked(texts=texts, part="success", whole="total")


def _counts(known: ArmEvidence) -> tuple[Counts, Counts]:
    """Control's and the canary's counts of this step."""
    first, second = (
        (one.get("success", 0.0), one.get("total", 0.0)) for one in (known.control, known.canary)
    )
    return first, second


def _waiting(spec: Trial, known: ArmEvidence, context: GateContext) -> Verdict | None:
    """Why nothing is judged yet; None when the sample is there and the hold is over."""
    counts = _counts(known)
    numbers = tuple(_count_numbers(counts))
    sample = min(total for _, total in counts)
    planned = spec.experiment.planned()
    if any(total < needed for (_, total), needed in zip(counts, planned, strict=True)):
        said = ", ".join(
            f"{total:,.0f} of {needed:,} units on {arm}"
            for arm, (_, total), needed in zip(ARMS, counts, planned, strict=True)
        )
        idle = idle_verdict(known)
        if idle is not None:
            because = f"{idle.because}; {said}"
            return replace(idle, because=because, numbers=numbers, sample=sample)
        return Verdict(
            outcome=Outcome.INCONCLUSIVE,
            because=f"{said}: nothing is judged before the planned sample",
            numbers=numbers,
            settles_at=context.now + timedelta(seconds=_LOOKS_AHEAD * context.interval_s),
            sample=sample,
        )
    over_at = timedelta(seconds=spec.hold_s) + (context.since or context.now)
    if context.now >= over_at:
        return None
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=f"the planned sample is there; judged at the hold's end, {over_at:%H:%M:%S} UTC",
        numbers=numbers,
        settles_at=over_at,
        sample=sample,
    )


def _concluded(experiment: Experiment, known: ArmEvidence) -> Verdict:
    """The one judgement."""
    counts = _counts(known)
    for arm, (success, total) in zip(ARMS, counts, strict=True):
        if success > total:
            return error(f"{arm}: success {success:g} > total {total:g}: success is no part of it")
    control, canary = counts
    weights = [experiment.arms[arm] for arm in ARMS]
    srm = split_test([control[1], canary[1]], weights)
    numbers = (*_count_numbers(counts), ("split_p", srm.p_value))
    if srm.p_value < SPLIT_P_MIN:
        because = (
            f"sample ratio mismatch: {control[1]:,.0f} units on control and {canary[1]:,.0f} on "
            f"canary at {weights[0] / 100:g}:{weights[1] / 100:g} (p {srm.p_value:.2g} < "
            f"{SPLIT_P_MIN:g}); the units are not split as intended, so nothing is judged"
        )
        return _verdict(Outcome.INCONCLUSIVE, because, numbers, counts=counts)
    (found,) = compare_with_control(control, (canary,), alpha=experiment.test.alpha)
    outcome, result = _result(experiment, found)
    because = f"{result}: {_shown(experiment, counts, found)}"
    return _verdict(outcome, because, (*numbers, *_found_numbers(found)), counts=counts)


def _result(experiment: Experiment, found: Comparison) -> tuple[Outcome, str]:
    """What was found, and the verdict that leads to what `decide` says of it."""
    if not found.is_significant:
        outcome = {
            OnUndecided.SHIP: Outcome.PASS,
            OnUndecided.ROLLBACK: Outcome.FAIL,
            OnUndecided.PAUSE: Outcome.INCONCLUSIVE,
        }[experiment.decide.inconclusive]
        return outcome, f"inconclusive, {experiment.decide.inconclusive} as declared"
    is_better = (found.effect > 0) is (experiment.want is Want.INCREASE)
    if is_better:
        return Outcome.PASS, f"better, {experiment.decide.better} as declared"
    return Outcome.FAIL, f"worse, {experiment.decide.worse} as declared"


def _shown(experiment: Experiment, counts: tuple[Counts, Counts], found: Comparison) -> str:
    """Both shares, the effect, its interval and the test, in one line."""
    control, canary = counts
    alpha = experiment.test.alpha
    relation = "<" if found.is_significant else ">="
    test = "Fisher's test" if found.method == FISHER else f"chi-square {found.statistic:.5g}"
    return (
        f"canary {_share(canary)}, control {_share(control)}, effect {found.effect * 100:+.3g}pp "
        f"({(1 - alpha) * 100:g}% interval {found.low * 100:+.3g}pp to {found.high * 100:+.3g}pp), "
        f"{test}, {told_p(found.p_value)} {relation} {alpha:g}"
    )


def _share(counts: Counts) -> str:
    return f"{counts[0] / counts[1] * 100:.3g}% of {counts[1]:,.0f}"


def _count_numbers(counts: tuple[Counts, Counts]) -> Iterator[tuple[str, float]]:
    for arm, (success, total) in zip(ARMS, counts, strict=True):
        yield f"{arm}_success", success
        yield f"{arm}_total", total


def _found_numbers(found: Comparison) -> Iterator[tuple[str, float]]:
    if math.isfinite(found.statistic):
        yield "odds_ratio" if found.method == FISHER else "chi_square", found.statistic
    yield "p_value", found.p_value
    yield "effect", found.effect
    yield "interval_low", found.low
    yield "interval_high", found.high


def _verdict(
    outcome: Outcome,
    because: str,
    numbers: tuple[tuple[str, float], ...],
    *,
    counts: tuple[Counts, Counts],
) -> Verdict:
    sample = min(total for _, total in counts)
    return Verdict(outcome=outcome, because=because, numbers=numbers, sample=sample)


def _to_json(verdict: Verdict) -> Json:
    return [verdict.outcome.value, verdict.because, verdict.numbers, verdict.sample]


def _from_json(stored: Json) -> Verdict:
    outcome, because, numbers, sample = cast("list[Any]", stored)  # Any: a row of mixed type
    return Verdict(
        outcome=Outcome(outcome),
        because=because,
        numbers=tuple([(name, number) for name, number in numbers]),
        sample=sample,
    )
