"""A threshold gate on an alerting rule: fails while it holds, passes only on fresh data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.foresight import Ahead, Track
from rolloutctl.core.measurement import (
    SELECTOR_LABEL,
    DataState,
    Measurement,
    Query,
    QueryKind,
    Reading,
    Sample,
)
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.rule import RuleSpec
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec

NOW = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
GATE = Threshold()
EXPR = 'rate(x_total{status="500"}[5m]) / rate(x_total[5m]) > 0.05 unless on(pod) upkeep'


def spec(*, for_s=0.0, may_be_empty=()):
    rule = RuleSpec(file="r.yml", alert="Errors", expr=EXPR, for_s=for_s, may_be_empty=may_be_empty)
    return ThresholdSpec(rule=rule)


def context(seconds=0.0):
    now = NOW + timedelta(seconds=seconds)
    return GateContext(now=now, since=None, arms={}, exposure=None, interval_s=30.0)


def answer(series, **selectors):
    """How many series, and which selectors have data."""
    texts = {"bad": 'x_total{status="500"}', "all": "x_total", "upkeep": "upkeep"}
    samples = [Sample(labels=(), value=float(series))]
    samples += [
        Sample(labels=((SELECTOR_LABEL, texts[name]),), value=float(has_data))
        for name, has_data in selectors.items()
    ]
    measurement = Measurement(
        at=NOW, state=DataState.OK, samples=tuple(samples), detail='{pod="a"} 0.2' if series else ""
    )
    return Reading(query=Query(kind=QueryKind.CONDITION, text=EXPR), measurement=measurement)


def judged(reading, *, of=None):
    return GATE.assess(of or spec(), None, (reading,), context())[1]


def test_it_asks_the_expression_as_a_condition():
    """One question; what it counts is not events."""
    (query,) = GATE.queries(spec(), context())

    assert (query.kind, query.text) == (QueryKind.CONDITION, EXPR)
    assert GATE.query_kinds(spec()) == {QueryKind.CONDITION}
    assert GATE.problems(spec()) == ()
    assert not GATE.counts_events(spec())


def test_any_series_fails_and_the_first_are_named():
    """As Prometheus would raise an alert for each."""
    verdict = judged(answer(2))

    assert verdict.outcome is Outcome.FAIL
    assert verdict.because == 'alert Errors holds for 2 series: {pod="a"} 0.2'


@pytest.mark.parametrize(
    ("selectors", "may_be_empty", "outcome"),
    [
        ({"bad": 1, "all": 1, "upkeep": 1}, (), Outcome.PASS),
        ({"bad": 0, "all": 1, "upkeep": 1}, (), Outcome.PASS),  # no failure yet
        ({"bad": 0, "all": 0, "upkeep": 1}, (), Outcome.NO_DATA),  # the application is gone
        ({"bad": 1, "all": 1, "upkeep": 0}, (), Outcome.NO_DATA),
        ({"bad": 1, "all": 1, "upkeep": 0}, ("upkeep",), Outcome.PASS),
        ({"bad": 0, "all": 0, "upkeep": 0}, ("upkeep",), Outcome.NO_DATA),
        ({"bad": 0, "all": 0, "upkeep": 0}, ("upkeep", "x_total"), Outcome.PASS),
        ({}, (), Outcome.PASS),  # nothing to look after: vector(1) > 2
    ],
)
def test_no_series_passes_only_where_its_data_is_there(selectors, may_be_empty, outcome):
    """An expression whose data is gone is quiet too."""
    verdict = judged(answer(0, **selectors), of=spec(may_be_empty=may_be_empty))

    assert verdict.outcome is outcome
    assert ("may_be_empty" in verdict.because) is (outcome is Outcome.NO_DATA)


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (Reading(query=answer(0).query, error="down"), Outcome.ERROR),
        (
            Reading(query=answer(0).query, measurement=Measurement(at=NOW, state=DataState.STALE)),
            Outcome.NO_DATA,
        ),
        (
            Reading(query=answer(0).query, measurement=Measurement(at=NOW, state=DataState.OK)),
            Outcome.NO_DATA,
        ),
        (
            Reading(
                query=answer(0).query,
                measurement=Measurement(
                    at=NOW,
                    state=DataState.OK,
                    samples=(Sample(labels=((SELECTOR_LABEL, "x"),), value=1.0),),
                ),
            ),
            Outcome.NO_DATA,
        ),
    ],
)
def test_an_answer_that_does_not_count_series_is_never_a_pass(reading, outcome):
    """An error, old data, nothing, or selectors alone."""
    assert judged(reading).outcome is outcome


def test_it_fails_once_it_has_held_for_the_rules_for():
    """Until then it is inconclusive, with the time when it settles; one quiet look ends it."""
    rule, evidence, outcomes = spec(for_s=60.0), None, []
    for second, series in ((0, 1), (30, 0), (60, 1), (90, 3), (120, 1)):
        reading = answer(series, all=1)
        evidence, verdict = GATE.assess(rule, evidence, (reading,), context(second))
        outcomes.append(verdict.outcome)
        if verdict.outcome is Outcome.INCONCLUSIVE:
            assert verdict.settles_at is not None

    fails, undecided, passes = Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS
    assert outcomes == [undecided, passes, undecided, undecided, fails]
    assert "for 1m" in verdict.because


def test_looks_ahead_pass_as_long_as_no_series_is_answered():
    """What a simulation leaves out."""
    ahead = Ahead(
        first=NOW, interval=timedelta(seconds=30), count=3, answers=((Track((), [0.0, 0.0, 1.0]),),)
    )

    assert GATE.foresee(spec(), None, ahead, context()).looks == 2
