"""How much worse than control a canary may be."""

from __future__ import annotations

import pytest

from rolloutctl.gates.margin import NO_WORSE, parse_margin


@pytest.mark.parametrize(
    ("text", "factor", "limit"),
    [("1.25x", 1.25, 0.025), ("10%", 1.1, 0.022), (" 2x ", 2.0, 0.04), ("1x", 1.0, 0.02)],
)
def test_a_factor_is_the_same_at_any_share(text, factor, limit):
    """10 % more than control is 1.1 times it."""
    margin = parse_margin(text)

    assert margin.factor_at(2, 100) == pytest.approx(factor)
    assert margin.factor_at(0, 0) == pytest.approx(factor)
    assert margin.limit_at(0.02) == pytest.approx(limit)
    assert str(margin) == text.strip()


def test_points_are_a_larger_factor_of_a_smaller_share():
    """+1pp doubles 1 % and is a fifth more than 5 %; of nothing it is much, and finite."""
    margin = parse_margin("+1pp")

    assert margin.factor_at(9_999.5, 999_999) == pytest.approx(2.0)
    assert margin.factor_at(49_999.5, 999_999) == pytest.approx(1.2)
    assert margin.factor_at(0, 99) == pytest.approx(3.0)
    assert margin.limit_at(0.02) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a margin is a factor"),
        ("1.25", "a margin is a factor"),
        ("0.9x", "below 1x"),
        ("-1pp", "above \\+0pp"),
        ("+0pp", "above \\+0pp"),
        (f"{'9' * 400}x", "finite"),
    ],
)
def test_what_no_margin_can_be_is_refused(text, words):
    """The message says what to write instead."""
    with pytest.raises(ValueError, match=words):
        parse_margin(text)


def test_no_worse_is_a_factor_of_one():
    """The default."""
    assert parse_margin("1x") == NO_WORSE
