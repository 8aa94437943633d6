"""What the canary may spend: nothing is let go, and over the limit is a failure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rolloutctl.core.measurement import DataState
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.budget import SPENT_MAX, Budget, BudgetSpec
from worlds.two_arms import START, TwoArms, context_at, counter, reading_of

PASS, FAIL, NO_DATA, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.NO_DATA, Outcome.ERROR
COST = 'cost_usd_total{model="${canary.labels.model}"}'
SPEC = BudgetSpec(spent=COST, max_=50.0)
#: The canary as it is served, and as it is only mirrored.
EVER = ({"canary.labels.model": "new"}, {"canary.labels.model": "mirror"})
EMPTY = DataState.EMPTY


def begun(spec=SPEC, *answers, **context):
    gate = TwoArms(Budget(), spec, **context)
    gate.read(*(answers or (1000,)))
    return gate


def test_what_was_spent_before_the_rollout_does_not_count():
    """The first look is the beginning."""
    gate = begun()

    assert gate.verdict.outcome is PASS
    assert gate.read(1049) is PASS
    assert "spent 49 of 50" in gate.verdict.because


def test_over_the_limit_is_a_failure_and_at_it_is_not():
    """`max` may be spent. It waits for no minimum sample."""
    gate = begun(min_sample=500.0)

    assert gate.read(1050) is PASS
    assert gate.read(1050.01) is FAIL
    assert "over the limit" in gate.verdict.because
    assert gate.verdict.sample == 500.0


def test_a_gap_loses_nothing():
    """A day without a driver; the counters remember."""
    gate = begun()

    assert gate.read(1060, after_s=86_400) is FAIL


def test_a_clock_behind_the_last_look_loses_nothing():
    """Another machine takes over whose clock is a minute late."""
    gate = begun()
    gate.read(1020)

    gate.read(1040, after_s=-60)

    assert dict(gate.verdict.numbers)["spent"] == 40


def test_a_reset_counter_adds_what_it_shows():
    """A restarted pod begins at zero; what it had counted stays counted."""
    gate = begun()
    gate.read(1020)

    gate.read(5)
    gate.read(10)

    assert dict(gate.verdict.numbers)["spent"] == 30


def test_a_series_that_comes_and_goes_is_counted_once():
    """A scrape that missed it is no reset."""
    gate = begun()
    gate.read(1020)

    outcome = gate.read(EMPTY)
    gate.read(1025, after_s=7200)

    assert outcome is NO_DATA
    assert dict(gate.verdict.numbers)["spent"] == 25


def test_a_canary_without_a_series_yet_counts_from_zero():
    """Its first request makes the counter: all of it was spent in this rollout."""
    gate = begun(SPEC, EMPTY)

    assert gate.verdict.outcome is NO_DATA
    assert gate.read(30) is PASS
    assert gate.read(51) is FAIL


def test_mirrored_spend_counts_in_every_step():
    """The shadow's labels are asked as well, whatever the step serves."""
    gate = begun(SPEC, EMPTY, [counter(100, model="mirror")], arms_ever=EVER)
    texts = [query.text for query in Budget().queries(SPEC, context_at(0, arms_ever=EVER))]

    gate.read(EMPTY, [counter(120, model="mirror")])
    gate.read([counter(10, model="new")], [counter(125, model="mirror")])

    assert texts == ['cost_usd_total{model="new"}', 'cost_usd_total{model="mirror"}']
    assert dict(gate.verdict.numbers)["spent"] == 35
    assert gate.verdict.outcome is PASS


def test_texts_without_the_shadows_labels_are_asked_once():
    """Both forms of such a text are the same."""
    spec = BudgetSpec(spent=('a_total{x="y"}', COST), max_=1.0)

    texts = [query.text for query in Budget().queries(spec, context_at(0, arms_ever=EVER))]

    assert texts == [
        'a_total{x="y"}',
        'cost_usd_total{model="new"}',
        'cost_usd_total{model="mirror"}',
    ]


