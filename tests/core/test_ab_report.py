"""Sizes and readings of A/B tests: published numbers, other implementations, impossible inputs."""

from __future__ import annotations

import math

import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from rolloutctl.core.ab_report import FISHER_UNITS_MAX, report
from rolloutctl.core.ab_size import AbPlan, equal_weights
from rolloutctl.core.experiment import Want
from rolloutctl.core.stats.sample_size import SizeFormula
from rolloutctl.ui.ab_view import report_document, report_text, size_text

NEAR = 1e-9
EXAMPLE = {"control": (300, 2400), "canary": (200, 2400)}


def plan(arms=2, **more):
    return AbPlan(**{"baseline": 0.1, "effect": 0.05, "weights": equal_weights(arms), **more})


def test_ten_to_fifteen_percent_is_686_and_the_text_says_by_which_formula():
    """The unpooled one gives 683; 2,348 is nobody's."""
    sized = plan()

    assert set(sized.units().values()) == {686}
    assert set(sized.units(SizeFormula.UNPOOLED).values()) == {683}
    said = size_text(sized, 3.0, "", 80)
    assert "686 units for each of 2 arms, 1,372 in all" in said
    assert "formula: pooled" in said
    assert "the unpooled formula gives 683" in said
    assert "assumes: units are independent" in said


def test_with_more_arms_each_comparison_gets_its_part_of_alpha():
    """Three arms: two comparisons at 2.5 %; statsmodels' power at that size is 80 %."""
    sized = plan(arms=3)
    units = sized.units()

    assert list(units) == ["control", "arm-1", "arm-2"]
    assert sized.alpha_each == pytest.approx(0.025)
    effect = 2 * (math.asin(math.sqrt(0.15)) - math.asin(math.sqrt(0.1)))
    power = NormalIndPower().power(effect, units["control"], 0.025)
    assert power == pytest.approx(0.8, abs=0.005)
    assert "2 comparisons with control, each at alpha 2.5%" in size_text(sized, None, "", 80)


def test_the_scarcest_arm_decides_how_long_it_takes():
    """A tenth of the units for the canary: nine times its own for control."""
    uneven = plan(weights={"control": 0.9, "canary": 0.1})
    units = uneven.units()

    assert units["canary"] == math.ceil(units["control"] / 9)
    assert uneven.seconds(10.0) == pytest.approx(units["canary"])
    assert plan().seconds(2.0) == pytest.approx(686.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": 1}, "1 arms"),
        ({"arms": -3}, "1 arms"),
        ({"arms": 10**9}, "21 arms"),
        ({"effect": 0.0}, "effect of nothing"),
        ({"effect": 0.9}, "below 100%"),
        ({"effect": -0.1}, "above 0%"),
        ({"baseline": 0.0}, "above 0%"),
        ({"baseline": math.nan}, "both shares"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes, words):
    """With the reason."""
    with pytest.raises(ValueError, match=words):
        plan(**changes)


def test_the_published_table_is_read_as_published():
    """Chi-square 22.3256 p 2.301e-6; Yates 21.8813 p 2.900e-6; Fisher 2.718e-6."""
    found = report(EXAMPLE)

    assert found.overall.statistic == pytest.approx(22.3256, abs=5e-5)
    assert found.overall.p_value == pytest.approx(2.301e-6, rel=5e-4)
    assert found.yates.statistic == pytest.approx(21.8813, abs=5e-5)
    assert found.yates.p_value == pytest.approx(2.900e-6, rel=5e-4)
    assert found.fisher.p_value == pytest.approx(2.718e-6, rel=5e-4)
    assert found.verdict("canary") == "lower"
    assert found.control == "control"


@pytest.mark.parametrize(("want", "word"), [(Want.INCREASE, "worse"), (Want.DECREASE, "better")])
def test_better_is_what_is_wanted(want, word):
    """The same table, wished for differently."""
    assert report(EXAMPLE, want=want).verdict("canary") == word


def test_a_higher_share_is_higher_and_no_difference_is_inconclusive():
    """Without a wish there is no better."""
    assert report({"a": (200, 2400), "b": (300, 2400)}).verdict("b") == "higher"
    assert report({"a": (200, 2400), "b": (201, 2400)}).verdict("b") == "inconclusive"


def test_a_broken_split_judges_nothing():
    """Golden: 821,588 and 815,482 at 50:50 have p 1.82e-6."""
    found = report({"control": (400_000, 821_588), "canary": (380_000, 815_482)})

    assert found.split.statistic == pytest.approx(22.774, abs=5e-4)
    assert found.split.p_value == pytest.approx(1.82e-6, rel=5e-3)
    assert found.verdict("canary") == "not judged"
    assert found.fisher is None
    assert sum(total for _, total in found.arms.values()) > FISHER_UNITS_MAX
    said = report_text(found, 100)
    assert "sample ratio mismatch" in said
    assert "chi-square 22.77" in said
    assert report_document(found)["split"]["is_broken"] is True


def test_three_arms_are_tested_together_and_each_against_control():
    """The overall test is scipy's, with two degrees of freedom."""
    arms = {"control": (100, 1000), "b": (130, 1000), "c": (128, 1000)}

    found = report(arms)

    table = [[1000 - count, count] for count, _ in arms.values()]
    assert found.overall.p_value == pytest.approx(stats.chi2_contingency(table).pvalue, rel=NEAR)
    assert (found.yates, found.fisher) == (None, None)
    assert list(found.comparisons) == ["b", "c"]


def test_what_samples_of_this_size_show_is_told_with_its_power():
    """2,400 units each at 12.5 %: 2.8 points up, 2.6 down; 3 units show nothing."""
    assert report(EXAMPLE, want=Want.INCREASE).visible == pytest.approx(0.028, abs=5e-4)
    assert report(EXAMPLE, want=Want.DECREASE).visible == pytest.approx(0.0255, abs=5e-4)
    assert report(EXAMPLE).visible == pytest.approx(0.028, abs=5e-4)
    assert report({"control": (1, 3), "canary": (1, 3)}).visible is None


def test_nobody_on_control_has_no_relative_difference():
    """Division by nothing is left out; an infinite odds ratio is null."""
    found = report({"control": (0, 50), "canary": (9, 50)})

    document = report_document(found)
    assert document["comparisons"][0]["relative"] is None
    assert document["fisher"]["statistic"] is None
    assert document["comparisons"][0]["verdict"] == "higher"
    assert "of it" not in report_text(found, 100)


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ({}, "one arm"),
        ({"control": (1, 2)}, "one arm"),
        ({"control": (1, 2), "canary": (0, 0)}, "canary: no units"),
        ({"control": (3, 2), "canary": (1, 2)}, "control: 3 of 2: more successes"),
        ({"control": (math.nan, 2), "canary": (1, 2)}, "are no counts"),
        ({"control": (1, math.inf), "canary": (1, 2)}, "are no counts"),
        ({"control": (-1, 2), "canary": (1, 2)}, "are no counts"),
        ({"control": (1, -2), "canary": (1, 2)}, "are no counts"),
    ],
)
def test_counts_that_are_none_are_refused_with_the_arms_name(arms, words):
    """One clear sentence, never a p-value."""
    with pytest.raises(ValueError, match=words):
        report(arms)
