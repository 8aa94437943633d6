"""The plain alert rule: one number against its limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates import readings as readings_module
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INTERVAL_S = 30.0
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
NO_DATA, ERROR = Outcome.NO_DATA, Outcome.ERROR
ARMS = {"canary.labels.model": 'so"net', "control.labels.model": "gpt"}

TOTAL = 'req_total{model="${canary.labels.model}"}'
BAD = 'req_total{model="${canary.labels.model}",status!="200"}'
QUERY = ThresholdSpec(query="up", fail="< 0.95")
SHARE = ThresholdSpec(bad=BAD, total=TOTAL, window_s=300.0, fail="> 5%")
MEAN = ThresholdSpec(sum_="cost_total", count="req_total", window_s=300.0, fail="> 0.02")
QUANTILE = ThresholdSpec(histogram="t_bucket", quantile=0.99, window_s=300.0, fail="> 2.5s")


def context_at(seconds, arms=ARMS):
    return GateContext(
        now=START + timedelta(seconds=seconds),
        since=START,
        arms=arms,
        exposure=None,
        interval_s=INTERVAL_S,
    )


def counter(number, **labels):
    return Sample(labels=tuple(sorted(labels.items())), value=float(number))


def answer(query, samples, state=DataState.OK):
    return Reading(
        query=query, measurement=Measurement(at=START, state=state, samples=tuple(samples))
    )


class Drive:
    """Asks and judges as the runner does, evidence through JSON between the ticks."""

    def __init__(self, spec, arms=ARMS):
        self.spec, self.arms, self.evidence, self.verdict = spec, arms, None, None

    def read(self, seconds, *answers):
        """One tick. An answer is a number, samples by labels, a data state, or an error."""
        context = context_at(seconds, self.arms)
        queries = Threshold().queries(self.spec, context)
        found = [reading_of(q, a) for q, a in zip(queries, answers, strict=True)]
        evidence, self.verdict = Threshold().assess(self.spec, self.evidence, found, context)
        self.evidence = json.loads(json.dumps(evidence, allow_nan=False))
        return self.verdict.outcome


def reading_of(query, given_):
    if isinstance(given_, Reading):
        return given_
    if isinstance(given_, DataState):
        return answer(query, (), given_)
    if isinstance(given_, str):
        return Reading(query=query, error=given_)
    if isinstance(given_, list):
        return answer(query, given_)
    return answer(query, [counter(given_)])


def buckets(**counts):
    """le_1=5 is the bucket le="1"; inf the one of +Inf."""
    names = {"inf": "+Inf"}
    return [
        counter(n, le=names.get(name, name.removeprefix("le_").replace("_", ".")))
        for name, n in counts.items()
    ]


@pytest.mark.parametrize(
    ("fail", "pass_", "number", "outcome", "because"),
    [
        ("< 0.95", "", 0.931, FAIL, "observed 0.93 < 0.95 (limit: fail < 0.95)"),
        ("< 0.95", "", 0.95, PASS, "observed 0.95 (limit: fail < 0.95)"),
        ("", "> 99%", 0.995, PASS, "observed 99.5% > 99% (limit: pass > 99%)"),
        ("", "> 99%", 0.99, FAIL, "observed 99% (limit: pass > 99%)"),
        ("< 0.95", "> 0.99", 0.9, FAIL, "observed 0.9 < 0.95 (limit: fail < 0.95)"),
        ("< 0.95", "> 0.99", 1.0, PASS, "observed 1 > 0.99 (limit: pass > 0.99)"),
        (
            "< 0.95",
            "> 0.99",
            0.97,
            INCONCLUSIVE,
            "observed 0.97, between the limits (limit: fail < 0.95 and pass > 0.99)",
        ),
        ("> 1", "> 0", 2.0, FAIL, "observed 2 > 1 (limit: fail > 1)"),
        ("", "", 1.0, INCONCLUSIVE, "observed 1, between the limits (limit: no limit)"),
    ],
)
def test_a_number_is_judged_by_its_limits(fail, pass_, number, outcome, because):
    """What neither passes nor fails is undecided; FAIL wins; no limit never passes."""
    gate = Drive(ThresholdSpec(query="up", fail=fail, pass_=pass_))

    assert gate.read(0, number) is outcome
    assert gate.verdict.because == because
    assert dict(gate.verdict.numbers)["observed"] == number
    assert gate.verdict.sample is None


UNUSABLE = [
    (DataState.EMPTY, NO_DATA, "no such series"),
    (DataState.NOT_A_NUMBER, NO_DATA, "not a number"),
    (DataState.STALE, NO_DATA, "stale"),
    (DataState.AMBIGUOUS, ERROR, "aggregate"),
    ("connection refused", ERROR, "connection refused"),
    ([], NO_DATA, "no such series"),
    ([counter(float("nan"))], NO_DATA, "not a number"),
    ([counter(float("inf"))], NO_DATA, "not a number"),
]


@pytest.mark.parametrize(("given_", "outcome", "words"), UNUSABLE)
@pytest.mark.parametrize("spec", [QUERY, SHARE, MEAN, QUANTILE])
def test_a_reading_that_tells_nothing_is_never_judged(spec, given_, outcome, words):
    """Whatever is missing, the verdict says what, and the evidence stays."""
    gate = Drive(spec)
    good = {
        QUERY: [1.0],
        SHARE: [1.0, 100.0],
        MEAN: [1.0, 100.0],
        QUANTILE: [buckets(le_1=1, inf=1)],
    }
    gate.read(0, *good[spec])
    before = gate.evidence

    assert gate.read(30, *good[spec][:-1], given_) is outcome
    assert words in gate.verdict.because
    assert gate.evidence == before


def test_an_unanswered_query_is_an_error():
    """Neither measurement nor error text."""
    gate = Drive(QUERY)

    assert gate.read(0, Reading(query=Query(kind=QueryKind.EXPRESSION, text="up"))) is ERROR
    assert "not answered" in gate.verdict.because


def test_several_answers_to_an_expression_are_an_error():
    """One of them would be a guess."""
    assert Drive(QUERY).read(0, [counter(1, a="1"), counter(1, a="2")]) is ERROR


def test_the_sources_detail_is_told():
    """Why it is stale, say."""
    measurement = Measurement(at=START, state=DataState.STALE, detail="6m old")
    gate = Drive(QUERY)
    query = Query(kind=QueryKind.EXPRESSION, text="up")

    gate.read(0, Reading(query=query, measurement=measurement))

    assert gate.verdict.because == "stale, 6m old: up"


def test_a_missing_answer_is_an_error():
    """Fewer readings than queries cannot be matched."""
    context = context_at(0)

    _, verdict = Threshold().assess(SHARE, None, [], context)

    assert verdict.outcome is ERROR


def test_an_error_is_told_before_silence():
    """It is the one that a human can mend."""
    gate = Drive(SHARE)

    assert gate.read(0, DataState.STALE, "boom") is ERROR


def test_counters_are_judged_from_the_second_reading_on():
    """One reading of a counter tells nothing; the verdict says when it will."""
    gate = Drive(SHARE)

    assert gate.read(0, 1000, 100_000) is INCONCLUSIVE
    assert gate.verdict.settles_at == START + timedelta(seconds=30)
    assert gate.read(30, 1001, 100_100) is PASS
    assert gate.verdict.because == "observed 1% (limit: fail > 5%; 1 of 100 events in 5m)"
    assert gate.verdict.sample == 100.0
    assert gate.verdict.numbers == (("observed", 0.01), ("limit", 0.05))


def test_a_share_is_that_of_the_window_not_of_all_time():
    """Old failures leave with the window."""
    gate = Drive(SHARE)
    gate.read(0, 0, 0)
    assert gate.read(30, 50, 100) is FAIL
    outcomes = [gate.read(30 + 30 * n, 50, 100 + 100 * n) for n in range(1, 11)]

    assert outcomes[-1] is PASS
    assert gate.verdict.sample == 1000.0


def test_an_idle_service_is_no_data():
    """0 of 0 is neither good nor bad."""
    gate = Drive(SHARE)
    gate.read(0, 1, 100)

    assert gate.read(30, 1, 100) is NO_DATA
    assert gate.verdict.because == "no events in 5m: total did not move"
    assert gate.verdict.sample == 0.0


def test_a_mean_without_events_is_no_data():
    """Nor is a mean of nothing."""
    gate = Drive(MEAN)
    gate.read(0, 1, 100)

    assert gate.read(30, 1, 100) is NO_DATA


def test_a_canary_without_failures_has_no_series_of_them():
    """Zero bad events where `bad` narrows `total`, and the first failure counts from 0."""
    gate = Drive(SHARE)

    assert gate.read(0, DataState.EMPTY, 1000) is INCONCLUSIVE
    assert gate.read(30, DataState.EMPTY, 1100) is PASS
    assert gate.verdict.numbers[0] == ("observed", 0.0)
    assert gate.read(60, 20, 1200) is FAIL
    assert gate.verdict.numbers[0] == ("observed", 0.1)


@pytest.mark.parametrize("bad", ['errors_total{model="a"}', 'req_total{model="b",status="500"}'])
def test_a_missing_series_of_another_kind_is_missing_data(bad):
    """Nothing proves that such a series would be there if something bad happened."""
    gate = Drive(ThresholdSpec(bad=bad, total=TOTAL, window_s=300.0, fail="> 5%"))

    gate.read(0, DataState.EMPTY, 1000)

    assert gate.read(30, DataState.EMPTY, 1100) is NO_DATA


def test_no_total_is_missing_data_whatever_bad_says():
    """An empty `total` never counts as zero."""
    gate = Drive(SHARE)

    assert gate.read(0, DataState.EMPTY, DataState.EMPTY) is NO_DATA


def test_more_bad_than_total_is_an_error_beyond_what_timing_explains():
    """Read moments apart they may differ a little; a selector of something else does not."""
    close, wrong = Drive(SHARE), Drive(SHARE)
    close.read(0, 0, 0)
    wrong.read(0, 0, 0)

    assert close.read(30, 105, 100) is FAIL
    assert close.verdict.numbers[0] == ("observed", 1.0)
    assert wrong.read(30, 150, 100) is ERROR


def test_a_mean_is_the_sum_over_the_events():
    """Cost a request, say."""
    gate = Drive(MEAN)
    gate.read(0, 10.0, 100)

    assert gate.read(30, 13.0, 200) is FAIL
    assert gate.verdict.numbers[0] == ("observed", pytest.approx(0.03))
    assert gate.verdict.because == "observed 0.03 > 0.02 (limit: fail > 0.02; 100 events in 5m)"


def test_a_quantile_is_that_of_the_window_over_all_pods():
    """Buckets are added up by bound, however the bound is written."""
    gate = Drive(QUANTILE)
    gate.read(0, buckets(le_1=0, le_5=0, inf=0))
    rows = [
        counter(50, le="1"),
        counter(50, le="1.0", pod="b"),
        counter(50, le="5"),
        counter(90, le="5", pod="b"),
        counter(50, le="+Inf"),
        counter(90, le="inf", pod="b"),
    ]

    assert gate.read(30, rows) is FAIL
    assert gate.verdict.numbers[0] == ("observed", pytest.approx(1 + 4 * (138.6 - 100) / 40))
    assert gate.verdict.sample == 140.0
    assert "p99 of 140 events in 5m" in gate.verdict.because


@pytest.mark.parametrize(
    ("highest", "condition", "outcome"),
    [
        ("le_2_5", {"fail": "> 2.5s"}, FAIL),
        ("le_1", {"fail": "> 2.5s"}, INCONCLUSIVE),
        ("le_2_5", {"pass_": "< 2.5s"}, FAIL),
        ("le_1", {"pass_": "< 2.5s"}, INCONCLUSIVE),
        ("le_1", {"fail": "< 0.5s"}, PASS),
        ("le_1", {"fail": "< 0.5s", "pass_": "> 2.5s"}, INCONCLUSIVE),
        ("le_1", {"fail": "> 2.5s", "pass_": "> 0.5s"}, INCONCLUSIVE),
        ("le_1", {"pass_": "> 0.5s"}, PASS),
    ],
)
def test_a_quantile_above_the_buckets_is_judged_as_far_as_it_is_known(highest, condition, outcome):
    """PromQL would answer the highest bound and let a slow canary pass."""
    spec = ThresholdSpec(histogram="t_bucket", quantile=0.99, window_s=300.0, **condition)
    gate = Drive(spec)
    gate.read(0, buckets(**{highest: 0, "inf": 0}))

    assert gate.read(30, buckets(**{highest: 50, "inf": 100})) is outcome
    assert "above" in gate.verdict.because


@pytest.mark.parametrize(
    ("rows", "outcome", "words"),
    [
        ([counter(9)], ERROR, "numeric le"),
        ([counter(9, le="fast")], ERROR, "numeric le"),
        ([counter(9, le="nan")], ERROR, "numeric le"),
        ([counter(9, le="1")], ERROR, "+Inf bucket"),
        ([counter(9, le="1"), counter(8, le="+Inf")], ERROR, "not one histogram"),
        ([counter(0, le="1"), counter(0, le="+Inf")], NO_DATA, "no events"),
    ],
)
def test_what_is_no_histogram_is_not_judged(rows, outcome, words):
    """Every reason is told."""
    gate = Drive(QUANTILE)
    gate.read(0, buckets(le_1=0, inf=0))

    assert gate.read(30, rows) is outcome
    assert words in gate.verdict.because


def test_counters_below_zero_are_an_error():
    """A gauge was named where a counter is needed."""
    assert Drive(SHARE).read(0, -1, 100) is ERROR


def test_too_many_series_are_an_error_that_names_the_limit(monkeypatch):
    """Evidence is bounded."""
    monkeypatch.setattr(readings_module, "SERIES_MAX", 2)
    gate = Drive(SHARE)

    assert gate.read(0, 1, [counter(1, pod=str(n)) for n in range(3)]) is ERROR
    assert "3 series, at most 2" in gate.verdict.because


def test_after_a_gap_the_window_begins_anew():
    """A process that was away judges nothing on what it saw before."""
    gate = Drive(SHARE)
    gate.read(0, 0, 0)
    gate.read(30, 0, 1000)

    assert gate.read(3600, 0, 9000) is INCONCLUSIVE
    assert gate.read(3630, 10, 9100) is FAIL
    assert gate.verdict.sample == 100.0


def test_other_questions_are_not_answered_by_old_evidence():
    """A guardrail asks about the shadow's labels first and the canary's later."""
    gate = Drive(SHARE)
    gate.read(0, 0, 0)
    gate.read(30, 0, 100)
    gate.arms = {**ARMS, "canary.labels.model": "other"}

    assert gate.read(60, 900, 90_000) is INCONCLUSIVE


def test_evidence_of_another_version_is_not_used():
    """It is begun anew rather than misread."""
    gate = Drive(SHARE)
    gate.read(0, 0, 0)
    gate.evidence = {**gate.evidence, "version": 0}

    assert gate.read(30, 0, 100) is INCONCLUSIVE


LASTING = ThresholdSpec(query="up", fail="< 0.95", for_s=60.0)


def test_a_failure_counts_once_it_has_lasted():
    """Until then it is undecided, with the time when it will be."""
    gate = Drive(LASTING)

    outcomes = [gate.read(seconds, 0.9) for seconds in (0, 30)]
    pending = gate.verdict
    outcomes.append(gate.read(60, 0.9))

    assert outcomes == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
    assert pending.settles_at == START + timedelta(seconds=60)
    assert pending.because == "observed 0.9 < 0.95 (limit: fail < 0.95), for 30s of 1m"
    assert gate.verdict.because == "observed 0.9 < 0.95 (limit: fail < 0.95), for 1m"


@given(st.integers(0, 10**9))
def test_no_fraction_of_a_second_puts_a_failure_off(microseconds):
    """Exactly `for` after it began it counts, whenever it began."""
    gate, begun_s = Drive(LASTING), microseconds / 1e6
    gate.read(begun_s, 0.9)

    assert gate.read(begun_s + 60.0, 0.9) is FAIL


def test_a_good_value_ends_a_failure():
    """It must last without a break."""
    gate = Drive(LASTING)

    outcomes = [gate.read(*tick) for tick in [(0, 0.9), (30, 1.0), (60, 0.9), (90, 0.9)]]

    assert outcomes == [INCONCLUSIVE, PASS, INCONCLUSIVE, INCONCLUSIVE]


@pytest.mark.parametrize(("back_s", "outcome"), [(90, FAIL), (91, INCONCLUSIVE)])
def test_silence_keeps_a_failure_for_three_intervals(back_s, outcome):
    """Longer silence begins it anew; meanwhile silence is silence."""
    gate = Drive(LASTING)
    gate.read(0, 0.9)

    assert gate.read(30, DataState.EMPTY) is NO_DATA
    assert gate.read(back_s, 0.9) is outcome


def test_references_are_replaced_by_labels_and_escaped():
    """A quote in a label value cannot end the string."""
    spec = ThresholdSpec(query='up{m="${canary.labels.model}"}', fail="< 1")

    (query,) = Threshold().queries(spec, context_at(0))

    assert query == Query(kind=QueryKind.EXPRESSION, text='up{m="so\\"net"}')


def test_an_unknown_reference_never_passes():
    """Lint refuses it; here it is an error that lists the known ones."""
    gate = Drive(ThresholdSpec(query='up{m!="${canary.labels.oops}"}', fail="< 0.95"))

    assert Threshold().queries(gate.spec, context_at(0))[0].text == gate.spec.query
    assert gate.read(0, 1.0) is ERROR
    assert "${canary.labels.oops}" in gate.verdict.because
    assert "control.labels.model" in gate.verdict.because


ANSWERS = st.one_of(
    st.sampled_from(["boom", *DataState]),
    st.lists(
        st.builds(
            counter,
            st.floats(allow_nan=True, allow_infinity=True),
            le=st.sampled_from(["1", "2", "+Inf", "x"]),
        ),
        max_size=3,
        unique_by=lambda sample: sample.labels,
    ),
)
SPECS = st.sampled_from([QUERY, SHARE, MEAN, QUANTILE, LASTING])


@given(SPECS, st.lists(st.tuples(ANSWERS, ANSWERS), max_size=5))
def test_no_reading_raises_and_none_that_is_missing_passes(spec, ticks):
    """Whatever a source answers."""
    gate = Drive(spec)
    for index, answers in enumerate(ticks):
        used = answers[-len(spec.texts()) :]

        outcome = gate.read(30.0 * index, *used)

        if outcome is PASS:
            assert isinstance(used[-1], list) or used[-1] is DataState.OK
            assert used[-1]
