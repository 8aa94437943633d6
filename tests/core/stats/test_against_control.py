"""Arms against control: the published example, other implementations, degenerate counts."""

from __future__ import annotations

import math

import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from rolloutctl.core.stats.against_control import CHI_SQUARE, FISHER, compare_with_control, told_p

NEAR = 1e-9


def test_the_published_table_is_told_as_published():
    """[[2100, 300], [2200, 200]]: chi-square 22.3256, p 2.301e-6, -5.898 to -2.442 pp."""
    (found,) = compare_with_control((300, 2400), ((200, 2400),))

    assert found.method == CHI_SQUARE
    assert found.statistic == pytest.approx(22.3256, abs=5e-5)
    assert found.p_value == found.corrected_p == pytest.approx(2.301e-6, rel=1e-3)
    assert found.effect == pytest.approx(-0.0416667, abs=1e-7)
    assert (found.low, found.high) == pytest.approx((-0.05898, -0.02442), abs=5e-6)
    assert found.is_significant


def test_several_arms_agree_with_scipy_and_statsmodels():
    """Chi-square each, Holm over them, Newcombe's interval at alpha over their number."""
    control, arms = (100, 1000), ((130, 1000), (128, 1000), (90, 900))
    tables = [[[900, 100], [total - count, count]] for count, total in arms]
    plain = [stats.chi2_contingency(one, correction=False).pvalue for one in tables]
    _, corrected, _, _ = multipletests(plain, alpha=0.05, method="holm")

    found = compare_with_control(control, arms)

    assert [one.p_value for one in found] == pytest.approx(plain, rel=NEAR)
    assert [one.corrected_p for one in found] == pytest.approx(list(corrected), rel=NEAR)
    for one, (count, total) in zip(found, arms, strict=True):
        interval = confint_proportions_2indep(
            count, total, *control, method="newcomb", alpha=0.05 / 3, correction=False
        )
        assert (one.low, one.high) == pytest.approx(interval, rel=NEAR)


def test_a_difference_that_one_test_finds_may_be_lost_among_several():
    """The p-value is .0355 alone; Holm multiplies the smallest of three by three."""
    alone = compare_with_control((100, 1000), ((130, 1000),))
    among = compare_with_control((100, 1000), ((130, 1000), (100, 1000), (100, 1000)))

    assert alone[0].is_significant
    assert not among[0].is_significant
    assert among[0].corrected_p == pytest.approx(3 * alone[0].p_value)
    assert among[0].low < alone[0].low


@pytest.mark.parametrize("arm", [(4, 30), (4.4, 30.3)])
def test_few_expected_events_are_left_to_fishers_test(arm):
    """4 of 30 against 1 of 30: whole numbers, as counters mean them."""
    (found,) = compare_with_control((1, 30), (arm,))

    wanted = stats.fisher_exact([[4, 26], [1, 29]])
    assert found.method == FISHER
    assert found.statistic == pytest.approx(wanted.statistic, rel=NEAR)
    assert found.p_value == pytest.approx(wanted.pvalue, rel=NEAR)


@pytest.mark.parametrize("counts", [((0, 100), (0, 100)), ((100, 100), (100, 100))])
def test_nobody_and_everybody_do_not_differ(counts):
    """Effect 0, p 1, and an interval that says how little is known."""
    (found,) = compare_with_control(counts[0], counts[1:])

    assert (found.effect, found.p_value, found.is_significant) == (0, 1, False)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("control", "arms"),
    [
        ((1, 10), ()),
        ((0, 0), ((1, 10),)),
        ((1, 10), ((0, 0),)),
        ((11, 10), ((1, 10),)),
        ((1, 10), ((-1, 10),)),
        ((math.nan, 10), ((1, 10),)),
        ((1, 10), ((1, math.inf),)),
    ],
)
def test_counts_that_are_no_shares_are_refused(control, arms):
    """Never a p-value of nothing."""
    with pytest.raises(ValueError, match=r"no arm|not a share"):
        compare_with_control(control, arms)


def test_a_p_value_below_what_a_float_holds_is_told_as_small():
    """Never as nothing."""
    (found,) = compare_with_control((0, 100_000), ((100_000, 100_000),))

    assert found.p_value == 0
    assert told_p(found.p_value) == "p < 1e-300"
    assert told_p(0.05) == "p 0.05"


@pytest.mark.parametrize("alpha", [0.0, 2.0, math.nan])
def test_an_alpha_that_is_none_is_refused(alpha):
    """An interval needs a level."""
    with pytest.raises(ValueError, match="quantile"):
        compare_with_control((1, 10), ((2, 10),), alpha=alpha)
