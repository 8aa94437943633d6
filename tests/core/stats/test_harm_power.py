"""How long a comparison needs: beside simulations, at the edges, and turned around."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.stats.harm_power import (
    FACTOR_MAX,
    Traffic,
    seconds_to_see,
    smallest_factor,
)
from rolloutctl.core.stats.harm_process import begin, e_value, fold_tick

LOOK_S = 30.0


def traffic(per_s=50.0, weight=0.25, bad_share=0.02):
    return Traffic(
        control_per_s=per_s * (1 - weight), canary_per_s=per_s * weight, bad_share=bad_share
    )


def simulated_s(arms, factor, *, tolerated, runs=100):
    """The 80 % quantile of the time to reach 1/alpha, in seconds; counts are Poisson."""
    rng = random.Random(11)  # noqa: S311 - a simulation

    def poisson(mean):
        # Normal with a continuity correction where the mean is large enough for it.
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))

    found = []
    for _ in range(runs):
        process, looks = begin(1000), 0
        while e_value(process) < 20:
            n0, n1 = arms.control_per_s * LOOK_S, arms.canary_per_s * LOOK_S
            k0, k1 = poisson(n0 * arms.bad_share), poisson(n1 * arms.bad_share * factor)
            process = fold_tick(process, control=(k0, n0), canary=(k1, n1), tolerated=tolerated)
            looks += 1
        found.append(looks * LOOK_S)
    return sorted(found)[int(runs * 0.8)]


@pytest.mark.parametrize(
    ("arms", "factor", "tolerated"),
    [
        (traffic(), 1.5, 1.0),
        (traffic(), 2.0, 1.25),
        (traffic(per_s=20, weight=0.5, bad_share=0.05), 1.5, 1.0),
        (traffic(per_s=100, weight=0.05, bad_share=0.02), 2.0, 1.0),
    ],
)
def test_the_time_is_that_of_simulated_rollouts(arms, factor, tolerated):
    """Not too short by more than a look and a tenth, not too long by more than 45 %."""
    computed_s = seconds_to_see(arms, factor, error_rate=0.05, tolerated=tolerated)
    simulated = simulated_s(arms, factor, tolerated=tolerated)

    assert simulated * 0.9 - LOOK_S <= computed_s <= simulated * 1.45


@pytest.mark.parametrize(
    ("arms", "factor"),
    [
        (traffic(per_s=0), 2.0),
        (traffic(weight=0), 2.0),
        (traffic(weight=1), 2.0),
        (traffic(bad_share=0), 2.0),
        (traffic(), 1.0),
        (traffic(), 0.5),
    ],
)
def test_what_cannot_be_seen_takes_for_ever(arms, factor):
    """No traffic on an arm, nothing bad to count, no harm."""
    assert seconds_to_see(arms, factor, error_rate=0.05) == math.inf


def test_a_harm_within_the_margin_is_never_seen():
    """1.2 times as bad under a margin of 1.25x."""
    assert seconds_to_see(traffic(), 1.2, error_rate=0.05, tolerated=1.25) == math.inf


def test_a_canary_cannot_be_worse_than_all_bad():
    """Control fails half of its requests: three times as bad is not possible, twice is."""
    arms = traffic(bad_share=0.5)

    assert smallest_factor(arms, 3600, error_rate=0.05) <= 2.0
    assert seconds_to_see(arms, 50.0, error_rate=0.05) > 0


@given(st.floats(0.1, 1000), st.floats(0.01, 0.9), st.floats(0.0005, 0.3), st.floats(60, 10**6))
def test_the_smallest_factor_is_just_seen(per_s, weight, bad_share, within_s):
    """Seen within the time; a little less is not."""
    arms = traffic(per_s=per_s, weight=weight, bad_share=bad_share)
    factor = smallest_factor(arms, within_s, error_rate=0.0125)

    if factor == math.inf:
        largest = min(FACTOR_MAX, 1 / bad_share)
        assert seconds_to_see(arms, largest, error_rate=0.0125) > within_s
    else:
        assert seconds_to_see(arms, factor, error_rate=0.0125) <= within_s
        assert seconds_to_see(arms, factor * 0.999, error_rate=0.0125) > within_s * 0.99


def test_without_anything_bad_no_factor_is_seen():
    """Many times nothing is nothing."""
    assert smallest_factor(traffic(bad_share=0), 3600, error_rate=0.05) == math.inf
