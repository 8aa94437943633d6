"""Alerts and conditions against scripted servers: what is not known for certain is not quiet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.alerts import WITHOUT_DATA_LABEL, AlertState
from rolloutctl.core.measurement import SELECTOR_LABEL, DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.sources.prometheus import (
    Alertmanager,
    AlertmanagerSpec,
    Prometheus,
    PrometheusSpec,
)
from servers.scripted import Answer, Fault, ScriptedServer

AT = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"


def ago(seconds):
    return (AT - timedelta(seconds=seconds)).isoformat()


def rule(name="Bad", *states, evaluated=None, **more):
    alerts = [
        {"labels": {"alertname": name, "i": str(i)}, "state": state, "value": "1e+00"}
        for i, state in enumerate(states)
    ]
    given = {"type": "alerting", "name": name, "labels": {"severity": "page"}, "health": "ok"}
    return given | {"lastEvaluation": evaluated or ago(5), "alerts": alerts} | more


def rules(*loaded, interval=15, **more):
    data = {"groups": [{"name": "g", "interval": interval, "rules": list(loaded)}]}
    return Answer(body=json.dumps({"status": "success", "data": data, **more}))


def ask(*answers, text="Bad", kind=QueryKind.ALERTS, **spec):
    with ScriptedServer(*answers) as server:
        source = Prometheus(PrometheusSpec(url=server.url, **spec))
        return source.query(Query(kind=kind, text=text), AT)


def values(measurement):
    return [sample.value for sample in measurement.samples]


def test_a_loaded_rule_is_answered_with_its_active_alerts_the_worst_first():
    """The rule itself stands last, so that a quiet one is told apart from none."""
    measurement = ask(rules(rule("Bad", "pending", "firing"), rule("Other", "firing")))

    assert measurement.state is DataState.OK
    assert values(measurement) == [AlertState.FIRING, AlertState.PENDING, AlertState.INACTIVE]
    assert measurement.at == AT - timedelta(seconds=5)
    assert dict(measurement.samples[0].labels) == {"alertname": "Bad", "i": "1"}


@pytest.mark.parametrize(
    ("loaded", "state", "detail"),
    [
        (rule(evaluated=NEVER, health="unknown"), DataState.EMPTY, "not evaluated yet"),
        (rule(evaluated=None, lastEvaluation=""), None, "another shape"),
        (rule(evaluated=ago(316)), DataState.STALE, "316 s ago"),
        (rule("Bad", "firing", evaluated=ago(316)), DataState.STALE, "316 s ago"),
        (rule(health="err", lastError="many-to-many"), None, "many-to-many"),
        (rule(health="err", lastError=""), None, "cannot be evaluated"),
        (rule(health="odd"), None, "health odd"),
        (rule(evaluated=ago(314)), DataState.OK, ""),
    ],
)
def test_a_rule_that_is_not_judged_lately_says_nothing(loaded, state, detail):
    """`staleness` and the group's interval are the limit; a broken rule is an error."""
    if state is None:
        with pytest.raises(Unavailable, match=detail):
            ask(rules(loaded))
        return
    measurement = ask(rules(loaded))

    assert measurement.state is state
    assert detail in measurement.detail
    assert bool(measurement.samples) is (state is DataState.OK)


