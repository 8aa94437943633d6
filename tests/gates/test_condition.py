"""Conditions of thresholds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.gates.condition import Condition, common_value, parse_condition


@pytest.mark.parametrize(
    ("text", "sign", "limit", "unit"),
    [
        ("< 0.95", "<", 0.95, ""),
        ("<=0.95", "<=", 0.95, ""),
        ("  >  95% ", ">", 0.95, "%"),
        (">= 2.5s", ">=", 2.5, "s"),
        ("> 100ms", ">", 0.1, "s"),
        ("> 1m30s", ">", 90.0, "s"),
        ("== 0", "==", 0.0, ""),
        ("!= -1.5e-3", "!=", -0.0015, ""),
        ("> .5", ">", 0.5, ""),
    ],
)
def test_conditions_are_read_as_people_write_them(text, sign, limit, unit):
    """Operator, number and unit; the limit is in base units."""
    condition = parse_condition(text)

    assert (condition.sign, condition.unit) == (sign, unit)
    assert condition.limit == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "0.95", "< ", "=> 1", "= 1", "<> 1", "< fast", "< nan", "< inf", "< 1e999", "< 5x"]
)
def test_what_is_no_condition_is_refused_with_an_example(text):
    """Every refusal says what to write."""
    with pytest.raises(ValueError, match=r"such as|finite"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("text", "number", "holds"),
    [
        ("< 1", 0.999, True),
        ("< 1", 1.0, False),
        ("<= 1", 1.0, True),
        ("> 1", 1.0, False),
        (">= 1", 1.0, True),
        ("== 1", 1.0, True),
        ("!= 1", 1.0, False),
        ("!= 1", math.nan, False),
        ("< 1", math.nan, False),
    ],
)
def test_conditions_hold_exactly_at_their_limits(text, number, holds):
    """The limit itself belongs to one side; a NaN to none."""
    assert parse_condition(text).holds(number) is holds


@pytest.mark.parametrize(
    ("text", "bound", "holds"),
    [
        ("> 2.5", 2.5, True),
        ("> 2.5", 5.0, True),
        ("> 2.5", 1.0, None),
        ("< 2.5", 2.5, False),
        ("< 2.5", 1.0, None),
        ("== 2.5", 2.5, False),
        ("!= 2.5", 2.5, True),
    ],
)
def test_a_number_known_to_be_above_a_bound_decides_only_what_it_can(text, bound, holds):
    """Limits at or below the bound are decided, others are not."""
    assert parse_condition(text).holds_above(bound) is holds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("< 95%", "< 95%"),
        ("> 100ms", "> 100ms"),
        ("> 0.949999", "> 0.949999"),
        ("> 1e-4", "> 0.0001"),
    ],
)
def test_conditions_are_shown_in_their_unit(text, shown):
    """What people wrote is what they read."""
    assert str(parse_condition(text)) == shown


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("> 0.99", "< 0.95", False),
        ("> 0.95", "< 0.95", False),
        (">= 0.95", "<= 0.95", True),
        ("> 0.9", "< 0.95", True),
        ("> 1", "> 2", True),
        ("!= 1", "== 1", False),
        ("!= 1", "!= 1", True),
        ("< 1", "< 2", True),
    ],
)
def test_conditions_that_hold_together_are_found(first, second, both):
    """Pass and fail at the same number is a mistake."""
    assert (common_value(parse_condition(first), parse_condition(second)) is not None) is both


CONDITIONS = st.builds(
    Condition,
    sign=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    limit=st.integers(-3, 3).map(float),
)


@given(CONDITIONS, CONDITIONS, st.integers(-8, 8).map(lambda n: n / 2))
def test_no_common_number_is_missed(first, second, number):
    """If a number meets both, one is found."""
    if first.holds(number) and second.holds(number):
        assert common_value(first, second) is not None


@pytest.mark.parametrize(
    ("condition", "number", "shown"),
    [
        ("> 5%", 0.002747253, "0.27%"),
        ("> 5%", 0.123456, "12.3%"),
        ("> 5%", 0.05, "5%"),
        ("> 5%", 0.0500001, "5.00001%"),
        ("> 250ms", 0.03902105, "39ms"),
        ("> 2.5s", 0.03902105, "0.039s"),
        ("> 0.02", 0.005683333, "0.0057"),
        ("< 0.95", 0.9499999, "0.9499999"),
        ("> 100000", 123456.7, "123457"),
        ("> 1000.2", 1000.4, "1000.4"),
        ("> 0", 0.0, "0"),
        ("> 0", math.inf, "inf"),
    ],
)
def test_a_measured_number_is_rounded_for_people_and_never_across_the_limit(
    condition, number, shown
):
    """Two or three digits are enough, unless they would tell the wrong side."""
    assert parse_condition(condition).show(number) == shown
