"""Tests of a fixed sample: against published tables, scipy and statsmodels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from rolloutctl.core.stats.chi_square import chi_square_tail
from rolloutctl.core.stats.counted import Side
from rolloutctl.core.stats.fisher import fisher_test
from rolloutctl.core.stats.newcombe import newcombe_interval
from rolloutctl.core.stats.normal import normal_quantile, normal_tail
from rolloutctl.core.stats.pearson import chi_square_test, smallest_expected
from rolloutctl.core.stats.pooled_z import pooled_z_test

NEAR = 1e-9
#: 300 of 2,400 against 200 of 2,400.
EXAMPLE = ((300, 2400), (200, 2400))

ALTERNATIVES = {Side.TWO_SIDED: "two-sided", Side.GREATER: "larger", Side.LESS: "smaller"}
TOTALS = st.integers(1, 3_000)


@st.composite
def arms(draw, groups=2):
    """Counts of arms that are not all alike."""
    return [(draw(st.integers(0, total)), total) for total in (draw(TOTALS) for _ in range(groups))]


def table(groups):
    return [[total - count, count] for count, total in groups]


def is_decided(groups):
    count, total = (sum(column) for column in zip(*groups, strict=True))
    return 0 < count < total


@pytest.mark.parametrize("z", [-3.0, 0.0, 0.5, 1.959963984540054, 8.0, 37.0])
def test_the_normal_tail_agrees_with_scipy(z):
    """Also far out, where 1 minus the rest is 0."""
    assert normal_tail(z) == pytest.approx(stats.norm.sf(z), rel=NEAR, abs=0)


@pytest.mark.parametrize("share", [1e-12, 0.025, 0.5, 0.8, 0.9995])
def test_the_normal_quantile_agrees_with_scipy(share):
    """As far into the tail as an error rate ever is."""
    assert normal_quantile(share) == pytest.approx(stats.norm.ppf(share), rel=NEAR, abs=1e-15)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_there_is_no_quantile_outside_of_the_distribution(share):
    """An infinite z would make every plan infinite."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(share)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 99, 500])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 0.1, 0.9, 1.0, 2.0, 7.0])
def test_the_chi_square_tail_agrees_with_scipy(freedom, scale):
    """Even and odd degrees of freedom, from 0 to far out."""
    statistic = scale * freedom

    found = chi_square_tail(statistic, freedom)

    assert found == pytest.approx(stats.chi2.sf(statistic, freedom), rel=NEAR, abs=0)


def test_the_chi_square_tail_ends_at_nothing():
    """An impossible count has a statistic without end."""
    assert chi_square_tail(math.inf, 3) == 0.0


@pytest.mark.parametrize(("statistic", "freedom"), [(-1.0, 1), (math.nan, 1), (1.0, 0)])
def test_there_is_no_tail_of_no_statistic(statistic, freedom):
    """Refused, not 0 and not 1."""
    with pytest.raises(ValueError, match="degrees of freedom"):
        chi_square_tail(statistic, freedom)


def test_the_example_comes_out_as_published():
    """Chi-square 22.3256 and p 2.30e-6; with Yates 21.8813 and 2.90e-6; z -4.7250."""
    plain, corrected = chi_square_test(EXAMPLE), chi_square_test(EXAMPLE, yates=True)

    assert plain.statistic == pytest.approx(22.3256, abs=5e-5)
    assert plain.p_value == pytest.approx(2.301e-6, rel=5e-4)
    assert corrected.statistic == pytest.approx(21.8813, abs=5e-5)
    assert corrected.p_value == pytest.approx(2.900e-6, rel=5e-4)
    assert pooled_z_test(*EXAMPLE).statistic == pytest.approx(-4.7250, abs=5e-5)
    assert fisher_test(*EXAMPLE).p_value == pytest.approx(2.718e-6, rel=5e-4)


@settings(deadline=None)
@given(arms(), st.booleans())
def test_chi_square_of_two_groups_agrees_with_scipy(groups, yates):
    """With Yates' correction and without."""
    found = chi_square_test(groups, yates=yates)

    if is_decided(groups):
        expected = stats.chi2_contingency(table(groups), correction=yates)
        assert found.statistic == pytest.approx(expected.statistic, rel=NEAR, abs=NEAR)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)
        assert smallest_expected(groups) == pytest.approx(expected.expected_freq.min())
    else:
        assert (found.statistic, found.p_value) == (0.0, 1.0)


@settings(deadline=None)
@given(st.integers(3, 6).flatmap(arms))
def test_chi_square_of_more_groups_agrees_with_scipy(groups):
    """One degree of freedom less than groups."""
    found = chi_square_test(groups)

    if is_decided(groups):
        expected = stats.chi2_contingency(table(groups), correction=False)
        assert found.statistic == pytest.approx(expected.statistic, rel=NEAR, abs=NEAR)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)


@settings(deadline=None)
@given(arms())
def test_chi_square_is_the_square_of_the_pooled_z(groups):
    """Two names of one test."""
    z, chi_square = pooled_z_test(*groups), chi_square_test(groups)

    assert z.statistic**2 == pytest.approx(chi_square.statistic, rel=NEAR, abs=NEAR)
    assert z.p_value == pytest.approx(chi_square.p_value, rel=1e-7, abs=1e-300)