def test_a_certain_fire_is_told_whatever_is_wrong_with_a_rule_of_the_same_name():
    """A warning that is broken does not hide a page that fires."""
    sound = rule("Bad", "firing")
    for other in (rule(health="err"), rule(evaluated=ago(900)), rule(evaluated=NEVER)):
        assert max(values(ask(rules(other, sound)))) == AlertState.FIRING
    with pytest.raises(Unavailable):
        ask(rules(rule(health="err"), rule("Bad", "pending")))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (rules(), Rejected, "no alerting rule Bad is loaded"),
        (rules(rule("Badd")), Rejected, "no alerting rule Bad is loaded"),
        (rules({"type": "recording", "name": "Bad"}), Rejected, "no alerting rule"),
        (rules(rule("Bad", "odd")), Unavailable, "another shape"),
        (rules(rule(), warnings=["half of the stores"]), Unavailable, "not all rules are told"),
        (Answer(body='{"status": "success", "data": {}}'), Unavailable, "another shape"),
        (Answer(body='{"status": "success", "data": {"groups": [1]}}'), Unavailable, "shape"),
        (Answer(body='{"status": "success"}'), Unavailable, "another shape"),
        (Answer(body="[]"), Unavailable, "another shape"),
        (Answer(body="<html>", content_type="text/html"), Unavailable, "text/html"),
        (Answer(status=404), NotFound, "404"),
        (Answer(status=401), Unauthorized, "401"),
        (Answer(status=503, body="busy"), Unavailable, "503"),
        (Answer(fault=Fault.HANG), Unavailable, "no answer within"),
        (Answer(fault=Fault.DROP), Unavailable, "GET"),
        (Answer(fault=Fault.CUT, body="x" * 50), Unavailable, "GET"),
    ],
)
def test_no_answer_of_the_rules_api_is_quiet(answer, error, message):
    """Each is an error of its own kind; Thanos' half answers too."""
    with pytest.raises(error, match=message):
        ask(answer, timeout_s=0.3)


def test_the_rules_are_read_once_for_all_questions_of_a_moment():
    """Errors too: a dead server costs one timeout a look."""
    with ScriptedServer(rules(rule(), rule("Slow")), Answer(status=503)) as server:
        source = Prometheus(PrometheusSpec(url=server.url))
        for text in ("Bad", "Slow"):
            source.query(Query(kind=QueryKind.ALERTS, text=text), AT)
        later = AT + timedelta(seconds=1)
        for text in ("Bad", "Slow"):
            with pytest.raises(Unavailable):
                source.query(Query(kind=QueryKind.ALERTS, text=text), later)

    assert [seen.path for seen in server.seen] == [
        "/api/v1/rules?type=alert&partial_response=false"
    ] * 2


class Rules:
    """Loaded rules, and which selectors have data; a query with `refused` in it is refused."""

    def __init__(self, *loaded, present=(), refused="nothing"):
        self.loaded, self.present, self.refused = rules(*loaded), present, refused
        self.asked = []

    def __call__(self, seen):
        if "rules" in seen.path:
            return self.loaded
        query = seen.form["query"]
        self.asked.append(query)
        if self.refused in query:
            body = {"status": "error", "errorType": "bad_data", "error": "parse error"}
            return Answer(status=400, body=json.dumps(body))
        parts = query.split("label_replace(")[1:]
        has_data = [any(f"({one}" in part for one in self.present) for part in parts]
        found = [{"rolloutctl_selector": str(i)} for i, has in enumerate(has_data) if has]
        return vector(*((labels, "1") for labels in found))


def without_data(answers, text="Bad"):
    """What each quiet rule lacks."""
    measurement = ask(answers, text=text)
    return [dict(one.labels).get(WITHOUT_DATA_LABEL) for one in measurement.samples]


@pytest.mark.parametrize(
    ("query", "present", "lacking"),
    [
        ("x > 1", ("x",), None),
        ("x > 1", (), "x"),
        ('rate(x{s="5"}[5m]) / rate(y[5m]) > 0.1', ("y",), None),
        ('rate(x{s="5"}[5m]) / rate(y[5m]) > 0.1', (), 'x{s="5"}, y'),
        ("vector(1) > 2", (), None),
        ("x offset 1h > 1", (), None),
        ("", (), None),
    ],
)
def test_a_quiet_rule_says_when_nothing_it_rests_on_has_data(query, present, lacking):
    """One selector with data is enough."""
    assert without_data(Rules(rule(query=query), present=present)) == [lacking]


def test_data_is_not_looked_after_where_an_alert_fires():
    """That is known without it."""
    answers = Rules(rule("Bad", "firing", query="x > 1"))

    assert without_data(answers) == [None, None]
    assert answers.asked == []


