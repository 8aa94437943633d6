"""The numbers that a simulation draws have the distributions they are said to have."""

import math
from statistics import fmean, pvariance

import pytest

from rolloutctl.simulation.draws import TABLE_MEAN_MAX, Draws, Expected, poisson_table
from rolloutctl.simulation.latency import BOUNDS_S, bucket_shares
from rolloutctl.simulation.shapes import Shape, Weather

DRAWS = 20_000


@pytest.mark.parametrize("mean", [0.003, 0.7, 12.0, 800.0, TABLE_MEAN_MAX])
def test_the_table_is_the_poisson_distribution(mean):
    """Against exp(-λ)λᵏ/k!, from one value to the next."""
    low, below = poisson_table(mean)

    for k in range(low + 1, low + len(below), max(1, len(below) // 50)):
        chance = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
        assert below[k - low] - below[k - low - 1] == pytest.approx(chance, abs=1e-9)
    assert below[-1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("mean", [0.2, 5.0, 300.0, 200_000.0])
def test_draws_have_the_mean_and_the_variance_of_a_poisson_number(mean):
    """Also above the tables, where the normal approximation is drawn."""
    draws = Draws("seed")
    seen = [draws.poisson(mean) for _ in range(DRAWS)]

    assert fmean(seen) == pytest.approx(mean, abs=5 * math.sqrt(mean / DRAWS))
    assert pvariance(seen) == pytest.approx(mean, rel=0.08)
    assert min(seen) >= 0


@pytest.mark.parametrize("count", [3, 12, 13, 400])
def test_a_sum_of_costs_has_its_mean_however_many_are_added(count):
    """One by one, and from the central limit on."""
    draws = Draws("seed")
    seen = [draws.sum_of(count, mean=0.02, log_sd=1.0) for _ in range(DRAWS)]

    assert fmean(seen) == pytest.approx(0.02 * count, rel=0.03)


def test_nothing_happens_where_nothing_is_expected():
    """Zero stays zero."""
    draws = Draws("seed")

    assert draws.poisson(0.0) == 0
    assert draws.sum_of(0, mean=1.0, log_sd=1.0) == 0.0


def test_buckets_hold_every_request_and_99_percent_below_p99():
    """The lognormal distribution, cut at the bounds."""
    shares = bucket_shares(1.0, BOUNDS_S)

    assert math.fsum(shares) == pytest.approx(1.0)
    assert math.fsum(shares[: BOUNDS_S.index(1.0) + 1]) == pytest.approx(0.99, abs=1e-9)


@pytest.mark.parametrize("shape", list(Shape))
def test_a_shape_moves_traffic_about_its_mean(shape):
    """Over many days the stated rate is the mean: no shape adds or loses requests."""
    weather = Weather(shape, Draws("seed"))
    levels = [weather.at(k * 60.0, lasting_s=60.0) for k in range(60 * 24 * 14)]

    assert fmean(level.requests for level in levels) == pytest.approx(1.0, abs=0.1)
    assert fmean(level.errors for level in levels) == pytest.approx(1.0, abs=0.1)


def test_expectation_has_no_chance_in_it():
    """What stands in for draws answers means."""
    assert Expected().poisson(2.5) == 2.5
    assert Expected().sum_of(4, mean=0.5, log_sd=1.0) == 2.0
