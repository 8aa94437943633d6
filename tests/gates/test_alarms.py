"""The gate `alarms`: what passes, fails and waits, as the playbook declares it."""

from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.alarms import AlarmState
from rolloutctl.core.exposure import split
from rolloutctl.core.measurement import DataState, Measurement, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.alarms import Alarms, AlarmsSpec, Insufficient

NOON = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)


def context(now=NOON, since=None):
    return GateContext(
        now=now,
        since=since,
        arms={"canary.is": "claude"},
        exposure=split(500) if since else None,
        interval_s=30.0,
    )


def alarm(name, state=AlarmState.OK, **labels):
    return Sample(labels=tuple(sorted({"alarm": name, **labels}.items())), value=float(state))


def judged(spec, *answers, now=NOON, since=None):
    """The verdict; an answer is samples, an error text, or None for no data."""
    gate, about = Alarms(), context(now, since)
    readings = []
    for query, answer in zip(gate.queries(spec, about), answers, strict=True):
        if isinstance(answer, str):
            readings.append(Reading(query=query, error=answer))
            continue
        state = DataState.STALE if answer is None else DataState.OK
        measurement = Measurement(at=now, state=state, samples=tuple(answer or ()))
        readings.append(Reading(query=query, measurement=measurement))
    return gate.assess(spec, None, readings, about)[1]


def test_each_name_or_beginning_is_one_question_with_references_replaced():
    """Names as they stand: an alarm has no labels to quote for."""
    spec = AlarmsSpec(alarms=("errors-${canary.is}", "b", "chat-*"))

    asked = Alarms().queries(spec, context())

    assert [one.text for one in asked] == ["errors-claude", "b", "chat-*"]
    assert Alarms().query_kinds(spec) == {QueryKind.ALARMS}
    assert Alarms().texts(spec)["alarms.0"] == "errors-${canary.is}"
    assert not Alarms().counts_events(spec)


def test_it_passes_only_while_all_are_ok():
    """And names those whose actions are off."""
    spec = AlarmsSpec(alarms=("a", "b"))

    verdict = judged(spec, [alarm("a")], [alarm("b", actions="disabled")])

    assert verdict.outcome is Outcome.PASS
    assert verdict.because == "OK: a, b (actions disabled)"


def test_one_in_alarm_fails_with_since_when_and_why_whatever_the_others_say():
    """An error beside it does not hide it."""
    loud = alarm("b", AlarmState.ALARM, since="2027-01-01T11:00:00+00:00", reason="5 > 2")
    spec = AlarmsSpec(alarms=("a", "b"))

    for other in ([alarm("a")], "no answer", None, [alarm("a", AlarmState.INSUFFICIENT)]):
        verdict = judged(spec, other, [loud])

        assert verdict.outcome is Outcome.FAIL
        assert "b (since 2027-01-01T11:00:00+00:00): 5 > 2" in verdict.because


@pytest.mark.parametrize(
    ("insufficient", "outcome"),
    [
        (Insufficient.WAIT, Outcome.INCONCLUSIVE),
        (Insufficient.PASS, Outcome.PASS),
        (Insufficient.FAIL, Outcome.FAIL),
    ],
)
def test_too_little_data_is_what_the_playbook_declares(insufficient, outcome):
    """The default is to wait."""
    spec = AlarmsSpec(alarms="a", insufficient=insufficient)

    verdict = judged(spec, [alarm("a", AlarmState.INSUFFICIENT)])

    assert verdict.outcome is outcome
    assert "INSUFFICIENT_DATA" in verdict.because
    assert AlarmsSpec(alarms="a").insufficient is Insufficient.WAIT


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("no answer", Outcome.ERROR), (None, Outcome.NO_DATA), ([], Outcome.NO_DATA)],
)
def test_no_answer_is_never_a_pass(answer, outcome):
    """Neither is one of two, nor an answer to another number of questions."""
    assert judged(AlarmsSpec(alarms="a", insufficient=Insufficient.PASS), answer).outcome is outcome
    assert judged(AlarmsSpec(alarms=("a", "b")), [alarm("a")], answer).outcome is outcome
    assert Alarms().assess(AlarmsSpec(alarms="a"), None, (), context())[1].outcome is Outcome.ERROR


def test_an_alarm_that_could_not_be_loud_yet_is_no_verdict():
    """Three of five minutes must be bad before it can say anything of this step."""
    spec, quiet = AlarmsSpec(alarms="a"), [alarm("a", sees="3m")]

    early = judged(spec, quiet, now=NOON + timedelta(minutes=2), since=NOON)
    late = judged(spec, quiet, now=NOON + timedelta(minutes=3), since=NOON)

    assert early.outcome is Outcome.INCONCLUSIVE
    assert early.settles_at == NOON + timedelta(minutes=3)
    assert "a (3m) could not be in ALARM yet" in early.because
    assert late.outcome is Outcome.PASS
    assert judged(spec, [alarm("a", sees="odd")], since=NOON).outcome is Outcome.PASS
    assert judged(spec, [alarm("a")], since=NOON).outcome is Outcome.PASS


def test_a_reference_that_nobody_knows_is_an_error():
    """It would ask for an alarm that is called so."""
    assert judged(AlarmsSpec(alarms="x-${canary.no}"), [alarm("x")]).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (AlarmsSpec(alarms=()), "no alarm is named"),
        (AlarmsSpec(alarms=("a", "a")), "named twice"),
        (AlarmsSpec(alarms="*"), "no name of an alarm"),
        (AlarmsSpec(alarms=" "), "no name of an alarm"),
        (AlarmsSpec(alarms="x" * 256), "no name of an alarm"),
        (AlarmsSpec(alarms="${arm.is}-*"), "asked about once"),
        (AlarmsSpec(alarms=tuple(map(str, range(51)))), "at most 50"),
    ],
)
def test_what_is_written_wrongly_is_told_with_a_fix(spec, message):
    """At lint, before anything is asked."""
    assert any(message in told and fix for _, told, fix in Alarms().problems(spec))
    assert not Alarms().problems(AlarmsSpec(alarms=("a", "b", "a*")))


def test_many_alarms_are_counted_and_the_first_ones_named():
    """A sentence stays a sentence."""
    loud = [alarm(f"a{n}", AlarmState.ALARM, kind="composite", region="eu") for n in range(5)]

    verdict = judged(AlarmsSpec(alarms="a*"), loud)

    assert "a0 (composite, eu)" in verdict.because
    assert verdict.because.endswith("and 2 more")
    assert dict(verdict.numbers)["in_alarm"] == 5.0
    many = judged(AlarmsSpec(alarms="a*"), [alarm(f"a{n}") for n in range(5)])
    assert many.because == "OK: a0, a1, a2 and 2 more"
