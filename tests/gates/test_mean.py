"""Cost per request against control's: three outcomes, twenty looks at the least."""

from __future__ import annotations

import random

import pytest

from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.mean import BATCHES, Mean
from rolloutctl.gates.mean_spec import MeanSpec
from worlds.two_arms import TwoArms, context_at, reading_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
COST = 'cost_usd_total{model="${arm.labels.model}"}'
REQUESTS = 'requests_total{model="${arm.labels.model}"}'
SPEC = MeanSpec(sum_=COST, count=REQUESTS)


def served(gate, *, looks, factor, rng, sizes=(1425, 75)):
    """Looks at requests whose cost varies; the canary's is `factor` times control's."""
    outcomes = []
    for _ in range(looks):
        arms = []
        for size, times in zip(sizes, (1.0, factor), strict=True):
            mean = 0.01 * times * (1 + rng.gauss(0, 1) / size**0.5)
            arms.append((size * mean, size))
        outcomes.append(gate.happen(*arms))
    return outcomes


def begun(spec=SPEC, **context):
    gate = TwoArms(Mean(), spec, **context)
    gate.happen((0, 0), (0, 0))
    return gate


def test_nothing_is_said_before_twenty_looks():
    """The normal approximation is poor before; a canary ten times as dear waits, too."""
    gate = begun()

    outcomes = served(gate, looks=BATCHES.least, factor=10, rng=random.Random(1))  # noqa: S311 - a simulation

    assert outcomes == [INCONCLUSIVE] * 19 + [FAIL]
    assert " above it, at least " in gate.verdict.because


def test_a_canary_as_dear_as_control_passes():
    """No sign of more than the margin, which is 10% unless it is said."""
    gate = begun()

    outcomes = served(gate, looks=60, factor=1, rng=random.Random(2))  # noqa: S311 - a simulation

    assert outcomes == [INCONCLUSIVE] * 19 + [PASS] * 41
    assert "no sign of more than 10% (" in gate.verdict.because
    assert gate.verdict.because.endswith(" below it)")
    assert dict(gate.verdict.numbers)["canary_mean"] == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("margin", "outcome"), [("10%", FAIL), ("1.5x", PASS), ("+0.001", FAIL), ("+0.005", PASS)]
)
def test_the_margin_is_relative_or_an_amount(margin, outcome):
    """A quarter more than 0.01 is more than 10%, and less than 0.005 more."""
    gate = begun(MeanSpec(sum_=COST, count=REQUESTS, margin=margin))

    assert served(gate, looks=150, factor=1.25, rng=random.Random(3))[-1] is outcome  # noqa: S311 - a simulation


def test_a_strict_gate_passes_only_what_is_shown():
    """At the margin it never passes; well within it does, in time."""
    outcomes = {}
    rng = random.Random(5)  # noqa: S311 - a simulation
    for factor in (1.0, 1.1):
        gate = begun(MeanSpec(sum_=COST, count=REQUESTS, strict=True), error_rate=1e-6)
        outcomes[factor] = served(gate, looks=150, factor=factor, rng=rng, sizes=(950, 30))

    assert outcomes[1.0][20] is INCONCLUSIVE
    assert outcomes[1.0][-1] is PASS
    assert PASS not in outcomes[1.1]


def test_equal_costs_to_the_last_digit_are_no_evidence():
    """Rounding of floats is not a difference: with a margin of 1x it would be one."""
    gate = begun(MeanSpec(sum_=COST, count=REQUESTS, margin="1x"))

    outcomes = [gate.happen((1425 * 0.0017, 1425), (75 * 0.0017, 75)) for _ in range(40)]

    assert FAIL not in outcomes
    assert outcomes[-1] is PASS


def test_a_look_with_an_idle_arm_is_no_batch():
    """Nothing was compared."""
    gate = begun()
    for _ in range(30):
        outcome = gate.happen((14.25, 1425), (0, 0))

    assert outcome is Outcome.NO_DATA
    assert gate.happen((14.25, 1425), (6, 600)) is INCONCLUSIVE
    assert "1 of 20 looks" in gate.verdict.because
    assert "canary 0.01 of 600" in gate.verdict.because


def test_an_arm_that_never_had_events_is_told_as_nothing():
    """Its mean is left out."""
    gate = begun()
    gate.happen((14.25, 1425), (0, 0))

    assert "canary nothing" in gate.verdict.because
    assert "canary_mean" not in dict(gate.verdict.numbers)


def test_a_reading_that_tells_nothing_is_never_judged():
    """Also not the missing one."""
    queries = Mean().queries(SPEC, context_at(30))
    readings = [reading_of(query, "down") for query in queries]

    assert Mean().assess(SPEC, None, readings, context_at(30))[1].outcome is Outcome.ERROR
    assert Mean().assess(SPEC, None, readings[:2], context_at(30))[1].outcome is Outcome.ERROR


def test_healthy_means_fail_seldom():
    """Sixty short days of heavy-tailed cost: 5 % of them may fail; more than a fifth is a bug."""
    rng = random.Random(11)  # noqa: S311 - a simulation
    failed = 0
    for _ in range(60):
        gate = begun(MeanSpec(sum_=COST, count=REQUESTS, margin="1x"))
        for _ in range(120):
            arms = [(sum(rng.lognormvariate(0, 1) for _ in range(size)), size) for size in (95, 15)]
            if gate.happen(*arms) is FAIL:
                failed += 1
                break

    assert failed <= 8


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"sum_": "rate(x[5m])"}, "sum", "raw counters"),
        ({"count": "x"}, "count", "both arms the same"),
        ({"margin": "5pp"}, "margin", "cannot read"),
        ({"margin": "+5pp"}, "margin", "cannot read"),
        ({"margin": "+x"}, "margin", "cannot read"),
        ({"margin": "+0"}, "margin", "cannot read"),
        ({"margin": "0.5x"}, "margin", "cannot read"),
    ],
)
def test_a_spec_that_cannot_work_is_a_problem(changes, where, words):
    """Each says where and what to write instead."""
    [(key, message, fix)] = Mean().problems(MeanSpec(**{"sum_": COST, "count": REQUESTS} | changes))

    assert key == where
    assert words in message
    assert fix


def test_a_sound_spec_has_no_problems_and_says_what_it_asks():
    """Counters only, by key."""
    assert Mean().problems(SPEC) == ()
    assert Mean().texts(SPEC) == {"sum": COST, "count": REQUESTS}
    assert Mean().query_kinds(SPEC) == {"counters"}