def test_a_selector_that_the_server_does_not_understand_is_not_looked_after():
    """Our reading of an expression is a guess; what else is named is looked after all the same."""
    answers = Rules(rule(query="odd > 1"), rule(query="y > 1"), refused="odd")

    assert without_data(answers, "Bad") == [None, "y"]


def test_more_selectors_than_are_looked_after_are_an_error():
    """One that is not would look quiet."""
    many = [rule(f"R{i}", query=f"x{i} > 1") for i in range(513)]

    with pytest.raises(Rejected, match="513 selectors"):
        ask(Rules(*many), text='{severity="page"}')
    answers = Rules(*many[:100])
    assert without_data(answers, '{severity="page"}') == [f"x{i}" for i in range(100)]
    assert len(answers.asked) == 4


def test_at_most_fifty_active_alerts_are_answered():
    """They stand in the journal; the worst are kept."""
    many = rule("Bad", *["pending"] * 60, "firing")

    found = values(ask(rules(many)))

    assert len(found) == 51
    assert found[0] == AlertState.FIRING


def test_a_text_that_names_no_alert_is_rejected_with_what_to_write():
    """Lint finds it earlier; another program's playbook may not have been linted."""
    with pytest.raises(Rejected, match="at character 5") as caught:
        ask(rules(rule()), text="Bad{")
    assert "HighErrorRate" in caught.value.hint


# Alertmanager


def standing(*, started=600.0, cluster="ready"):
    body = {"uptime": ago(started), "cluster": {"status": cluster}, "versionInfo": {}}
    return Answer(body=json.dumps(body))


def active(*alerts):
    return Answer(
        body=json.dumps(
            [{"labels": labels, "status": {"silencedBy": silences}} for labels, silences in alerts]
        )
    )


BAD = {"alertname": "Bad", "i": "0", "cluster": "eu"}


class Both:
    """An Alertmanager and its Prometheus, by path; anything may be replaced."""

    def __init__(self, **answers):
        self.answers = {
            "ready": Answer(),
            "status": standing(),
            "alerts": active(),
            "rules": rules(rule()),
        } | answers

    def __call__(self, seen):
        if seen.path == "/api/v1/query":
            return vector()
        name = seen.path.partition("?")[0].rpartition("/")[2]
        found = self.answers[name]
        if name == "alerts" and "Watchdog" in seen.path:
            return self.answers.get("watchdog", active())
        return found


def state(both, *, checked=False, silences=False, text="Bad", **spec):
    """The worst state, or the state of the answer; errors are raised."""
    with ScriptedServer(both) as server:
        given = PrometheusSpec(url=server.url) if checked else None
        source = Alertmanager(
            AlertmanagerSpec(url=server.url, prometheus=given, timeout_s=0.5, **spec)
        )
        kind = QueryKind.UNSILENCED_ALERTS if silences else QueryKind.ALERTS
        measurement = source.query(Query(kind=kind, text=text), AT)
    if measurement.state is not DataState.OK:
        assert measurement.detail
        return measurement.state
    if WITHOUT_DATA_LABEL in dict(measurement.samples[0].labels):
        return WITHOUT_DATA_LABEL
    return AlertState(int(max(values(measurement))))


QUIET, PENDING, FIRING = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING


