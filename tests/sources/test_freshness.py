"""The selectors of an expression are found, and only those that ask for the present."""

import pytest

from rolloutctl.sources.prometheus.freshness import build_check, used_selectors


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", [("up", 0)]),
        ("vector(1)", []),
        ("1 + 0x1f + 1e3 + inf", []),
        ('rate(x{a="}"}[5m])', [('x{a="}"}', 300)]),
        ("rate(x[1h30m]) / rate(y[10s])", [("x", 5400), ("y", 10)]),
        ("sum by (model, code) (rate(x[1m]))", [("x", 60)]),
        ("sum(rate(x[1m])) by (model)", [("x", 60)]),
        ("a / on (m) group_left (n) b", [("a", 0), ("b", 0)]),
        ("a and b or c unless d > bool 1", [("a", 0), ("b", 0), ("c", 0), ("d", 0)]),
        ("a or {b='c'}", [("a", 0), ("{b='c'}", 0)]),
        ('{__name__=~"x.*"}', [('{__name__=~"x.*"}', 0)]),
        ("x + x", [("x", 0)]),
        ("x - x offset 1d", [("x", 0)]),
        ("rate(x[5m] offset 1d)", []),
        ("x @ 1609746000", []),
        ("max_over_time(rate(x[5m])[1h:1m])", [("x", 3900)]),
        ("max_over_time(x[1h:1m])", [("x", 3600)]),
        ("max_over_time(rate(x[5m])[1h:1m] offset 1d)", []),
        ('label_replace(x, "a", "y", "b", "(.*)")', [("x", 0)]),
        ("x # y\n+ z", [("x", 0), ("z", 0)]),
        ("histogram_quantile(0.99, sum(rate(x_bucket[5m])) by (le))", [("x_bucket", 300)]),
        ("", []),
        ("((", []),
    ],
)
def test_selectors_are_found(expression, expected):
    """Functions, keywords, labels, texts and comments are no metrics."""
    found = [(one.text, one.range_s) for one in used_selectors(expression)]

    assert found == expected


def test_a_range_within_the_limit_needs_no_check():
    """Nothing in it is older."""
    assert build_check(used_selectors("rate(x[5m])"), staleness_s=300) == ""
    assert "[3600000ms]" in build_check(used_selectors("rate(x[1h])"), staleness_s=300)
    assert "timestamp(x)" in build_check(used_selectors("x"), staleness_s=300)
