"""Two selectors compared by their text."""

from __future__ import annotations

import pytest

from rolloutctl.gates.selectors import narrows, problem_of_selector


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ('req{a="1",status!="200"}', 'req{a="1"}', True),
        ("req{status!='200', a='1',}", 'req { a = "1" }', True),
        ('req{status!="200"}', "req", True),
        ('req{a="1"}', 'req{a="1"}', False),
        ('req{status!="200"}', 'req{a="1"}', False),
        ('req{a="2",status!="200"}', 'req{a="1"}', False),
        ('req{a=~"1",status!="200"}', 'req{a="1"}', False),
        ('errors{a="1",status!="200"}', 'req{a="1"}', False),
        ('req{a="1"', "req", False),
        ('req{a="1"}', "rate(req[5m])", False),
    ],
)
def test_a_selector_narrows_another_with_the_same_metric_and_more_matchers(inner, outer, expected):
    """Anything else, or not understood, does not."""
    assert narrows(inner, outer) is expected


@pytest.mark.parametrize("text", ["req", 'req{a="${canary.labels.a}"}', "a:b{c!~'d.*'}"])
def test_a_plain_selector_has_no_problem(text):
    """References stand where values stand."""
    assert problem_of_selector(text) == ""


@pytest.mark.parametrize("text", ["rate(req[5m])", "req[5m]", "a / b", "sum(a)", "{}", "1"])
def test_an_expression_is_no_selector(text):
    """Its difference would mean nothing."""
    assert problem_of_selector(text)
