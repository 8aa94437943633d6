"""The gate `alerts`: whatever is not known to be quiet does not pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.alerts import SILENCED_LABEL, WITHOUT_DATA_LABEL
from rolloutctl.core.exposure import split
from rolloutctl.core.foresight import Ahead, Track
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.alerts import Alerts, AlertsSpec, Pending, Silences

NOW = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
GATE = Alerts()
BOTH = AlertsSpec(alerts=("Bad", "Slow"))


def context(**more):
    given = {"now": NOW, "since": None, "arms": {}, "exposure": None, "interval_s": 30.0}
    return GateContext(**(given | more))


def reading(*values, name="Bad", at=NOW, labels=(), **more):
    """An answer with the rule itself and an alert for each further value."""
    samples = [
        Sample(labels=(("alertname", name), *labels, ("i", str(i))), value=float(v))
        for i, v in enumerate(values)
    ]
    samples.append(Sample(labels=(("alertname", name),), value=0.0))
    given = {"at": at, "state": DataState.OK, "samples": tuple(samples)} | more
    query = Query(kind=QueryKind.ALERTS, text=name)
    return Reading(query=query, measurement=Measurement(**given))


def broken(text="no alerting rule Slow is loaded"):
    return Reading(query=Query(kind=QueryKind.ALERTS, text="Slow"), error=text)


def silent(state):
    return reading(state=state, samples=(), detail="why", name="Slow")


def judged(*readings, spec=BOTH, **more):
    return GATE.assess(spec, None, readings, context(**more))[1]


def test_all_quiet_is_a_pass_that_names_them():
    """Each is known to its source, and none is active."""
    verdict = judged(reading(), reading(name="Slow"))

    assert (verdict.outcome, verdict.because) == (Outcome.PASS, "quiet: Bad, Slow")


@pytest.mark.parametrize(
    "other",
    [reading(name="Slow"), broken(), silent(DataState.EMPTY), silent(DataState.STALE)],
)
def test_one_that_fires_fails_whatever_is_known_of_the_others(other):
    """It fires, and no answer about another can mend that."""
    verdict = judged(reading(2), other)

    assert verdict.outcome is Outcome.FAIL
    assert verdict.because == 'firing: Bad{i="0"}'


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        (broken(), Outcome.ERROR),
        (silent(DataState.EMPTY), Outcome.NO_DATA),
        (silent(DataState.STALE), Outcome.NO_DATA),
        (silent(DataState.OK), Outcome.NO_DATA),  # neither rule nor alert: nothing is known
        (reading(-1, name="Slow"), Outcome.ERROR),
    ],
)
def test_what_is_not_known_is_never_a_pass(other, outcome):
    """An error names what to mend; silence is no data."""
    assert judged(reading(), other).outcome is outcome
    assert judged(other, reading()).outcome is outcome


@pytest.mark.parametrize(
    ("pending", "outcome"), [(Pending.FAIL, Outcome.FAIL), (Pending.IGNORE, Outcome.PASS)]
)
def test_a_pending_alert_counts_unless_it_is_ignored(pending, outcome):
    """A pass says what it ignored."""
    spec = AlertsSpec(alerts="Bad", pending=pending)

    verdict = judged(reading(1), spec=spec)

    assert verdict.outcome is outcome
    assert 'Bad{i="0"}' in verdict.because
    assert dict(verdict.numbers) == {"firing": 0, "pending": 1}


def test_a_silenced_alert_that_counts_says_why():
    """The first thing people ask is why a silenced alert stops a rollout."""
    verdict = judged(reading(2, labels=((SILENCED_LABEL, "id-1"),)), reading(name="Slow"))

    assert verdict.outcome is Outcome.FAIL
    assert "silences: ignore" in verdict.because
    assert SILENCED_LABEL not in verdict.because


def test_respected_silences_are_another_question():
    """So that lint refuses a source that knows of none."""
    spec = AlertsSpec(alerts="Bad", silences=Silences.RESPECT)

    assert GATE.query_kinds(spec) == {QueryKind.UNSILENCED_ALERTS}
    assert GATE.queries(spec, context())[0].kind is QueryKind.UNSILENCED_ALERTS
    assert GATE.query_kinds(BOTH) == {QueryKind.ALERTS}


def test_rules_that_were_not_evaluated_since_the_write_say_nothing_of_it():
    """A hold shorter than the group's interval passes nothing."""
    old = reading(at=NOW - timedelta(seconds=20))
    served = {"since": NOW - timedelta(seconds=10), "exposure": split(500)}
    spec = AlertsSpec(alerts="Bad")

    assert judged(old, spec=spec, **served).outcome is Outcome.INCONCLUSIVE
    assert judged(old, spec=spec, **served).settles_at is not None
    assert judged(reading(), spec=spec, **served).outcome is Outcome.PASS
    assert judged(old, spec=spec).outcome is Outcome.PASS, "nothing was written yet"


