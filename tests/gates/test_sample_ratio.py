"""Units against weights: a wrong split pauses, a right one is called wrong once in a thousand."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.sample_ratio import SampleRatio, SampleRatioSpec
from worlds.two_arms import START, TwoArms, context_at, reading_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
UNITS = 'units_total{model="${arm.labels.model}"}'
SPEC = SampleRatioSpec(units=UNITS)
BETA = (Condition(attribute="beta", values=(True,)),)


def begun(weight_bp=500, **context):
    gate = TwoArms(SampleRatio(), SPEC, **{"exposure": split(weight_bp), **context})
    gate.happen((0,), (0,))
    return gate


def test_a_right_split_passes_once_eight_units_are_expected_on_the_smaller_arm():
    """At 5% that is 160 units of both."""
    gate = begun()

    assert gate.happen((142,), (8,)) is INCONCLUSIVE
    assert "too few units yet" in gate.verdict.because
    assert gate.happen((10,), (1,)) is PASS
    assert "control 152 at 95%, canary 9 at 5%" in gate.verdict.because
    assert gate.verdict.sample == 161


def test_its_own_minimum_is_the_gates():
    """`min_sample` counts units of both arms."""
    gate = begun(min_sample=1000.0)

    assert gate.happen((460,), (25,)) is INCONCLUSIVE


@pytest.mark.parametrize("canary", [0, 300])
def test_too_few_are_as_wrong_as_too_many(canary):
    """A canary that loses its units must not be compared; no minimum is waited for."""
    gate = begun(min_sample=10_000.0)

    assert gate.happen((1900,), (canary,)) is FAIL
    assert "not the intended split" in gate.verdict.because
    assert gate.verdict.sample == 10_000.0


def test_the_p_value_is_shown_for_this_look_alone():
    """450 of 10,000 at 5% is p = 0.0218 by the chi-square table; it decides nothing."""
    gate = begun()

    assert gate.happen((9550,), (450,)) is PASS
    assert dict(gate.verdict.numbers)["p_value"] == pytest.approx(0.0218, abs=5e-5)


def test_a_unit_on_an_arm_without_weight_fails_at_once():
    """Nobody should be there."""
    gate = begun(0)
    all_canary = begun(10_000)

    assert gate.happen((1000,), (1,)) is FAIL
    assert "units on canary, which has no weight" in gate.verdict.because
    assert all_canary.happen((1,), (1000,)) is FAIL
    assert "units on control" in all_canary.verdict.because


def test_an_arm_without_weight_and_without_units_is_right():
    """There is nothing to find."""
    gate = begun(10_000)

    assert gate.happen((0,), (50,)) is PASS


def test_evidence_goes_on_through_a_ramp_at_each_weight():
    """Right at 5% and right at 25%: pooled, neither would be."""
    gate = begun()
    for _ in range(20):
        gate.happen((1900,), (100,))
    later = START + timedelta(seconds=gate.seconds)

    for _ in range(20):
        outcome = gate.happen((1500,), (500,), exposure=split(2500), since=later)

    assert outcome is PASS
    assert dict(gate.verdict.numbers)["canary_units"] == 10_000


def test_a_look_that_spans_a_change_of_the_weight_is_no_evidence_in_a_guardrail():
    """A guardrail's time begins with the first exposure, so it must see the change itself."""
    gate = begun()
    gate.happen((1900,), (100,))

    assert gate.happen((100,), (900,), exposure=split(2500)) is INCONCLUSIVE
    assert "no evidence" in gate.verdict.because
    assert gate.happen((1500,), (500,), exposure=split(2500)) is PASS
    assert dict(gate.verdict.numbers)["control_units"] == 1500


@pytest.mark.parametrize(
    ("exposure", "words"),
    [
        (None, "nothing was written yet"),
        (split(0, shadow_bp=1000), "mirrored requests only"),
        (split(500, include=BETA), "include serves units besides"),
    ],
)
def test_where_units_are_not_split_by_weight_nothing_is_judged(exposure, words):
    """Neither pass nor fail."""
    gate = begun(exposure=exposure)

    assert gate.happen((1000,), (1000,)) is INCONCLUSIVE
    assert words in gate.verdict.because


def test_one_idle_arm_is_judged_and_two_are_no_data():
    """New units are rare; none at all for ten looks says nothing."""
    gate = begun()
    gate.happen((190,), (10,))

    outcomes = [gate.happen((1,), (0,)) for _ in range(12)]
    silent = [gate.happen((0,), (0,)) for _ in range(10)]

    assert outcomes == [PASS] * 12
    assert silent == [PASS] * 9 + [Outcome.NO_DATA]


def test_a_right_split_is_hardly_ever_called_wrong():
    """1 in 1,000 is stated; 3 in 60 would be a bug."""
    rng = random.Random(7)  # noqa: S311 - a simulation
    failed = 0
    for _ in range(60):
        gate = begun()
        for _ in range(100):
            canary = sum(rng.random() < 0.05 for _ in range(20))
            if gate.happen((20 - canary,), (canary,)) is FAIL:
                failed += 1
                break

    assert failed <= 2


def test_nothing_new_yet_shows_nothing():
    """No division by it."""
    gate = begun()

    assert gate.happen((0,), (0,)) is INCONCLUSIVE
    assert "canary 0% of 0" in gate.verdict.because


def test_a_reading_that_tells_nothing_is_never_judged():
    """Also not the missing one."""
    queries = SampleRatio().queries(SPEC, context_at(30))
    readings = [reading_of(query, "down") for query in queries]

    for found in (readings, readings[:1]):
        _, verdict = SampleRatio().assess(SPEC, None, found, context_at(30))
        assert verdict.outcome is Outcome.ERROR


def test_a_spec_says_what_is_wrong_with_it_and_what_it_asks():
    """One selector that tells the arms apart."""
    [(key, message, _)] = SampleRatio().problems(SampleRatioSpec(units="users_total"))

    assert (key, "both arms the same" in message) == ("units", True)
    assert SampleRatio().problems(SPEC) == ()
    assert SampleRatio().texts(SPEC) == {"units": UNITS}
    assert SampleRatio().query_kinds(SPEC) == {"counters"}
