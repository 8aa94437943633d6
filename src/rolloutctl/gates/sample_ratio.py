"""Gate kind `sample-ratio`: do the arms get the units that their weights promise?

A split that is not what it should be means that units are lost, kept from an arm, or
assigned twice, and then no comparison of the arms says anything. So this gate has an error
rate of its own, 0.1 % in the whole rollout however often it looks, and pauses: neither the
canary nor control is known to be at fault. A unit on an arm without weight fails at once.

`units` counts units, not requests: each unit once, when it is first assigned in this
rollout. A unit that goes to another arm when the weight grows must not be counted again:
it would be counted for the canary alone.

What it cannot do: judge a step that serves `include` besides the weights, or one that only
mirrors. An audience is fine: count the units of the audience only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, cast

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CONTROL, FULL_BP, format_bp
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.ports import GateContext
from rolloutctl.core.stats.harm_process import HarmProcess, e_value
from rolloutctl.core.stats.sample_ratio import begin_ratio, fold_units
from rolloutctl.core.stats.split_test import split_test
from rolloutctl.core.units import doc
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arm_evidence import IDLE_LOOKS_MAX, arm_evidence_of, counted, look
from rolloutctl.gates.arms import ArmTick, Asked, arm_queries, unusable_arms
from rolloutctl.gates.compare_course import process_of
from rolloutctl.gates.compare_spec import Problem, text_problems
from rolloutctl.gates.readings import no_data

#: The chance that a right split is called wrong, in the whole rollout.
ERROR_RATE = 0.001
#: Units expected on the smaller arm below which nothing passes.
EXPECTED_MIN = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatioSpec:
    """Units of both arms against the weights of the exposure."""

    units: str = doc("selector of the counters of units (users, sessions), with ${arm.…}")

    def asked(self) -> Asked:
        """The text asked of both arms."""
        return Asked(texts=(("units", self.units),))


class _Split(NamedTuple):
    """The evidence, and the units of this exposure by arm. JSON as it stands."""

    process: HarmProcess
    since_s: float
    control: float = 0.0
    canary: float = 0.0


class SampleRatio:
    """Units against weights; see the module's docstring."""

    name: ClassVar[str] = "sample-ratio"
    Spec: ClassVar[type] = SampleRatioSpec
    carries_evidence: ClassVar[bool] = True
    compares_arms: ClassVar[bool] = True
    judges_split: ClassVar[bool] = True
    default_on_fail: ClassVar[OnFail] = OnFail.PAUSE

    def problems(self, spec: SampleRatioSpec) -> Sequence[tuple[str, str, str]]:
        """The selector."""
        return tuple(_problems(spec))

    def texts(self, spec: SampleRatioSpec) -> Mapping[str, str]:
        """The text asked of the source, by key."""
        return dict(spec.asked().texts)

    def query_kinds(self, spec: SampleRatioSpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: SampleRatioSpec, context: GateContext) -> Sequence[Query]:
        """Units of control, then of the canary."""
        return arm_queries(spec.asked(), context)

    def assess(
        self,
        spec: SampleRatioSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds the units since the last look, and says whether the split is right."""
        asked = spec.asked()
        stand_in = unusable_arms(asked, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        known = arm_evidence_of(evidence, asked="\n".join([one.query.text for one in readings]))
        known, tick = look(asked, known, readings, context)
        if isinstance(tick, Verdict):
            return known.to_json(), tick
        unsplit = _unsplit(context)
        if unsplit is not None:
            return known.to_json(), unsplit
        split = _with_tick(_split_of(known.process, context), tick, known.served_since_s, context)
        known = counted(known, tick, whole="units", process=split)
        # One arm without new units is what is judged here; no data is none on either.
        if min(known.idle) >= IDLE_LOOKS_MAX:
            return known.to_json(), no_data(f"no new units on any arm for {min(known.idle)} looks")
        return known.to_json(), _verdict(split, context)


def _problems(spec: SampleRatioSpec) -> Iterator[Problem]:
    yield from text_problems({"units": spec.units})


def _weight(context: GateContext) -> float:
    """The canary's weight, 0..1."""
    return 0.0 if context.exposure is None else context.exposure.canary_bp / FULL_BP


def _unsplit(context: GateContext) -> Verdict | None:
    """Why the exposure is no split of units by weight; None if it is one."""
    exposure = context.exposure
    if exposure is None:
        because = "nothing was written yet: nobody is split"
    elif exposure.include is not None:
        because = "include serves units besides the weights: their split cannot be judged"
    elif exposure.canary_bp == 0 and exposure.shadow_bp > 0:
        because = "mirrored requests only: nobody is split"
    else:
        return None
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=because,
        settles_at=context.now + timedelta(seconds=context.interval_s),
    )


