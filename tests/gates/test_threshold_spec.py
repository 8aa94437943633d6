"""What a threshold measures is written down soundly, or lint says how."""

from __future__ import annotations

import pytest

from rolloutctl.core.measurement import QueryKind
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec

QUERY = ThresholdSpec(query="up", fail="< 0.95")
SHARE = ThresholdSpec(bad="bad_total", total="req_total", window_s=300.0, fail="> 5%")
MEAN = ThresholdSpec(sum_="cost_total", count="req_total", window_s=300.0, fail="> 0.02")
QUANTILE = ThresholdSpec(histogram="t_bucket", quantile=0.99, window_s=300.0, fail="> 2.5s")


@pytest.mark.parametrize(
    ("spec", "keys", "kind"),
    [
        (QUERY, ["query"], QueryKind.EXPRESSION),
        (
            ThresholdSpec(query="up", fail="< 0.95", pass_="> 0.99"),
            ["query"],
            QueryKind.EXPRESSION,
        ),
        (SHARE, ["bad", "total"], QueryKind.COUNTERS),
        (MEAN, ["sum", "count"], QueryKind.COUNTERS),
        (QUANTILE, ["histogram"], QueryKind.COUNTERS),
    ],
)
def test_a_sound_spec_has_no_problems_and_says_what_it_asks(spec, keys, kind):
    """Texts by their YAML keys, in the order they are asked."""
    gate = Threshold()

    assert gate.problems(spec) == ()
    assert list(gate.texts(spec)) == keys
    assert gate.query_kinds(spec) == {kind}


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ({"query": "up"}, "", "no condition"),
        ({"fail": "< 1"}, "", "nothing to measure"),
        ({"query": "up", "bad": "a", "total": "b", "window_s": 60.0, "fail": "< 1"}, "", "several"),
        ({"bad": "a", "window_s": 60.0, "fail": "< 1"}, "total", "bad/total needs total"),
        ({"count": "a", "window_s": 60.0, "fail": "< 1"}, "sum", "sum/count needs sum"),
        ({"histogram": "a", "window_s": 60.0, "fail": "< 1"}, "quantile", "needs quantile"),
        ({"quantile": 0.9, "window_s": 60.0, "fail": "< 1"}, "histogram", "needs histogram"),
        (
            {"histogram": "a", "quantile": 1.0, "window_s": 60.0, "fail": "< 1"},
            "quantile",
            "between 0% and 100%",
        ),
        ({"bad": "a", "total": "b", "fail": "< 1"}, "window", "over a window"),
        ({"bad": "a", "total": "b", "window_s": 0.5, "fail": "< 1"}, "window", "at least 1s"),
        ({"query": "up", "window_s": 60.0, "fail": "< 1"}, "window", "its own window"),
        ({"query": 'up{a="${arm.labels.a}"}', "fail": "< 1"}, "query", "once per arm"),
        ({"sum_": "rate(a[5m])", "count": "b", "window_s": 60.0, "fail": "< 1"}, "sum", "raw"),
        ({"query": "up", "fail": "fast"}, "fail", "cannot read 'fast'"),
        ({"query": "up", "pass_": "fast"}, "pass", "cannot read 'fast'"),
        ({"bad": "a", "total": "b", "window_s": 60.0, "fail": "> 5"}, "fail", "share from 0 to 1"),
        ({"bad": "a", "total": "b", "window_s": 60.0, "fail": "> 1s"}, "fail", "share from 0 to"),
        ({"query": "up", "fail": "> 1", "pass_": "> 0"}, "pass", "both hold"),
    ],
)
def test_a_spec_that_cannot_work_is_a_problem(keys, where, words):
    """Each with the key, a message and what to write."""
    problems = Threshold().problems(ThresholdSpec(**keys))

    assert [(key, words in message, bool(fix)) for key, message, fix in problems] == [
        (where, True, True)
    ]


def test_every_problem_is_told_at_once():
    """Not the first only."""
    spec = ThresholdSpec(query="up", sum_="a", quantile=0.0, fail="x")

    keys = [key for key, _, _ in Threshold().problems(spec)]

    assert keys == ["", "count", "window", "fail"]


@pytest.mark.parametrize(
    ("spec", "is_counting"), [(QUERY, False), (SHARE, True), (MEAN, True), (QUANTILE, True)]
)
def test_only_an_expression_has_no_events_to_count(spec, is_counting):
    """So `min_sample` cannot hold there."""
    assert Threshold().counts_events(spec) is is_counting