def test_labels_of_the_arms_are_replaced_and_escaped():
    """One question an alert, in the order they are written."""
    spec = AlertsSpec(alerts=('Bad{model="${canary.labels.model}"}', "Slow"))
    arms = {"canary.labels.model": 'a"b'}

    texts = [query.text for query in GATE.queries(spec, context(arms=arms))]

    assert texts == ['Bad{model="a\\"b"}', "Slow"]
    assert judged(reading(), reading(), spec=spec).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        ((), "no alert is named"),
        (("Bad", "Bad"), "named twice"),
        ("Bad{", "cannot read"),
        ('Bad{model="${arm.is}"}', "asks once per arm"),
        (tuple(f"A{i}" for i in range(51)), "at most 50"),
    ],
)
def test_a_spec_that_names_no_alert_is_told(alerts, message):
    """By lint, where it is written."""
    found = GATE.problems(AlertsSpec(alerts=alerts))

    assert any(message in text for _, text, _ in found)
    assert all(fix for _, _, fix in found)
    assert GATE.problems(BOTH) == ()


def test_an_alert_that_rests_on_no_data_does_not_pass_unless_that_is_usual():
    """Quiet because nothing could make it loud; another one that fires fails all the same."""
    lacking = Sample(labels=(("alertname", "Bad"), (WITHOUT_DATA_LABEL, "x_total")), value=0.0)
    blind = reading(samples=(lacking,))
    spec = AlertsSpec(alerts=("Bad", "Slow"), may_be_empty=("Bad",))

    verdict = judged(blind, reading(name="Slow"))

    assert verdict.outcome is Outcome.NO_DATA
    assert "nothing new in x_total" in verdict.because
    assert judged(blind, reading(name="Slow"), spec=spec).outcome is Outcome.PASS
    assert judged(blind, reading(2, name="Slow")).outcome is Outcome.FAIL


def test_answers_that_do_not_belong_to_the_questions_are_an_error():
    """Too few, too many, none."""
    for readings in ((), (reading(),), (reading(), reading(), reading())):
        assert judged(*readings).outcome is Outcome.ERROR


def test_many_alerts_are_told_by_the_first_three():
    """A verdict is one sentence."""
    verdict = judged(reading(2, 2, 2, 2, 2), reading(name="Slow"))

    assert verdict.because.endswith("and 2 more")
    assert dict(verdict.numbers)["firing"] == 5


@given(values=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 1e9]), max_size=5))
def test_nothing_passes_but_zeros(values):
    """Whatever a source makes of states."""
    verdict = judged(reading(*values), spec=AlertsSpec(alerts="Bad"))

    assert (verdict.outcome is Outcome.PASS) == (not any(values))


def test_looks_ahead_are_passed_as_long_as_all_are_quiet():
    """What a simulation leaves out is what `assess` would pass."""

    def seen(*tracks):
        ahead = Ahead(first=NOW, interval=timedelta(seconds=30), count=3, answers=tracks)
        return GATE.foresee(BOTH, None, ahead, context())

    quiet, loud = Track((), [0.0, 0.0, 0.0]), Track((), [0.0, 0.0, 2.0])
    assert seen((quiet,), (quiet,)).looks == 3
    assert seen((quiet,), (loud,)).looks == 2
    assert seen((quiet,), ()) is None
    assert seen((Track((), [2.0] * 3),), (quiet,)) is None
