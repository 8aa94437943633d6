"""The limits around one measurement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.judging import next_record
from rolloutctl.core.playbook import GateLimits, OnSilence
from rolloutctl.core.verdict import Outcome, Verdict

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INTERVAL_S = 30.0
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
NO_DATA, ERROR = Outcome.NO_DATA, Outcome.ERROR


def at(seconds):
    return START + timedelta(seconds=seconds)


def said(outcome, sample=None, because="measured"):
    return Verdict(outcome=outcome, because=because, sample=sample)


def judge_all(outcomes, *, every_s=INTERVAL_S, since=START, **limits):
    """Judges one measurement after another and returns all records."""
    records = []
    for index, outcome in enumerate(outcomes):
        records.append(
            next_record(
                records[-1] if records else None,
                said(outcome),
                {"tick": index},
                limits=GateLimits(interval_s=INTERVAL_S, **limits),
                now=at(every_s * index),
                since=since,
            )
        )
    return records


CASES = [
    ("one pass passes by default", [PASS], {}, [PASS]),
    ("one failure fails by default", [FAIL], {}, [FAIL]),
    ("a failure stays", [FAIL, PASS, NO_DATA], {}, [FAIL, FAIL, FAIL]),
    (
        "failures are tolerated up to the limit, in any order",
        [FAIL, PASS, FAIL, FAIL],
        {"failure_limit": 2},
        [INCONCLUSIVE, PASS, INCONCLUSIVE, FAIL],
    ),
    (
        "passes must come in a row",
        [PASS, PASS, FAIL, PASS, PASS, PASS],
        {"consecutive_successes": 3, "failure_limit": 1},
        [INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE, PASS],
    ),
    (
        "an undecided measurement ends the row of passes",
        [PASS, INCONCLUSIVE, PASS, PASS],
        {"consecutive_successes": 2},
        [INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE, PASS],
    ),
    (
        "silence ends the row of passes",
        [PASS, NO_DATA, PASS, ERROR, PASS, PASS],
        {"consecutive_successes": 2},
        [INCONCLUSIVE, NO_DATA, INCONCLUSIVE, ERROR, INCONCLUSIVE, PASS],
    ),
    ("silence that waits never fails", [NO_DATA] * 5, {}, [NO_DATA] * 5),
    (
        "silence that pauses is for others to act on",
        [NO_DATA, ERROR],
        {"on_no_data": OnSilence.PAUSE, "on_error": OnSilence.PAUSE},
        [NO_DATA, ERROR],
    ),
    (
        "silence declared a failure fails beyond the limit",
        [NO_DATA, NO_DATA],
        {"on_no_data": OnSilence.FAIL, "failure_limit": 1},
        [NO_DATA, FAIL],
    ),
    (
        "silences count in a row",
        [NO_DATA, PASS, NO_DATA, NO_DATA],
        {"on_no_data": OnSilence.FAIL, "failure_limit": 1},
        [NO_DATA, PASS, NO_DATA, FAIL],
    ),
    (
        "errors declared a failure fail at once with limit 0",
        [ERROR],
        {"on_error": OnSilence.FAIL},
        [FAIL],
    ),
    (
        "silence and errors do not end each other's row",
        [NO_DATA, ERROR, NO_DATA],
        {"on_no_data": OnSilence.FAIL, "failure_limit": 1},
        [NO_DATA, ERROR, FAIL],
    ),
]


@pytest.mark.parametrize(
    ("measured", "limits", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_limits_turn_measurements_into_the_verdict_that_counts(measured, limits, expected):
    """The table of what counts."""
    records = judge_all(measured, **limits)

    assert [record.verdict.outcome for record in records] == expected
    assert [record.measured.outcome for record in records] == measured
    assert [record.judgements for record in records] == list(range(1, len(measured) + 1))


def test_nothing_counts_while_warming_up():
    """A failure during warm-up neither fails nor is remembered, but evidence moves on."""
    records = judge_all([FAIL, FAIL, FAIL], warm_up_s=60.0)

    assert [record.verdict.outcome for record in records] == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
    assert records[1].failures == 0
    assert records[1].evidence == {"tick": 1}
    assert records[1].verdict.settles_at == at(60)
    assert records[1].verdict.because == "warming up until 12:01:00 UTC (measured)"


def test_nothing_counts_before_the_exposure_is_in_force():
    """Without a `since` even a measured pass is undecided, with no time promised."""
    record = judge_all([PASS], since=None)[0]

    assert record.verdict.outcome is INCONCLUSIVE
    assert record.verdict.settles_at is None
    assert "until the step is in force" in record.verdict.because
    assert record.passes_in_row == 0


def test_a_failure_stays_while_warming_up_again():
    """A latched failure is not softened by a new warm-up."""
    failed = judge_all([FAIL])[0]

    record = next_record(failed, said(PASS), None, limits=GateLimits(), now=at(30), since=None)

    assert record.verdict == failed.verdict


def test_a_failure_keeps_its_first_reason():
    """Later failures do not rewrite why it failed."""
    first = next_record(
        None, said(FAIL, because="first"), None, limits=GateLimits(), now=at(0), since=START
    )

    second = next_record(
        first, said(FAIL, because="second"), None, limits=GateLimits(), now=at(30), since=START
    )

    assert second.verdict.because == "first"
    assert second.failures == 2


@pytest.mark.parametrize(
    ("outcome", "sample", "expected"),
    [
        (PASS, 499.0, INCONCLUSIVE),
        (FAIL, 499.0, INCONCLUSIVE),
        (PASS, float("nan"), INCONCLUSIVE),
        (PASS, None, INCONCLUSIVE),
        (PASS, 500.0, PASS),
        (FAIL, 500.0, FAIL),
        (NO_DATA, 0.0, NO_DATA),
        (ERROR, None, ERROR),
    ],
)
def test_nothing_is_judged_on_too_few_events(outcome, sample, expected):
    """Below the minimum sample only silence keeps its name."""
    record = next_record(
        None,
        said(outcome, sample),
        None,
        limits=GateLimits(min_sample=500.0),
        now=at(0),
        since=START,
    )

    assert record.verdict.outcome is expected
    assert record.failures == (1 if expected is FAIL else 0)


def test_too_few_events_are_told_in_numbers():
    """The message has what there is and what is needed."""
    record = next_record(
        None, said(PASS, 123.0), None, limits=GateLimits(min_sample=500), now=at(0), since=START
    )

    assert record.verdict.because == "123 of 500 events (measured)"


@pytest.mark.parametrize("gap_s", [91.0, -91.0])
def test_a_gap_ends_every_row_but_forgets_no_failure(gap_s):
    """After the process was away, passes and silences in a row start over."""
    limits = GateLimits(interval_s=INTERVAL_S, consecutive_successes=2, failure_limit=1)
    failed, passed = judge_all([FAIL, PASS], consecutive_successes=2, failure_limit=1)

    late = next_record(
        passed, said(PASS), None, limits=limits, now=passed.judged_at + timedelta(seconds=gap_s),
        since=at(-1000),
    )  # fmt: skip

    assert late.passes_in_row == 1
    assert late.verdict.outcome is INCONCLUSIVE
    assert late.failures == failed.failures == 1


def test_a_gap_ends_the_row_of_silences():
    """Two silences far apart are not two in a row."""
    records = judge_all(
        [NO_DATA, NO_DATA], every_s=100.0, on_no_data=OnSilence.FAIL, failure_limit=1
    )

    assert [record.verdict.outcome for record in records] == [NO_DATA, NO_DATA]


def test_counts_and_limits_stand_in_the_reason():
    """Every verdict made by a limit says which."""
    tolerated = judge_all([FAIL], failure_limit=2)[0].verdict
    failed = judge_all([FAIL, FAIL, FAIL], failure_limit=2)[-1].verdict
    some = judge_all([PASS], consecutive_successes=3)[0].verdict
    silent = judge_all([NO_DATA], on_no_data=OnSilence.FAIL)[0].verdict

    assert tolerated.because == "1 of 2 failures tolerated (measured)"
    assert tolerated.settles_at == at(60)
    assert failed.because == "measured; 3 failures > failure_limit 2"
    assert some.because == "1 of 3 passes in a row (measured)"
    assert some.settles_at == at(60)
    assert silent.because == (
        "no-data counts as a failure here, 1 in a row > failure_limit 0 (measured)"
    )


LIMITS = st.fixed_dictionaries(
    {
        "failure_limit": st.integers(0, 3),
        "consecutive_successes": st.integers(1, 3),
        "warm_up_s": st.sampled_from([0.0, 45.0]),
        "min_sample": st.sampled_from([0.0, 1.0]),
        "on_no_data": st.sampled_from(OnSilence),
        "on_error": st.sampled_from(OnSilence),
    }
)
EVERY_S = st.sampled_from([30.0, 91.0])


@given(st.lists(st.sampled_from([o for o in Outcome if o is not PASS])), LIMITS, EVERY_S)
def test_nothing_passes_without_a_measured_pass(outcomes, limits, every_s):
    """No sequence without a pass ever makes one."""
    records = judge_all(outcomes, every_s=every_s, **limits)

    assert PASS not in [record.verdict.outcome for record in records]


@given(st.lists(st.sampled_from(Outcome)), LIMITS, EVERY_S)
def test_a_pass_is_always_the_measurement_of_the_moment(outcomes, limits, every_s):
    """Where the verdict is PASS, that very measurement passed."""
    for record in judge_all(outcomes, every_s=every_s, **limits):
        if record.verdict.outcome is PASS:
            assert record.measured.outcome is PASS


@given(st.lists(st.sampled_from(Outcome)), LIMITS, EVERY_S)
def test_a_failure_is_latched(outcomes, limits, every_s):
    """After the first FAIL every verdict is that one."""
    verdicts = [record.verdict for record in judge_all(outcomes, every_s=every_s, **limits)]
    failed = [index for index, verdict in enumerate(verdicts) if verdict.outcome is FAIL]

    if failed:
        assert set(verdicts[failed[0] :]) == {verdicts[failed[0]]}


@given(st.lists(st.sampled_from(Outcome)), LIMITS)
def test_no_more_failures_than_measured_are_counted(outcomes, limits):
    """Failures come from measured failures, and silence from measured silence."""
    records = judge_all(outcomes, **limits)

    if records:
        assert records[-1].failures <= outcomes.count(FAIL)
        assert records[-1].silences <= outcomes.count(NO_DATA)
        assert records[-1].errors <= outcomes.count(ERROR)
