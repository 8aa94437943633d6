"""Requests of one user that fail together: warned about, and judged in batches if declared."""

from __future__ import annotations

import random

import pytest

from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.clustered import BAD_TO_SHOW, BATCHES
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec, Dependence
from rolloutctl.gates.control_seen import DISPERSION_LOOKS_MIN, ControlSeen
from worlds.two_arms import TwoArms

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
BAD = 'req_total{model="${arm.labels.model}",status!="200"}'
TOTAL = 'req_total{model="${arm.labels.model}"}'
#: Looks of 30 s in the shortest judgement: an hour.
HOUR = 120


def spec(dependence=Dependence.CLUSTERED, **more):
    return CompareSpec(bad=BAD, total=TOTAL, dependence=dependence, **more)


def begun(of, **context):
    gate = TwoArms(Compare(), of, **context)
    gate.happen((0, 0), (0, 0))
    return gate


def sessions(rng, requests, rate):
    """Bad requests where ten of a session fail together."""
    return 10 * sum(rng.random() < rate for _ in range(requests // 10))


def test_nothing_is_said_before_an_hour_of_batches():
    """Twelve batches of five minutes; then a bad canary fails."""
    gate = begun(spec())

    outcomes = [gate.happen((5, 1000), (10 + look % 7, 50)) for look in range(HOUR)]

    assert outcomes == [INCONCLUSIVE] * (HOUR - 1) + [FAIL]
    assert BATCHES.least == 12
    assert "worse than 1x (beyond it by" in gate.verdict.because


def test_a_healthy_canary_passes_after_an_hour():
    """Nothing speaks against it."""
    gate = begun(spec(margin="2x"))

    outcomes = [gate.happen((5 + look % 3, 1000), (look % 2, 100)) for look in range(HOUR + 20)]

    assert outcomes[: HOUR - 1] == [INCONCLUSIVE] * (HOUR - 1)
    assert outcomes[-1] is PASS
    assert "12 of 12 batches" not in gate.verdict.because


def test_sessions_that_fail_together_fail_the_plain_gate_and_not_the_declared_one():
    """Twenty healthy days: the plain gate errs far more often than it says."""
    failed = {Dependence.INDEPENDENT: 0, Dependence.CLUSTERED: 0}
    for dependence in failed:
        rng = random.Random(3)  # noqa: S311 - a simulation
        for _ in range(20):
            gate = begun(spec(dependence))
            for _ in range(2 * HOUR):
                arms = [(sessions(rng, n, 0.02), n) for n in (900, 100)]
                if gate.happen(*arms) is FAIL:
                    failed[dependence] += 1
                    break

    assert failed[Dependence.INDEPENDENT] >= 8
    assert failed[Dependence.CLUSTERED] <= 2


def test_a_strict_gate_needs_enough_bad_events_and_the_proof():
    """With five of them a canary at the margin would be shown to be good too often."""
    gate = begun(spec(margin="3x", strict=True))
    few = [gate.happen((5 + look % 3, 1000), (look % 50 == 0, 100)) for look in range(2 * HOUR)]
    because = gate.verdict.because
    many = [gate.happen((5 + look % 3, 1000), (look % 2, 100)) for look in range(3 * HOUR)]
    rng = random.Random(1)  # noqa: S311 - a simulation
    worse = begun(spec(margin="1.01x", strict=True), error_rate=1e-9)
    for look in range(2 * HOUR):
        outcome = worse.happen(
            (5 + look % 3, 1000), (sum(rng.random() < 0.006 for _ in range(100)), 100)
        )

    assert few[-1] is INCONCLUSIVE
    assert f"of {BAD_TO_SHOW:g} bad events of the canary" in because
    assert many[-1] is PASS
    assert "within 3x (by at least" in gate.verdict.because
    assert outcome is INCONCLUSIVE
    assert "not shown to be within 1.01x yet (beyond it by" in worse.verdict.because


def test_an_unhealthy_control_makes_no_batch():
    """What was open is let go, and nothing is concluded."""
    gate = begun(spec(control_max=0.1))
    for _ in range(5):
        gate.happen((5, 1000), (1, 100))

    assert gate.happen((900, 1000), (90, 600)) is INCONCLUSIVE
    assert "control itself is worse" in gate.verdict.because


def test_a_gap_lets_the_open_batch_go():
    """Half a batch before it and half after it are not five minutes."""
    gate = begun(spec())
    for _ in range(9):
        gate.happen((5, 1000), (1, 100))
    gate.happen((5, 1000), (1, 100), after_s=3600)

    for _ in range(9):
        gate.happen((5, 1000), (1, 100))
    assert "0 of 12 batches" in gate.verdict.because
    gate.happen((5, 1000), (1, 100))
    assert "1 of 12 batches" in gate.verdict.because


def test_batches_in_which_an_arm_had_nothing_are_none():
    """There is no share of nothing."""
    gate = begun(spec())
    for _ in range(10):
        gate.happen((0, 0), (1, 100))

    assert gate.happen((0, 0), (1, 600)) is Outcome.NO_DATA
    assert gate.happen((5, 1000), (1, 600)) is INCONCLUSIVE
    assert "0 of 12 batches" in gate.verdict.because


@pytest.mark.parametrize(("clustered", "warns"), [(True, True), (False, False)])
def test_failures_that_cluster_are_warned_about(clustered, warns):
    """Ten at a time vary ten times as much as one at a time."""
    rng = random.Random(9)  # noqa: S311 - a simulation
    gate = begun(spec(Dependence.INDEPENDENT, margin="5x"))
    for _ in range(2 * HOUR):
        if clustered:
            bad = sessions(rng, 900, 0.02)
        else:
            bad = sum(rng.random() < 0.02 for _ in range(900))
        gate.happen((bad, 900), (0, 100))

    assert ("declare dependence: clustered" in gate.verdict.because) is warns


def test_the_dispersion_is_the_one_of_the_formula():
    """By hand: 0 and 20 of 100 in turns; np(1-p) is 9, each square 100."""
    seen = ControlSeen()
    for look in range(DISPERSION_LOOKS_MIN):
        seen = seen.learned((20.0 * (look % 2), 100.0))

    looks = DISPERSION_LOOKS_MIN
    assert seen.dispersion() == pytest.approx(looks * 100 / 9 / (looks - 1))


def test_dispersion_is_not_spoken_of_where_nothing_can_be_said():
    """Too few looks, too few bad events, or nothing but bad ones; idle looks do not count."""
    all_bad = ControlSeen(bad=1e4, total=1e4, squares=1e4, looks=100)

    assert ControlSeen(bad=1e4, total=1e6, squares=1e5, looks=99).dispersion() is None
    assert ControlSeen(bad=49, total=1e6, squares=1e5, looks=100).dispersion() is None
    assert all_bad.dispersion() is None
    assert ControlSeen().learned((0.0, 0.0)) == ControlSeen()


def test_frequent_bad_events_are_found_sooner_than_rare_ones_would_be():
    """Above 5 % the exact form takes over: the same counts are worth more evidence."""
    gate = begun(spec(Dependence.INDEPENDENT), error_rate=1e-9)
    for _ in range(30):
        gate.happen((6, 28), (1, 2))
    halves = begun(spec(Dependence.INDEPENDENT), error_rate=1e-9)
    for _ in range(30):
        halves.happen((6.5, 28), (1.5, 2))

    assert dict(gate.verdict.numbers)["evidence"] > 2
    assert dict(halves.verdict.numbers)["evidence"] > 1


def test_frequent_bad_events_of_one_arm_alone_are_no_evidence():
    """Nothing was compared."""
    gate = begun(spec(Dependence.INDEPENDENT))
    gate.happen((6, 28), (0, 0))

    assert dict(gate.verdict.numbers)["evidence"] == 1.0


@pytest.mark.parametrize("margin", ["1.25x", "+20pp", "16x"])
def test_a_margin_on_frequent_bad_events_is_one_of_shares_not_of_odds(margin):
    """At the margin itself nothing is shown, whatever share of events is bad."""
    gate = begun(spec(Dependence.INDEPENDENT, margin=margin, strict=True), error_rate=0.01)
    share = {"1.25x": 0.5, "+20pp": 0.6, "16x": 1.0}[margin]
    for _ in range(300):
        outcome = gate.happen((40, 100), (round(40 * share), 40))

    assert outcome is (PASS if margin == "16x" else INCONCLUSIVE)