def _split_of(stored: Json, context: GateContext) -> _Split:
    if isinstance(stored, _Split):
        return stored
    if stored is None:
        return _Split(begin_ratio(context.looks), 0.0)
    process, since_s, control, canary = cast("list[Any]", stored)  # Any: as JSON keeps it
    return _Split(process_of(process), since_s, control, canary)


def _with_tick(split: _Split, tick: ArmTick, since_s: float, context: GateContext) -> _Split:
    """The evidence with one more look; the units of another exposure are let go."""
    if split.since_s != since_s:
        split = _Split(split.process, since_s)
    control, canary = tick.control.get("units", 0.0), tick.canary.get("units", 0.0)
    process, weight = split.process, _weight(context)
    if 0 < weight < 1:
        process = fold_units(process, control=control, canary=canary, weight=weight)
    return _Split(process, since_s, split.control + control, split.canary + canary)


def _verdict(split: _Split, context: GateContext) -> Verdict:
    weight, units = _weight(context), split.control + split.canary
    intended = context.exposure.weights if context.exposure is not None else ()
    words = ", ".join(
        f"{arm} {split.control if arm == CONTROL else split.canary:,.0f} at {format_bp(bp)}"
        for arm, bp in intended
    )
    harm, needed = e_value(split.process), 1 / ERROR_RATE
    p_value = split_test((split.control, split.canary), (1 - weight, weight)).p_value
    shown = f"{words}: canary {split.canary / units * 100 if units else 0:.3g}% of {units:,.0f}"
    numbers = (
        ("canary_units", split.canary),
        ("control_units", split.control),
        ("weight", weight),
        ("evidence", harm),
        ("limit", needed),
        ("p_value", p_value),
    )
    verdict = Verdict(outcome=Outcome.INCONCLUSIVE, because=shown, numbers=numbers, sample=units)
    impossible = [
        arm
        for arm, seen, share in (
            ("control", split.control, 1 - weight),
            ("canary", split.canary, weight),
        )
        if seen > 0 and share <= 0
    ]
    if impossible:
        because = f"{shown}: units on {impossible[0]}, which has no weight"
        return _failed(verdict, because, context)
    if harm >= needed:
        because = f"{shown}: not the intended split (evidence {harm:.3g} >= {needed:g})"
        return _failed(verdict, because, context)
    against = f"evidence {harm:.2g} of {needed:g}, p {p_value:.2g} at this look alone"
    expected = units * (min(weight, 1 - weight) or 1.0)
    if units < context.min_sample or expected < EXPECTED_MIN:
        return evolve(verdict, because=f"{shown}: too few units yet ({against})")
    because = f"{shown}: no sign of a wrong split ({against})"
    return evolve(verdict, outcome=Outcome.PASS, because=because)


def _failed(verdict: Verdict, because: str, context: GateContext) -> Verdict:
    """FAIL; evidence is valid at any count and waits for no minimum sample."""
    sample = max(verdict.sample or 0.0, context.min_sample)
    return evolve(verdict, outcome=Outcome.FAIL, because=because, sample=sample)
