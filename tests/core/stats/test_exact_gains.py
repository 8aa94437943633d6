"""Exact evidence where bad events are frequent: against scipy, and its expectation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from rolloutctl.core.stats.exact_gains import SUPPORT_MAX, exact_gains
from rolloutctl.core.stats.harm_process import GRID, REVERSE_GRID

ARMS = st.tuples(
    st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.integers(0, 60)
).map(lambda four: (four[0], four[1], min(four[0], four[2]), min(four[1], four[3])))


def gained(arms, *, odds=1.0, grid=GRID):
    all0, all1, bad0, bad1 = map(float, arms)
    return exact_gains(control=(bad0, all0), canary=(bad1, all1), tolerated_odds=odds, grid=grid)


@pytest.mark.parametrize("odds", [1.0, 1.7])
@given(arms=ARMS)
def test_it_is_scipys_likelihood_ratio(odds, arms):
    """The same distribution, written by somebody else."""
    all0, all1, bad0, bad1 = arms
    law = [
        nchypergeom_fisher(all0 + all1, bad0 + bad1, all1, odds * f).logpmf(bad1)
        for f in (1.0, *GRID)
    ]

    assert gained(arms, odds=odds) == pytest.approx([one - law[0] for one in law[1:]], abs=1e-9)


@pytest.mark.parametrize("grid", [GRID, REVERSE_GRID])
@given(arms=ARMS)
def test_its_expectation_is_one_at_the_tolerated_odds(grid, arms):
    """Over all that could have happened with the same margins."""
    all0, all1, bad0, bad1 = arms
    bad = bad0 + bad1
    totals = [0.0] * len(grid)
    for count in range(max(0, bad - all0), min(all1, bad) + 1):
        chance = nchypergeom_fisher(all0 + all1, bad, all1, 1.3).pmf(count)
        gains = gained((all0, all1, bad - count, count), odds=1.3, grid=grid)
        totals = [t + chance * math.exp(g) for t, g in zip(totals, gains, strict=True)]

    assert totals == pytest.approx([1.0] * len(grid), abs=1e-9)


def test_beyond_the_sum_the_approximation_takes_over_without_a_seam():
    """At the first size that is approximated both agree."""
    size = 2 * SUPPORT_MAX
    arms = (size * 10, size, size // 2, SUPPORT_MAX // 2)
    law = [
        nchypergeom_fisher(size * 11, arms[2] + arms[3], size, f).logpmf(arms[3])
        for f in (1.0, *GRID)
    ]

    assert gained(arms) == pytest.approx([one - law[0] for one in law[1:]], abs=1e-5)


@pytest.mark.parametrize(
    ("arms", "odds"),
    [
        ((10.5, 10, 1, 1), 1.0),
        ((10, 10, 1.5, 1.5), 1.0),
        ((1000, 1000, 500, 500), 30.0),
        ((1000, 1000, 500, 500), 0.01),
        ((60, 1e6, 60, 60), 1e300),
    ],
)
def test_what_cannot_be_computed_is_none(arms, odds):
    """Counts that are not whole; odds beyond the approximation, or beyond a float."""
    assert gained(arms, odds=odds) is None


def test_large_arms_with_few_bad_events_do_not_overflow():
    """Products of millions are scaled down on the way."""
    law = [nchypergeom_fisher(10**7 + 50, 60, 10**7, f).logpmf(30) for f in (1.0, 1.25, 2.0)]

    found = gained((50, 10**7, 30, 30), grid=(1.25, 2.0))

    assert found == pytest.approx([law[1] - law[0], law[2] - law[0]], rel=1e-6)