@settings(deadline=None)
@given(arms(), st.sampled_from(Side))
def test_the_pooled_z_agrees_with_statsmodels(groups, side):
    """Either direction and both."""
    if not is_decided(groups):
        return
    (count0, total0), (count1, total1) = groups

    found = pooled_z_test(*groups, side=side)

    z, p_value = proportions_ztest(
        [count1, count0], [total1, total0], alternative=ALTERNATIVES[side]
    )
    assert found.statistic == pytest.approx(z, rel=NEAR, abs=NEAR)
    assert found.p_value == pytest.approx(p_value, rel=1e-7, abs=1e-300)


@settings(deadline=None)
@given(arms(), st.sampled_from(Side))
def test_fisher_agrees_with_scipy(groups, side):
    """Every table, either direction and both."""
    (count0, total0), (count1, total1) = groups
    rows = [[count1, total1 - count1], [count0, total0 - count0]]

    found = fisher_test(*groups, side=side)

    expected = stats.fisher_exact(rows, alternative=side.value)
    assert found.p_value == pytest.approx(expected.pvalue, rel=NEAR, abs=1e-300)
    if is_decided(groups):
        assert found.statistic == pytest.approx(expected.statistic, rel=NEAR)
    else:
        assert (found.statistic, found.p_value) == (1.0, 1.0)


def test_fishers_tea_tasting_comes_out_as_published():
    """3 of 4 cups told apart: one-sided p is 17/70 (The Design of Experiments, 1935)."""
    assert fisher_test((1, 4), (3, 4), side=Side.GREATER).p_value == pytest.approx(17 / 70)


def test_fishers_sum_does_not_walk_through_every_table():
    """A million failures an arm are summed at once: 8 standard deviations and no more."""
    found = fisher_test((1_000_000, 40_000_000), (1_002_000, 40_000_000))

    z = pooled_z_test((1_000_000, 40_000_000), (1_002_000, 40_000_000))
    assert found.p_value == pytest.approx(z.p_value, rel=0.01)


@settings(deadline=None)
@given(arms())
def test_newcombe_agrees_with_statsmodels(groups):
    """The interval of the canary's share minus control's."""
    (count0, total0), (count1, total1) = groups

    found = newcombe_interval(*groups)

    expected = confint_proportions_2indep(count1, total1, count0, total0, method="newcomb")
    assert found == pytest.approx(expected, abs=NEAR)


@pytest.mark.parametrize(
    ("first", "second", "lower", "upper"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_equals_the_published_table(first, second, lower, upper):
    """His own examples, to their four digits."""
    found = newcombe_interval(second, first)

    assert found == (pytest.approx(lower, abs=5e-5), pytest.approx(upper, abs=5e-5))


BAD = [(0, 0), (5, 4), (-1, 4), (math.nan, 4), (1, math.nan), (1, math.inf)]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("test", [pooled_z_test, fisher_test, newcombe_interval])
def test_an_arm_that_is_none_has_no_verdict(test, bad):
    """No traffic, more bad events than events, NaN: an error, never "no difference"."""
    with pytest.raises(ValueError, match="not a share"):
        test(bad, (1, 10))
    with pytest.raises(ValueError, match="not a share"):
        test((1, 10), bad)
    with pytest.raises(ValueError, match="not a share"):
        chi_square_test([(1, 10), bad, (2, 10)])


def test_one_group_is_nothing_to_compare():
    """Nor is none."""
    with pytest.raises(ValueError, match="nothing to compare"):
        chi_square_test([(1, 10)])


def test_fisher_counts_whole_events():
    """A share of an event is refused rather than rounded."""
    with pytest.raises(ValueError, match="whole events"):
        fisher_test((1.5, 10), (2, 10))


@pytest.mark.parametrize("count", [0, 50])
def test_nobody_and_everybody_do_not_differ(count):
    """Where both arms have nothing or only bad events every test says p 1."""
    both = ((count, 50), (count, 50))

    assert chi_square_test(both, yates=True).p_value == 1.0
    assert pooled_z_test(*both).p_value == 1.0
    assert pooled_z_test(*both, side=Side.LESS).p_value == 0.5
    assert fisher_test(*both).p_value == 1.0


def test_an_odds_ratio_without_end_says_so():
    """Only the canary has bad events."""
    assert fisher_test((0, 10), (3, 10)).statistic == math.inf


@pytest.mark.parametrize(("total", "share"), [(100, 0.1), (400, 0.03)])
def test_the_error_rate_of_one_look_is_as_stated(total, share):
    """By full enumeration: 5 % within 0.7, Yates and Fisher below."""
    chances = stats.binom.pmf(range(total + 1), total, share)
    likely = [count for count in range(total + 1) if chances[count] > 1e-6]
    errs = {"plain": 0.0, "yates": 0.0, "fisher": 0.0}

    for count0 in likely:
        for count1 in likely:
            both = ((count0, total), (count1, total))
            chance = chances[count0] * chances[count1]
            errs["plain"] += chance * (chi_square_test(both).p_value < 0.05)
            errs["yates"] += chance * (chi_square_test(both, yates=True).p_value < 0.05)
            errs["fisher"] += chance * (fisher_test(*both).p_value < 0.05)

    assert errs["plain"] == pytest.approx(0.05, abs=0.007)
    assert errs["yates"] < 0.05
    assert errs["fisher"] < 0.05
