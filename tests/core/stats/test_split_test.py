"""The split of units among arms, at one look."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rolloutctl.core.stats.split_test import split_test


@pytest.mark.parametrize(
    ("observed", "weights", "p_value"),
    [
        # The first as in the documentation of GrowthBook's check; the others by scipy.
        ((821_588, 815_482), (1, 1), 1.82e-6),
        ((9_550, 450), (95, 5), 0.0218),
        ((95_500, 4_500), (0.95, 0.05), 4.0e-13),
        ((4_821, 5_179), (50, 50), 3.44e-4),
        ((100, 0), (95, 5), 0.0218),
    ],
)
def test_known_splits_come_out(observed, weights, p_value):
    """To the digits given."""
    assert split_test(observed, weights).p_value == pytest.approx(p_value, rel=5e-3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 100)), min_size=2, max_size=6))
def test_the_test_agrees_with_scipy(arms):
    """Any number of arms."""
    observed, weights = zip(*arms, strict=True)

    found = split_test(observed, weights)

    if sum(observed) == 0:
        assert (found.statistic, found.p_value) == (0.0, 1.0)
    else:
        expected = [sum(observed) * weight / sum(weights) for weight in weights]
        statistic, p_value = stats.chisquare(observed, expected)
        assert found.statistic == pytest.approx(statistic, rel=1e-9, abs=1e-12)
        # Far out the p-value magnifies the statistic's last digit.
        assert found.p_value == pytest.approx(p_value, rel=1e-8, abs=1e-300)


def test_an_arm_without_weight_is_no_degree_of_freedom():
    """Two arms are compared, not three."""
    assert split_test((50, 40, 0), (1, 1, 0)) == split_test((50, 40), (1, 1))


def test_a_unit_where_none_may_be_is_impossible():
    """However few of how many."""
    found = split_test((1_000_000, 1), (100, 0))

    assert (found.statistic, found.p_value) == (math.inf, 0.0)


def test_everybody_where_everybody_should_be_is_right():
    """A canary at 0 % or at 100 %."""
    assert split_test((1_000, 0), (100, 0)).p_value == 1.0
    assert split_test((0, 0), (95, 5)).p_value == 1.0


@pytest.mark.parametrize(
    ("observed", "weights"),
    [
        ((1,), (1,)),
        ((1, 2), (1,)),
        ((1, 2), (0, 0)),
        ((-1, 2), (1, 1)),
        ((1, math.nan), (1, 1)),
        ((1, 2), (1, math.inf)),
    ],
)
def test_what_is_no_split_is_refused(observed, weights):
    """Too few arms, no weight, no number."""
    with pytest.raises(ValueError, match="no split"):
        split_test(observed, weights)


def test_the_stated_error_rate_is_kept_at_one_look():
    """Of 4,000 right splits of 400 units 5 % are called wrong, within four sigma."""
    chance = random.Random(2019)  # noqa: S311 - a seeded simulation
    wrong = 0

    for _ in range(4_000):
        canary = sum(chance.random() < 0.2 for _ in range(400))
        wrong += split_test((400 - canary, canary), (80, 20)).p_value < 0.05

    assert wrong / 4_000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4_000))