@pytest.mark.parametrize(
    ("both", "more", "expected"),
    [
        (Both(), {}, QUIET),
        (Both(alerts=active((BAD, []))), {}, FIRING),
        (Both(alerts=active(({"alertname": "Other"}, []))), {}, QUIET),  # a filter was dropped
        (Both(alerts=active((BAD, ["id"]))), {}, FIRING),
        (Both(alerts=active((BAD, ["id"]))), {"silences": True}, QUIET),
        (Both(status=standing(started=119)), {}, DataState.EMPTY),
        (Both(status=standing(started=-5)), {}, DataState.EMPTY),
        (Both(status=standing(started=119)), {"after_start_s": 60.0}, QUIET),
        (Both(status=standing(started=1), alerts=active((BAD, []))), {}, FIRING),
        (Both(status=standing(cluster="settling")), {}, DataState.EMPTY),
        (Both(status=standing(cluster="disabled")), {}, QUIET),
        (Both(), {"watchdog": "Watchdog"}, DataState.EMPTY),
        (Both(watchdog=active(({"alertname": "Watchdog"}, []))), {"watchdog": "Watchdog"}, QUIET),
        # with the rules
        (Both(), {"checked": True}, QUIET),
        (Both(status=standing(started=1)), {"checked": True}, QUIET),
        (Both(rules=rules(rule("Bad", "firing"))), {"checked": True}, FIRING),
        (Both(rules=rules(rule("Bad", "firing"))), {"checked": True, "silences": True}, FIRING),
        (Both(rules=rules(rule("Bad", "pending"))), {"checked": True}, PENDING),
        (
            Both(rules=rules(rule("Bad", "firing")), alerts=active((BAD, ["id"]))),
            {"checked": True, "silences": True},
            QUIET,
        ),
        (
            Both(rules=rules(rule("Bad", "firing", "firing")), alerts=active((BAD, ["id"]))),
            {"checked": True, "silences": True},
            FIRING,  # the second one is not silenced
        ),
        (Both(alerts=active((BAD, []))), {"checked": True}, FIRING),  # another Prometheus' alert
        (Both(rules=rules(rule(evaluated=NEVER))), {"checked": True}, DataState.EMPTY),
        (Both(rules=rules(rule(query="x > 1"))), {"checked": True}, WITHOUT_DATA_LABEL),
        (
            Both(rules=rules(rule(evaluated=NEVER)), alerts=active((BAD, []))),
            {"checked": True},
            FIRING,
        ),
    ],
)
def test_what_alertmanager_does_not_know_is_quiet_only_where_that_means_something(
    both, more, expected
):
    """Every row is a reason to be loud, to be quiet, or to know nothing."""
    assert state(both, **more) is expected


@pytest.mark.parametrize(
    ("both", "error", "message"),
    [
        (Both(ready=Answer(status=503)), Unavailable, "ready"),
        (Both(status=Answer(body="{}")), Unavailable, "another shape"),
        (
            Both(status=Answer(body='{"uptime": "?", "cluster": {"status": "ready"}}')),
            Unavailable,
            "shape",
        ),
        (Both(alerts=Answer(body='{"status": "success"}')), Unavailable, "another shape"),
        (Both(alerts=Answer(body='[{"labels": {}}]')), Unavailable, "another shape"),
        (Both(alerts=Answer(body="")), Unavailable, "instead of JSON"),
        (Both(alerts=Answer(status=400, body="bad matcher")), Rejected, "bad matcher"),
        (Both(alerts=Answer(status=401)), Unauthorized, "401"),
        (Both(alerts=Answer(status=404)), NotFound, "404"),
        (Both(alerts=Answer(status=500)), Unavailable, "500"),
        (Both(alerts=Answer(fault=Fault.HANG)), Unavailable, "no answer within"),
        (Both(alerts=active(*[(BAD, [])] * 5001)), Rejected, "5001 active alerts"),
    ],
)
def test_no_answer_of_alertmanager_is_quiet(both, error, message):
    """Not ready, another service, an error, silence."""
    with pytest.raises(error, match=message):
        state(both)


@pytest.mark.parametrize(
    ("loaded", "error"), [(rules(), Rejected), (Answer(status=503), Unavailable)]
)
def test_with_its_prometheus_the_rule_must_be_loaded_there(loaded, error):
    """Whatever Alertmanager says."""
    with pytest.raises(error):
        state(Both(rules=loaded), checked=True)


def test_it_is_asked_for_all_that_is_not_resolved_with_the_conditions_as_filters():
    """Silenced, inhibited and not yet processed alerts are alerts."""
    with ScriptedServer(Both()) as server:
        source = Alertmanager(AlertmanagerSpec(url=f"{server.url}/am/"))
        source.query(Query(kind=QueryKind.ALERTS, text='Bad{team=~"a|b"}'), AT)

    path = next(seen.path for seen in server.seen if "alerts" in seen.path)
    assert path.startswith("/am/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed")
    assert "filter=alertname%3D%22Bad%22&filter=team%3D~%22a%7Cb%22" in path


