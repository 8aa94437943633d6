"""Gate kind `exposure`: what the vendor's real SDK serves is what the step has written.

Made by `verify_exposure: true`, one for each step that changes a target. The provider asks its
SDK for made-up units, as `rolloutctl verify` does; the gate passes once the interval of every
share contains the intended one. It stays passed while this exposure is in force: the
step's other gates need to know once that they judge what they believe to judge.

A wrong share counts only after the provider's propagation time, and once it was measured a
second time; then it pauses the rollout: the canary is not what is wrong. Intervals are of
99.994 % (z = 4), so one in several thousand rollouts is stopped by chance.

What it cannot do: see what applications send. It uses the fields that the rollout is
bucketed by; an application that leaves them out gets other shares, which `sample-ratio` sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from rolloutctl.core.exposure import CONTROL, Exposure
from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading, Sample
from rolloutctl.core.observation import ArmCounts
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.ports import GateContext
from rolloutctl.core.served_shares import (
    ServedShare,
    exposure_text,
    off_because,
    served_shares,
)
from rolloutctl.core.units import doc
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.readings import error, unusable

#: Normal quantile of the intervals: each share errs once in 16,000 times.
Z = 4.0
#: The labels by which the source tells what it counted.
ARM, COUNT, REASON, FIELD, MISSING = "arm", "count", "reason", "field", "missing"
#: And the one of how long changes take, in seconds.
PROPAGATION = "propagation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureSpec:
    """`mirrors`: the target has a shadow flag, whose share is verified too."""

    mirrors: bool = doc("the target has a shadow flag", default=False)


class ExposureGate:
    """The real SDK against the intended share; see the module's docstring."""

    name: ClassVar[str] = "exposure"
    Spec: ClassVar[type] = ExposureSpec
    is_implied: ClassVar[bool] = True
    default_on_fail: ClassVar[OnFail] = OnFail.PAUSE

    def problems(self, spec: ExposureSpec) -> Sequence[tuple[str, str, str]]:  # noqa: ARG002 - the protocol's
        """Nothing: it is not written by hand."""
        return ()

    def texts(self, spec: ExposureSpec) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """No text holds references."""
        return {}

    def query_kinds(self, spec: ExposureSpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Counts of the vendor's SDK."""
        return frozenset({QueryKind.EXPOSURE})

    def queries(self, spec: ExposureSpec, context: GateContext) -> Sequence[Query]:  # noqa: ARG002 - the protocol's
        """One, once the step's exposure is in force and until it was seen to be served."""
        text = _asked_of(context)
        if not text or context.has_passed:
            return ()
        return (Query(kind=QueryKind.EXPOSURE, text=text),)

    def assess(
        self,
        spec: ExposureSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Passes once for the exposure that the question names."""
        asked = _asked_of(context)
        passed = _passed_before(evidence, asked)
        if passed is not None:
            return evidence, passed
        if context.exposure is None or not readings or readings[0].query.text != asked:
            return evidence, _not_yet(context, "the SDK is asked once the step is in force")
        if context.exposure.audience is not None or context.exposure.include is not None:
            because = "an audience or a cohort is served: shares of everybody say nothing of it"
            return evidence, error(because)
        stand_in = unusable(readings)
        measurement = readings[0].measurement
        if measurement is not None and measurement.detail and not measurement.samples:
            return evidence, _not_yet(context, measurement.detail)
        if stand_in is not None or measurement is None:
            return evidence, stand_in or error("the SDK was not asked")
        verdict = _judged(spec, context.exposure, _counts_of(measurement.samples))
        if verdict.outcome is Outcome.PASS:
            return [asked, verdict.because, [list(one) for one in verdict.numbers]], verdict
        return evidence, _while_propagating(verdict, measurement.samples, context)

    def foresee(
        self, spec: ExposureSpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`: it is not rehearsed."""
        del spec, evidence, ahead, context
        return None


def _asked_of(context: GateContext) -> str:
    """What is to be verified; "" where nothing is in force."""
    if context.exposure is None or context.since is None:
        return ""
    return exposure_text(context.exposure, context.since)


def _passed_before(evidence: Json, asked: str) -> Verdict | None:
    """The verdict that was given for this very exposure; None if none was."""
    if not asked or not isinstance(evidence, list) or evidence[0] != asked:
        return None
    _, because, numbers = evidence
    rows = tuple([(str(name), float(number)) for name, number in numbers])
    return Verdict(outcome=Outcome.PASS, because=str(because), numbers=rows)


def _not_yet(context: GateContext, because: str) -> Verdict:
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=because,
        settles_at=context.now + timedelta(seconds=context.interval_s),
    )


def _while_propagating(
    verdict: Verdict, samples: Sequence[Sample], context: GateContext
) -> Verdict:
    """What is wrong counts only once the change has had the time to be everywhere."""
    taken_s = max([one.value for one in samples if (PROPAGATION, "s") in one.labels], default=0.0)
    if verdict.outcome is not Outcome.FAIL or context.since is None:
        return verdict
    over_at = context.since + timedelta(seconds=taken_s)
    if context.now >= over_at:
        return verdict
    because = f"the change may take until {over_at:%H:%M:%S} UTC ({verdict.because})"
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, because=because, settles_at=over_at)


def _counts_of(samples: Sequence[Sample]) -> ArmCounts:
    """The counts as `runner.exposure_source` tells them."""
    told: dict[str, list[tuple[str, int]]] = {
        kind: [] for kind in (ARM, COUNT, REASON, FIELD, MISSING, PROPAGATION)
    }
    for sample in samples:
        for kind, name in sample.labels:
            told[kind].append((name, int(sample.value)))
    counted = dict(told[COUNT])
    return ArmCounts(
        units=counted.get("units", 0),
        arms=tuple(told[ARM]),
        shadow=counted.get("shadow", 0),
        other=counted.get("other", 0),
        errors=counted.get("errors", 0),
        context=tuple([name for name, _ in told[FIELD]]),
        missing=tuple([name for name, _ in told[MISSING]]),
        reasons=tuple(told[REASON]),
    )


def _judged(spec: ExposureSpec, exposure: Exposure, counts: ArmCounts) -> Verdict:
    if counts.units < 1:
        return error("the SDK was asked for no unit")
    shares = served_shares(exposure, counts, mirrors=spec.mirrors, z=Z)
    wrong = [share for share in shares if not share.is_as_intended]
    numbers = tuple([(f"{one.name.replace(' ', '_')}_units", float(one.count)) for one in shares])
    # Control has what is left: it is named only where nothing else is wrong.
    named = [share for share in wrong or shares if share.name != CONTROL] or wrong
    shown = ", ".join([_shown(share) for share in named])
    because = f"the SDK serves {shown}, of {counts.units:,} units"
    if not wrong:
        return Verdict(outcome=Outcome.PASS, because=because, numbers=numbers)
    why = off_because(counts)
    return Verdict(
        outcome=Outcome.FAIL, because=f"{because}; {why}" if why else because, numbers=numbers
    )


def _shown(share: ServedShare) -> str:
    seen = f"{share.name} {share.observed * 100:.3g}%"
    if share.is_as_intended:
        return f"{seen} (intended {share.intended * 100:g}%)"
    low, high = share.lower * 100, share.upper * 100
    return f"{seen} ({low:.3g}% to {high:.3g}%), intended {share.intended * 100:g}%"
