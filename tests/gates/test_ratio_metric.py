"""Thumbs: votes that come in late count only where their answers belong to this exposure."""

from __future__ import annotations

from datetime import timedelta

from rolloutctl.core.exposure import split
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.gates.ratio_metric import RatioMetric, RatioMetricSpec
from worlds.two_arms import START, TwoArms

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
DOWN = 'votes_total{model="${arm.labels.model}",vote="down"}'
VOTES = 'votes_total{model="${arm.labels.model}"}'
SPEC = RatioMetricSpec(bad=DOWN, total=VOTES, delay_s=600.0)
#: Fast votes are angry ones: what a canary shows at first.
ANGRY, CALM, CONTROL = (60, 80), (30, 150), (200, 1000)


def begun(spec=SPEC, **context):
    gate = TwoArms(RatioMetric(), spec, **context)
    gate.happen((0, 0), (0, 0))
    return gate


def test_votes_within_the_delay_are_no_evidence():
    """Ten minutes of angry votes fail nobody; `compare` would fail at once."""
    gate, plain = begun(), TwoArms(Compare(), CompareSpec(bad=DOWN, total=VOTES))
    plain.happen((0, 0), (0, 0))

    outcomes = [gate.happen(CONTROL, ANGRY) for _ in range(19)]

    assert outcomes == [INCONCLUSIVE] * 19
    assert "another 10m" in gate.verdict.because
    assert gate.verdict.settles_at is not None
    assert plain.happen(CONTROL, ANGRY) is FAIL


def test_after_the_delay_votes_are_compared():
    """A calm canary passes, an angry one fails."""
    calm, angry = begun(), begun()
    for gate in (calm, angry):
        for _ in range(19):
            gate.happen(CONTROL, ANGRY)

    assert [calm.happen(CONTROL, CALM) for _ in range(4)][-1] is PASS
    assert angry.happen(CONTROL, ANGRY) is FAIL


def test_another_weight_starts_the_delay_anew():
    """Votes on answers of the old weight still come in; in a guardrail nothing else says so."""
    for more in ({}, {"since": START + timedelta(seconds=1500)}):
        gate = begun(exposure=split(500))
        for _ in range(50):
            gate.happen(CONTROL, CALM)

        outcomes = [
            gate.happen(CONTROL, ANGRY, **{"exposure": split(2500), **more}) for _ in range(19)
        ]

        assert outcomes == [INCONCLUSIVE] * 19


def test_rare_votes_are_no_silence():
    """No vote within the delay is what a delay means."""
    gate = begun()
    for _ in range(20):
        gate.happen(CONTROL, CALM)
    for _ in range(5):
        gate.happen(CONTROL, CALM)

    outcomes = [gate.happen(CONTROL, (0, 0)) for _ in range(20)]

    assert outcomes == [PASS] * 19 + [Outcome.NO_DATA]


def test_a_delay_of_nothing_is_a_problem():
    """Then `compare` is the right kind."""
    spec = RatioMetricSpec(bad=DOWN, total=VOTES, delay_s=0.0)

    [(key, _, fix)] = RatioMetric().problems(spec)

    assert (key, "kind: compare" in fix) == ("delay", True)
    assert RatioMetric().problems(SPEC) == ()
