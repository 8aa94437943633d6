"""The promise behind the evidence of harm, by full enumeration instead of by drawing."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom, poisson

from rolloutctl.core.stats.harm_process import GRID, REVERSE_GRID, begin, fold_tick


def mean_factors(*, control, canary, tolerated, grid):
    """By grid point: what a tick multiplies the evidence by, on average over both counts.

    `control` and `canary` are lists of (count, probability); 40 and 10 events.
    """
    means = [0.0] * len(grid)
    for bad0, chance0 in control:
        for bad1, chance1 in canary:
            process = fold_tick(
                begin(1, grid=grid),
                control=(bad0, 40),
                canary=(bad1, 10),
                tolerated=tolerated,
                grid=grid,
            )
            for point, gain in enumerate(process.start):
                means[point] += chance0 * chance1 * math.exp(gain)
    return means


def binomial(events, share):
    return list(enumerate(binom.pmf(range(events + 1), events, share)))


@pytest.mark.parametrize("share", [0.01, 0.2, 0.45])
@pytest.mark.parametrize("tolerated", [1.0, 1.25, 2.0])
def test_at_the_tolerated_share_evidence_does_not_grow_on_average(share, tolerated):
    """For requests, at any share of bad ones and any margin, in both directions."""
    for grid in (GRID, REVERSE_GRID):
        means = mean_factors(
            control=binomial(40, share),
            canary=binomial(10, share * tolerated),
            tolerated=tolerated,
            grid=grid,
        )

        assert max(means) <= 1 + 1e-12


@pytest.mark.parametrize(("actual", "grid"), [(1.0, GRID), (1.4, GRID), (1.8, REVERSE_GRID)])
def test_on_the_right_side_of_the_margin_it_shrinks(actual, grid):
    """Better than tolerated is no harm; worse than tolerated is not worthy."""
    means = mean_factors(
        control=binomial(40, 0.2), canary=binomial(10, 0.2 * actual), tolerated=1.5, grid=grid
    )

    assert max(means) < 1


def test_of_poisson_counts_it_is_exact():
    """A factor of 1 on average, no less: nothing is given away where bad events are rare."""
    counts = range(30)

    means = mean_factors(
        control=list(enumerate(poisson.pmf(counts, 2.0))),
        canary=list(enumerate(poisson.pmf(range(11), 0.5 * 1.5))),
        tolerated=1.5,
        grid=GRID[:4],
    )

    assert means == pytest.approx([1.0] * 4, abs=1e-6)
