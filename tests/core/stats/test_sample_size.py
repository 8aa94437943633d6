"""Planning an experiment: sizes and power against R, statsmodels and the formulas' ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import (
    power_proportions_2indep,
    samplesize_proportions_2indep_onetail,
)

from rolloutctl.core.stats.sample_size import (
    Design,
    SizeFormula,
    power_of,
    sample_size,
    units_of_control,
    visible_share,
)

UNPOOLED = Design(formula=SizeFormula.UNPOOLED)
SHARES = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("control", "canary", "pooled", "unpooled"),
    [
        (0.10, 0.15, 686, 683),
        (0.10, 0.11, 14_751, 14_749),
        (0.10, 0.12, 3_841, 3_839),
        (0.05, 0.06, 8_158, 8_155),
        (0.20, 0.25, 1_094, 1_091),
        (0.995, 0.99, 4_673, 4_671),
        (0.995, 0.97, 431, 428),
    ],
)
def test_the_sizes_are_those_of_the_published_formulas(control, canary, pooled, unpooled):
    """5 % two-sided, power 80 %."""
    assert units_of_control(control, canary) == pooled
    assert units_of_control(control, canary, design=UNPOOLED) == unpooled


def test_the_size_is_that_of_rs_help_page():
    """power.prop.test(p1 = .50, p2 = .75, power = .90) says n = 76.7 (R, its examples)."""
    assert sample_size(0.50, 0.75, design=Design(power=0.9)) == pytest.approx(76.7, abs=0.05)


@settings(deadline=None)
@given(SHARES, SHARES, st.floats(0.05, 20), st.floats(0.55, 0.99), st.floats(0.001, 0.2))
def test_the_size_agrees_with_statsmodels(control, canary, ratio, power, alpha):
    """One-sided or halved alpha, and any split."""
    assume(abs(control - canary) > 1e-4)
    design = Design(alpha=alpha, power=power, ratio=ratio, is_one_sided=True)

    found = sample_size(control, canary, design=design)

    # Its `ratio` is the second sample's size over the first's; diff is first minus second.
    expected = samplesize_proportions_2indep_onetail(
        control - canary,
        canary,
        power,
        ratio=ratio,
        alpha=alpha,
        alternative="larger" if control > canary else "smaller",
    )
    assert found == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(SHARES, SHARES, st.integers(2, 10**7))
def test_the_power_agrees_with_statsmodels(control, canary, units):
    """Pooled; the wrong direction's tail, which it counts too, is below alpha / 2."""
    expected = power_proportions_2indep(
        control - canary, canary, units, alternative="two-sided", return_results=False
    )

    found = power_of(control, canary, units)

    assert found <= expected + 1e-9
    assert found == pytest.approx(expected, abs=0.026)


@settings(deadline=None)
@given(SHARES, SHARES, st.sampled_from(SizeFormula), st.floats(0.1, 10))
def test_the_planned_size_has_the_planned_power(control, canary, formula, ratio):
    """Size and power are each other's reverse."""
    assume(abs(control - canary) > 1e-4)
    design = Design(formula=formula, ratio=ratio)

    units = sample_size(control, canary, design=design)

    assert power_of(control, canary, units, design=design) == pytest.approx(0.8, abs=1e-9)


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.booleans(), st.integers(50, 10**6))
def test_the_visible_share_is_the_one_that_needs_so_many_units(control, is_increase, units):
    """What a number of units shows needs just that number."""
    found = visible_share(control, units, is_increase=is_increase)

    if found is not None:
        assert (found > control) is is_increase
        assert power_of(control, found, units) >= 0.8
        if 0 < found < 1:
            assert sample_size(control, found) == pytest.approx(units, rel=1e-6)


def test_too_few_units_show_nothing():
    """Not even 100 % of the canary would be told from 90 % with ten units."""
    assert visible_share(0.9, 10, is_increase=True) is None
    assert visible_share(1.0, 10_000, is_increase=True) is None


def test_nothing_against_everything_is_seen_at_once():
    """0 % against 100 %: no chance is left, only enough units."""
    assert power_of(0.0, 1.0, 1_000) == 1.0
    assert power_of(0.0, 1.0, 1) == 0.0
    assert power_of(0.1, 0.2, 0) == 0.0


@pytest.mark.parametrize("same", [0.0, 0.3, 1.0])
def test_equal_shares_have_no_size(same):
    """No number of units tells them apart: an error, not infinity."""
    with pytest.raises(ValueError, match="no number of units"):
        sample_size(same, same)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(share):
    """Percent written as 15 would be one of these."""
    with pytest.raises(ValueError, match="not a share"):
        sample_size(0.1, share)
    with pytest.raises(ValueError, match="not a share"):
        power_of(share, 0.1, 10)


@pytest.mark.parametrize("units", [-1, math.inf, math.nan])
def test_units_are_a_number(units):
    """Of no number of units no power is told."""
    with pytest.raises(ValueError, match="units"):
        power_of(0.1, 0.2, units)


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"alpha": 0.5}, {"power": 1.0}, {"power": 0.04}, {"ratio": 0.0}],
)
def test_a_design_out_of_range_is_refused(wrong):
    """Alpha 0 and power 1 need infinitely many units."""
    with pytest.raises(ValueError, match=r"alpha|power|units"):
        Design(**wrong)
