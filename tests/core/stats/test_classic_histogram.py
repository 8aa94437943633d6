"""Quantiles of classic histograms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.stats.classic_histogram import Quantile, quantile_of

INF = math.inf


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        # The worked example of ClickHouse's quantilePrometheusHistogram, which follows PromQL.
        ({0.0: 6, 0.5: 11, 1.0: 14, INF: 19}, 0.5, 0.35),
        ({1.0: 10, 2.0: 20, INF: 20}, 0.25, 0.5),
        ({1.0: 10, 2.0: 20, INF: 20}, 0.75, 1.5),
        ({1.0: 10, 2.0: 20, INF: 20}, 0.5, 1.0),
        ({-1.0: 10, 2.0: 20, INF: 20}, 0.25, -1.0),
        ({1.0: 0, 2.0: 20, INF: 20}, 0.5, 1.5),
    ],
)
def test_quantiles_are_those_of_promql(buckets, share, expected):
    """Linear within the bucket, from 0 in the lowest."""
    found = quantile_of(buckets, share)

    assert isinstance(found, Quantile)
    assert not found.is_above
    assert found.bound == pytest.approx(expected)


def test_a_quantile_beyond_the_buckets_says_so():
    """PromQL would answer the highest bound, as if it were the truth."""
    assert quantile_of({1.0: 10, INF: 20}, 0.99) == Quantile(bound=1.0, is_above=True)


@pytest.mark.parametrize(
    ("buckets", "why"),
    [
        ({}, "finite bucket"),
        ({INF: 5}, "finite bucket"),
        ({1.0: 5, 2.0: 6}, "finite bucket"),
        ({1.0: 0, INF: 0}, "no events"),
        ({1.0: 5, 2.0: 4, INF: 6}, "not one histogram"),
    ],
)
def test_what_is_no_histogram_is_told(buckets, why):
    """A text instead of a number."""
    found = quantile_of(buckets, 0.5)

    assert isinstance(found, str)
    assert why in found


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=8),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(counts, share):
    """At its upper bound at least that share of the events is counted."""
    bounds = [*(float(n + 1) for n in range(len(counts) - 1)), INF]
    totals = [sum(counts[: n + 1]) for n in range(len(counts))]
    if totals[-1] == 0:
        return

    found = quantile_of(dict(zip(bounds, totals, strict=True)), share)

    assert isinstance(found, Quantile)
    if found.is_above:
        assert totals[-2] < share * totals[-1]
    else:
        assert 0 <= found.bound <= bounds[-2]
        reached = next(n for n, bound in enumerate(bounds) if bound >= found.bound - 1e-9)
        assert totals[reached] >= share * totals[-1] - 1e-6
