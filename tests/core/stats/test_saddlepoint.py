"""The sum that nobody has to loop for, against the loop."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from rolloutctl.core.stats.saddlepoint import log_totals

ODDS = [1 / 20, 1 / 5, 1 / 1.25, 1.0, 1.25, 2.0, 3.0, 8.0, 16.0, 32.0]


def looped(all0, all1, *, bad, odds):
    """The sum, term by term."""

    def choose(total, count):
        return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)

    xs = range(max(0, bad - all0), min(bad, all1) + 1)
    logs = [choose(all1, x) + choose(all0, bad - x) + x * math.log(odds) for x in xs]
    return max(logs) + math.log(math.fsum(math.exp(one - max(logs)) for one in logs))


@settings(deadline=None)
@example(64, 64, 0.5, 32.0, 1.0)  # the worst there is, for every odds ratio and for those up to 3
@example(64, 64, 0.5, 3.0, 1.0)
@given(
    st.integers(64, 2_000),
    st.integers(64, 2_000),
    st.floats(0.0005, 0.9995),
    st.sampled_from(ODDS),
    st.sampled_from([1.0, 1.5, 2.0]),
)
def test_the_ratio_of_two_sums_is_that_of_the_loop(all0, all1, share, odds, tolerated):
    """Wherever the loop would be long."""
    bad = round((all0 + all1) * share)
    assume(min(bad, all1) - max(0, bad - all0) >= 64)

    found, base = log_totals(all0, all1, bad=bad, odds=[odds, tolerated])
    found -= base

    expected = looped(all0, all1, bad=bad, odds=odds) - looped(all0, all1, bad=bad, odds=tolerated)
    assert found == pytest.approx(expected, abs=5e-6)
    if 1 / 3 <= odds <= 3:
        assert found == pytest.approx(expected, abs=5e-8)


def test_the_probability_of_a_table_agrees_with_scipy():
    """C(n1, x)·C(n0, k-x)·ψ^x / Z is the noncentral hypergeometric chance."""
    chance = math.exp(
        math.log(math.comb(400, 60) * math.comb(3600, 240))
        + 60 * math.log(2.0)
        - log_totals(3600, 400, bad=300, odds=[2.0])[0]
    )

    assert chance == pytest.approx(nchypergeom_fisher.pmf(60, 4000, 400, 300, 2.0), rel=1e-7)


@pytest.mark.parametrize(("all0", "all1"), [(950_000, 50_000), (5 * 10**8, 5 * 10**8)])
def test_the_sum_of_equal_odds_is_a_binomial_coefficient(all0, all1):
    """Vandermonde: Z(1) = C(n0 + n1, k), also at a billion events."""
    bad = (all0 + all1) // 5

    [found] = log_totals(all0, all1, bad=bad, odds=[1.0])

    total = all0 + all1
    expected = math.lgamma(total + 1) - math.lgamma(bad + 1) - math.lgamma(total - bad + 1)
    assert found == pytest.approx(expected, rel=1e-12)
