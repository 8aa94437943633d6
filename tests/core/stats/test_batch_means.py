"""A confidence sequence for differences of means: by hand, by numpy, and its error rate."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.stats.batch_means import BatchMeans, estimate, fold_batch, half_width

BATCHES = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0.1, 1e4)), min_size=2, max_size=40)


def after(batches):
    means = BatchMeans()
    for difference, weight in batches:
        means = fold_batch(means, difference=difference, weight=weight)
    return means


@given(BATCHES)
def test_the_sums_give_the_weighted_mean_and_its_variance(batches):
    """As numpy computes them from all batches at once."""
    d, w = np.array(batches).T
    centre = float((w * d).sum() / w.sum())
    variance = float((w**2 * (d - centre) ** 2).sum() / w.sum() ** 2 * len(d) / (len(d) - 1))

    found = estimate(after(batches))

    assert found[0] == pytest.approx(centre, abs=1e-9)
    assert found[1] == pytest.approx(variance, rel=1e-6, abs=1e-9)


def test_small_differences_around_a_large_one_lose_no_digits():
    """A billion plus or minus one: the variance is not what is left of 1e18."""
    means = after([(1e9 + one, 1.0) for one in (-1, 1, -1, 1)])

    assert estimate(means) == pytest.approx((1e9, 1 / 3), rel=1e-9)


def test_the_half_width_is_the_formula_written_out():
    """Equation 134 of the paper, sixty batches, alpha 5 %."""
    means = after([(float(one % 2), 1.0) for one in range(60)])
    a = 0.1
    r2 = (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / 60
    variance = estimate(means)[1]
    bound = 2 * (60 * r2 + 1) / (60**2 * r2) * math.log(1 + math.sqrt(60 * r2 + 1) / 0.1)

    found = half_width(means, alpha=0.05, best_at=60)

    assert found == pytest.approx(math.sqrt(variance * 60 * bound), rel=1e-12)


def test_nothing_and_one_batch_say_nothing():
    """Their bound is infinite."""
    one = after([(3.0, 2.0)])

    assert estimate(BatchMeans()) == (0.0, math.inf)
    assert estimate(one) == (3.0, math.inf)
    assert half_width(one, alpha=0.05, best_at=60) == math.inf


def test_an_alpha_that_says_nothing_still_has_a_bound():
    """It is cut off below one half."""
    means = after([(float(one % 2), 1.0) for one in range(60)])

    assert half_width(means, alpha=0.9, best_at=60) == half_width(means, alpha=0.49, best_at=60)


def test_the_truth_is_outside_as_seldom_as_stated():
    """500 days of 500 looks, looked at each time: of 5 % stated, at most 8 % are seen."""
    rng = random.Random(17)  # noqa: S311 - a simulation
    outside = 0
    for _ in range(500):
        means = BatchMeans()
        for look in range(500):
            means = fold_batch(means, difference=rng.gauss(0, 1), weight=1.0)
            if look >= 20 and estimate(means)[0] > half_width(means, alpha=0.05, best_at=60):
                outside += 1
                break

    assert outside <= 40