def test_alertmanager_answers_about_alerts_only_and_keeps_no_past():
    """Lint refuses it; asked all the same it is an error."""
    source = Alertmanager(AlertmanagerSpec(url="http://127.0.0.1:1"))
    query = Query(kind=QueryKind.EXPRESSION, text="up")

    with pytest.raises(Rejected, match="alerts only"):
        source.query(query, AT)
    with pytest.raises(Rejected, match="no history"):
        source.history(query, AT, AT, 30.0)


def test_a_probe_of_what_is_no_alertmanager_is_a_refusal():
    """With the address that is meant."""
    with ScriptedServer(Answer(status=404)) as server:
        (finding,) = Alertmanager(AlertmanagerSpec(url=server.url)).probe()

    assert finding.severity is Severity.REFUSE
    assert finding.hint


def test_a_watchdog_beside_the_rules_is_a_mistake():
    """One of them says that silence means something."""
    with pytest.raises(ValueError, match="watchdog"):
        AlertmanagerSpec(
            url="http://h", prometheus=PrometheusSpec(url="http://p"), watchdog="Watchdog"
        )


# Conditions


def vector(*found):
    data = {
        "resultType": "vector",
        "result": [{"metric": labels, "value": [AT.timestamp(), v]} for labels, v in found],
    }
    return Answer(body=json.dumps({"status": "success", "data": data}))


def test_a_condition_that_holds_is_the_number_of_its_series_and_names_some():
    """Then nothing has to be looked after but old data."""
    series = [({"__name__": "x", "pod": str(i)}, "7") for i in range(5)]

    measurement = ask(vector(*series), vector(), text="x > 5", kind=QueryKind.CONDITION)

    assert values(measurement) == [5.0]
    assert measurement.detail == '{pod="0"} 7, {pod="1"} 7, {pod="2"} 7 and 2 more'


def test_a_condition_that_does_not_hold_tells_of_the_data_it_rests_on():
    """Each selector that asks for the present, once."""
    text = 'rate(x{s="5"}[5m]) / rate(x[1h]) > 0.1 and y > 0 and z offset 1d > 0'
    present = vector(({"rolloutctl_selector": "1"}, "3"), ({"rolloutctl_selector": "2"}, "1"))
    with ScriptedServer(vector(), present) as server:
        source = Prometheus(PrometheusSpec(url=server.url))
        measurement = source.query(Query(kind=QueryKind.CONDITION, text=text), AT)

    told = {dict(one.labels).get(SELECTOR_LABEL): one.value for one in measurement.samples}
    assert told == {None: 0.0, 'x{s="5"}': 0.0, "x": 1.0, "y": 1.0}
    asked = server.seen[1].form["query"]
    assert 'count(count_over_time(x{s="5"}[300000ms]))' in asked
    assert "count(count_over_time(x[300000ms]))" in asked
    assert "count((time() - timestamp(y)) <= 300)" in asked


def test_a_condition_that_holds_on_old_data_is_stale():
    """The last value of a dead exporter is no value."""
    old = vector(({"rolloutctl_selector": "0"}, "900"))

    measurement = ask(vector(({}, "7")), old, text="x > 5", kind=QueryKind.CONDITION)

    assert (measurement.state, measurement.samples) == (DataState.STALE, ())


def test_a_condition_with_too_many_selectors_is_rejected():
    """One that is not looked after would look healthy."""
    text = " or ".join(f"x{i} > 0" for i in range(33))

    with pytest.raises(Rejected, match="33 selectors"):
        ask(vector(), text=text, kind=QueryKind.CONDITION)


def test_a_number_is_no_condition_that_holds():
    """`scalar` answers always have a value: one series."""
    scalar = Answer(
        body=json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1, "0"]}})
    )

    assert values(ask(scalar, text="1 > bool 2", kind=QueryKind.CONDITION)) == [1.0]