def test_a_series_that_two_texts_select_counts_once():
    """One of them is wider than the other; another metric is another thing."""
    spec = BudgetSpec(spent=("a_total", 'a_total{x="y"}', 'b_total{x="y"}'), max_=100.0)
    gate = TwoArms(Budget(), spec)
    for shown in (0, 10):
        one = [counter(shown, x="y")]
        gate.read([counter(shown), *one], one, one)

    assert dict(gate.verdict.numbers)["spent"] == 30


def test_a_text_that_nothing_answers_is_no_data():
    """A misspelled counter must not read as nothing spent."""
    spec = BudgetSpec(spent=(COST, "tokns_total"), max_=50.0)
    gate = begun(spec, 1000, EMPTY)

    assert gate.read(1010, EMPTY) is NO_DATA
    assert "no such series: spent 2" in gate.verdict.because
    assert gate.read(1060, EMPTY) is FAIL


def test_errors_that_have_not_happened_are_nothing_spent():
    """Only where the same metric shows that the canary is counted at all."""
    requests = 'requests_total{model="${canary.is}"}'
    failed = 'requests_total{model="${canary.is}",status="500"}'
    for spent, outcome in ((failed, PASS), ("failures_total", NO_DATA)):
        gate = begun(BudgetSpec(spent=spent, max_=10.0, within=requests), EMPTY, 100)

        assert gate.read(EMPTY, 5000) is outcome
        assert gate.read(11, 6000) is FAIL
        assert dict(gate.verdict.numbers)["spent"] == 11
    assert begun(BudgetSpec(spent=COST, max_=1.0, within=requests), 5, EMPTY).verdict.outcome is (
        NO_DATA
    )


@pytest.mark.parametrize(
    ("given", "outcome"),
    [(DataState.STALE, NO_DATA), ("down", ERROR), (float("nan"), NO_DATA), (-1, ERROR)],
)
def test_a_reading_that_tells_nothing_changes_nothing(given, outcome):
    """What was spent meanwhile is seen at the next look."""
    gate = begun()
    gate.read(1020)
    before = gate.evidence

    assert gate.read(given) is outcome
    assert gate.evidence == before
    gate.read(1045)
    assert dict(gate.verdict.numbers)["spent"] == 45


def test_a_first_look_after_the_canary_was_served_says_so():
    """What was spent before it cannot be known."""
    gate = begun(since=START - timedelta(hours=1))

    assert "before 12:00:30 UTC is not known" in gate.verdict.because


def test_before_anything_is_served_it_counts_already():
    """`since` is None then."""
    gate = begun(since=None)

    assert gate.read(1060, since=None) is FAIL


def test_an_unknown_reference_and_a_missing_answer_are_errors():
    """Neither ever passes."""
    readings = [reading_of(query, 1) for query in Budget().queries(SPEC, context_at(0))]
    nameless = context_at(0, arms={"canary.is": "x"})

    assert Budget().assess(SPEC, None, readings, nameless)[1].outcome is ERROR
    assert Budget().assess(SPEC, None, [], context_at(0))[1].outcome is ERROR


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"spent": "rate(x[5m])"}, "spent", "raw counters"),
        ({"spent": 'x{a="${arm.is}"}'}, "spent", "a budget is the canary's"),
        ({"spent": ()}, "spent", "0 selectors"),
        ({"within": "sum(x)"}, "within", "raw counters"),
        ({"spent": ("x",) * (SPENT_MAX + 1)}, "spent", "21 selectors"),
        ({"max_": -1.0}, "max", "from 0 on"),
        ({"max_": float("nan")}, "max", "from 0 on"),
    ],
)
def test_a_spec_that_cannot_work_is_a_problem(changes, where, words):
    """Each says where and what to write instead."""
    [(key, message, fix)] = Budget().problems(BudgetSpec(**{"spent": COST, "max_": 1.0} | changes))

    assert key == where
    assert words in message
    assert fix


def test_a_sound_spec_has_no_problems_and_says_what_it_asks():
    """Counters only, by name."""
    assert Budget().problems(SPEC) == ()
    assert Budget().texts(SPEC) == {"spent": COST}
    assert Budget().query_kinds(SPEC) == {"counters"}
