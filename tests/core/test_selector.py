"""Selectors mean here what they mean to Prometheus, or are refused with the position."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.selector import (
    MATCHERS_MAX,
    REGEX_CHARS_MAX,
    SELECTOR_CHARS_MAX,
    Matcher,
    Operator,
    Selector,
    SelectorError,
    build_predicate,
    parse_selector,
)


def test_a_selector_is_a_name_and_matchers():
    """All four operators, any white space, a trailing comma."""
    selector = parse_selector(' ns:requests_total { a = "b" , c!="d",e=~"re",f!~`raw\\`, } ')

    assert selector.metric == "ns:requests_total"
    assert [(m.label, m.operator, m.value) for m in selector.matchers] == [
        ("a", Operator.EQUAL, "b"),
        ("c", Operator.NOT_EQUAL, "d"),
        ("e", Operator.MATCH, "re"),
        ("f", Operator.NOT_MATCH, "raw\\"),
    ]


@pytest.mark.parametrize("text", ["up", "up{}", " up "])
def test_matchers_may_be_missing(text):
    """A bare name selects every series of the metric."""
    assert parse_selector(text) == Selector(metric="up")


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "expected a metric name, found the end", 1),
        ('{a="b"}', "expected a metric name", 1),
        ("rate(x[5m])", "plain selector", 5),
        ("x[5m]", "plain selector", 2),
        ('x{a="b"} offset 5m', "plain selector", 10),
        ("x + y", "plain selector", 3),
        ("x{", "label name", 3),
        ("x{1}", "label name", 3),
        ("x{a}", "expected =", 4),
        ("x{a==1}", "quoted value", 5),
        ('x{a="b}', "quoted value", 5),
        ('x{a="b" c="d"}', "expected , or }", 9),
        ('x{a="b', "quoted value", 5),
        ('x{a="b"', "expected , or }", 8),
        (r'x{a="b\q"}', "unknown escape", 7),
    ],
)
def test_a_mistake_is_told_with_its_position(text, message, position):
    """The position counts characters from one."""
    with pytest.raises(SelectorError, match=message) as caught:
        parse_selector(text)

    assert caught.value.position == position


def test_sizes_are_limited():
    """Selectors come from files that people did not write."""
    with pytest.raises(SelectorError, match="longer than"):
        parse_selector("x" * (SELECTOR_CHARS_MAX + 1))
    with pytest.raises(SelectorError, match="more than"):
        parse_selector("x{" + 'a="b",' * (MATCHERS_MAX + 1) + "}")


def test_escapes_are_those_of_go():
    """Quotes, backslashes, line breaks and tabs."""
    (matcher,) = parse_selector(r"""x{a="\"\\\n\t\'"}""").matchers

    assert matcher.value == "\"\\\n\t'"


@pytest.mark.parametrize(
    ("matcher", "labels", "expected"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {"a": "bb"}, False),
        ('a=""', {}, True),
        ('a!="b"', {}, True),
        ('a!="b"', {"a": "b"}, False),
        ('a!=""', {}, False),
        ('a=~"b"', {"a": "bb"}, False),
        ('a=~"b+"', {"a": "bb"}, True),
        ('a=~"5.."', {"a": "503"}, True),
        ('a=~".*"', {}, True),
        ('a=~".+"', {}, False),
        ('a!~"5.."', {"a": "503"}, False),
        ('a!~"5.."', {"a": "200"}, True),
        ('a=~"x|yy"', {"a": "yy"}, True),
        ('a=~"(?:x)?y"', {"a": "y"}, True),
        (r'a=~"x\\.[)*]y"', {"a": "x.)y"}, True),
        (r'a=~"[]a]\\)*"', {"a": "a))"}, True),
    ],
)
def test_matching_is_anchored_and_a_missing_label_is_empty(matcher, labels, expected):
    """As Prometheus does it, on both sides of the rule."""
    assert build_predicate(parse_selector(f"x{{{matcher}}}"))(labels) is expected


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|a)*", "(ab){2,}", "(?=a)b", "(?P<x>a)", "(?i)a", r"(a)\1", "a(", "["]
)
def test_expressions_that_could_run_for_ever_or_mean_something_else_are_refused(pattern):
    """RE2 has no look-around; Python's engine has exponential time."""
    matcher = Matcher(label="a", operator=Operator.MATCH, value=pattern)

    with pytest.raises(SelectorError, match="regular expression"):
        build_predicate(Selector(metric="x", matchers=(matcher,)))


def test_a_long_expression_is_refused():
    """It should be a label of its own."""
    matcher = Matcher(label="a", operator=Operator.NOT_MATCH, value="a" * (REGEX_CHARS_MAX + 1))

    with pytest.raises(SelectorError, match="longer than"):
        build_predicate(Selector(metric="x", matchers=(matcher,)))


@given(st.text(max_size=60))
def test_any_text_is_a_selector_or_a_selector_error(text):
    """Nothing else is ever raised."""
    for candidate in (text, f"x{{{text}}}", f'x{{a=~"{text}"}}'):
        with contextlib.suppress(SelectorError):
            build_predicate(parse_selector(candidate))({"a": "b"})


def test_a_set_that_python_may_read_otherwise_one_day_is_no_warning():
    """`[[]` is a set of one bracket in Prometheus too; warnings are errors here."""
    assert build_predicate(parse_selector('x{a=~"[[]"}'))({"a": "["})
