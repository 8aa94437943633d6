"""The prometheus source against scripted answers: each kind of no-answer is told apart."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.core.secret import SecretRef
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.sources.prometheus import Prometheus, PrometheusSpec
from servers.scripted import Answer, Fault, ScriptedServer, free_port

AT = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
AT_S = AT.timestamp()


def success(kind, result, **more):
    data = {"resultType": kind, "result": result}
    return Answer(body=json.dumps({"status": "success", "data": data, **more}))


def series(value, *, at_s=AT_S, **labels):
    return {"metric": labels, "value": [at_s, value]}


def failure(status, kind, text):
    body = {"status": "error", "errorType": kind, "error": text}
    return Answer(status=status, body=json.dumps(body))


def expression(text="sum(rate(x[1m]))"):
    return Query(kind=QueryKind.EXPRESSION, text=text)


def counters(text='x_total{a="b"}'):
    return Query(kind=QueryKind.COUNTERS, text=text)


def ask(query, *answers, at=AT, **spec):
    with ScriptedServer(*answers) as server:
        source = Prometheus(PrometheusSpec(url=server.url, **spec))
        return source.query(query, at)


def test_a_query_is_posted_with_its_time():
    """One `time` for all series of a judgement, to the millisecond."""
    with ScriptedServer(success("vector", [series("0.5")])) as server:
        source = Prometheus(PrometheusSpec(url=f"{server.url}/prom/", timeout_s=2, tenant="team"))
        measurement = source.query(expression(), AT)

    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/prom/api/v1/query")
    assert seen.form == {
        "query": "sum(rate(x[1m]))",
        "time": f"{AT_S:.3f}",
        "timeout": "2000ms",
        "partial_response": "false",
    }
    assert seen.headers["x-scope-orgid"] == "team"
    assert (measurement.state, measurement.samples[0].value) == (DataState.OK, 0.5)
    assert measurement.at == AT


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        (success("vector", []), DataState.EMPTY, "no such series"),
        (success("vector", [series("NaN")]), DataState.NOT_A_NUMBER, "nan"),
        (success("vector", [series("+Inf")]), DataState.NOT_A_NUMBER, "inf"),
        (success("vector", [series("-Inf")]), DataState.NOT_A_NUMBER, "-inf"),
        (success("scalar", [AT_S, "NaN"]), DataState.NOT_A_NUMBER, "nan"),
        (success("scalar", [AT_S, "3"]), DataState.OK, ""),
        (success("vector", [series("1")], warnings=["half"]), DataState.OK, "half"),
        (success("vector", [], warnings=["half"]), DataState.EMPTY, "half"),
    ],
)
def test_only_a_number_is_ok(answer, state, detail):
    """Missing and not-a-number are states; a pass is made of neither."""
    measurement = ask(expression(), answer)

    assert measurement.state is state
    assert detail in measurement.detail
    assert bool(measurement.samples) is (state is DataState.OK)


def test_several_series_are_ambiguous_and_five_are_named():
    """The server's order varies; ours does not."""
    many = [series("1", __name__="x", i=str(number)) for number in (6, 2, 5, 1, 3, 4)]

    measurement = ask(expression(), success("vector", many))

    assert measurement.state is DataState.AMBIGUOUS
    assert "6 series" in measurement.detail
    assert '{i="1"}, {i="2"}, {i="3"}, {i="4"}, {i="5"} and 1 more' in measurement.detail


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (success("string", [AT_S, "x"]), Rejected, "string"),
        (success("matrix", []), Rejected, "matrix"),
        (success("vector", [{"metric": {}, "histogram": []}]), Rejected, "native histogram"),
        (success("vector", [series("1")] * 5001), Rejected, "5001 series"),
        (success("vector", [series("one")]), Unavailable, "another shape"),
        (success("vector", [{"value": [1, "1"]}]), Unavailable, "another shape"),
        (success("vector", ["x"]), Unavailable, "another shape"),
        (success("vector", [{"metric": {}, "value": [True, "1", 2]}]), Unavailable, "shape"),
        (success("vector", {}), Unavailable, "another shape"),
        (Answer(body='{"status": "error"}'), Unavailable, "another shape"),
        (Answer(body="[]"), Unavailable, "another shape"),
        (Answer(body="<html>", content_type="text/html"), Unavailable, "text/html instead"),
        (failure(400, "bad_data", "parse error at char 3"), Rejected, "parse error at char 3"),
        (failure(422, "execution", "many-to-many"), Rejected, "execution: many-to-many"),
        (failure(503, "timeout", "query timed out"), Unavailable, "timeout: query timed out"),
        (failure(500, "internal", "boom"), Unavailable, "internal: boom"),
        (Answer(status=400, body="[]"), Rejected, "400"),
        (Answer(status=503, body="busy", content_type="text/plain"), Unavailable, "busy"),
        (Answer(status=404, body="404 page not found", content_type="text/plain"), NotFound, "404"),
        (Answer(status=401), Unauthorized, "401"),
        (Answer(status=302, headers={"Location": "/login"}), Rejected, "redirect"),
        (Answer(status=429, headers={"Retry-After": "3"}), Unavailable, "429"),
        (Answer(fault=Fault.HANG), Unavailable, "no answer within"),
        (Answer(fault=Fault.CUT, body="x" * 50), Unavailable, "POST"),
    ],
)
def test_every_refusal_is_mapped(answer, error, message):
    """What is wrong with the query is Rejected, what may pass is Unavailable."""
    with pytest.raises(error, match=message) as caught:
        ask(expression(), answer, timeout_s=0.3)

    if isinstance(caught.value, Unavailable):
        assert not caught.value.may_have_landed, "a query writes nothing"


def test_a_server_that_is_down_is_unavailable():
    """Nobody listens."""
    source = Prometheus(PrometheusSpec(url=f"http://127.0.0.1:{free_port()}"))

    with pytest.raises(Unavailable):
        source.query(expression(), AT)


def dated(*pairs, age_s=10.0):
    """An answer with values and the times of their samples."""
    values = [series(value, __name__="x_total", m=name) for name, value in pairs]
    times = [
        series(f"{AT_S - age_s}", m=name, rolloutctl_part="time", at_s=AT_S) for name, _ in pairs
    ]
    return success("vector", times + values)


def test_counters_are_raw_sorted_and_dated_by_their_newest_sample():
    """One request brings values and times of the same moment."""
    measurement = ask(counters(), dated(("b", "7"), ("a", "5")))

    assert measurement.state is DataState.OK
    assert [(s.labels, s.value) for s in measurement.samples] == [
        ((("m", "a"),), 5.0),
        ((("m", "b"),), 7.0),
    ]
    assert measurement.at == AT - timedelta(seconds=10)


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        (success("vector", []), DataState.EMPTY, "no such series"),
        (success("vector", [], warnings=["w"]), DataState.EMPTY, "w"),
        (dated(("a", "5"), age_s=61.0), DataState.STALE, "61 s old"),
        (dated(("a", "NaN"), ("b", "1")), DataState.NOT_A_NUMBER, 'm="a"'),
        (success("vector", [series("5", m="a")]), DataState.STALE, "does not tell"),
    ],
)
def test_counters_without_fresh_numbers_are_no_data(answer, state, detail):
    """Empty, old and not-a-number, each by its name."""
    measurement = ask(counters(), answer, staleness_s=60)

    assert (measurement.state, measurement.samples) == (state, ())
    assert detail in measurement.detail


@pytest.mark.parametrize("text", ["rate(x[5m])", "x[5m]", "x offset 5m", 'x{a="b"', "sum(x)"])
def test_counters_take_plain_selectors_only(text):
    """A rate where raw counters are wanted would be differenced twice."""
    with pytest.raises(Rejected, match="not a plain selector"):
        ask(counters(text), success("vector", []))
    with ScriptedServer(success("matrix", [])) as server, pytest.raises(Rejected):
        Prometheus(PrometheusSpec(url=server.url)).history(
            counters(text), AT, AT + timedelta(hours=1), 60
        )


def test_an_expression_over_old_samples_is_stale():
    """Prometheus dates a rate with the evaluation, so the selectors are asked about."""
    text = 'rate(x_total{m="a"}[1h]) / rate(y[1h])'
    old = series("900", rolloutctl_selector="0")
    with ScriptedServer(success("vector", [series("0.1")]), success("vector", [old])) as server:
        measurement = Prometheus(PrometheusSpec(url=server.url)).query(expression(text), AT)

    assert measurement.state is DataState.STALE
    assert 'x_total{m="a"}' in measurement.detail
    assert server.seen[1].form["time"] == server.seen[0].form["time"]


@pytest.mark.parametrize("labels", [{}, {"rolloutctl_selector": "7"}, {"rolloutctl_selector": "x"}])
def test_an_answer_about_old_samples_that_names_none_of_ours_is_an_error(labels):
    """A proxy that changes labels must not end the driver, and is never taken for fresh."""
    with pytest.raises(Unavailable, match="rolloutctl_selector"):
        ask(
            expression("rate(x[1h])"),
            success("vector", [series("0.5")]),
            success("vector", [series("1", **labels)]),
        )


def test_an_expression_over_fresh_samples_is_ok():
    """The second answer is empty: nothing is old."""
    measurement = ask(
        expression("rate(x[1h])"), success("vector", [series("0.1")]), success("vector", [])
    )

    assert measurement.state is DataState.OK


def test_history_is_paged_and_keeps_its_holes(monkeypatch):
    """A row for every step, empty where there was no number."""
    monkeypatch.setattr("rolloutctl.sources.prometheus.history.PAGE_STEPS_MAX", 2)

    def page(seen):
        start, end = float(seen.form["start"]), float(seen.form["end"])
        values = [[start, "1"], [end, "NaN"]]
        return success("matrix", [{"metric": {"__name__": "x", "m": "a"}, "values": values}])

    with ScriptedServer(page) as server:
        source = Prometheus(PrometheusSpec(url=server.url))
        found = source.history(counters("x"), AT, AT + timedelta(seconds=45), 10)

    assert [seen.path for seen in server.seen] == ["/api/v1/query_range"] * 3
    assert [(row[0] - AT).total_seconds() for row in found.rows] == [0, 10, 20, 30, 40]
    assert [len(samples) for _, samples in found.rows] == [1, 0, 1, 0, 1]
    assert found.rows[0][1][0].labels == (("m", "a"),)


@pytest.mark.parametrize(
    ("start_s", "end_s", "step_s", "message"),
    [
        (0, 10, 0.1, "finest"),
        (0, 10, float("nan"), "finest"),
        (10, 0, 1, "end"),
        (0, 9e5, 1, "steps"),
    ],
)
def test_impossible_histories_are_rejected(start_s, end_s, step_s, message):
    """Before anything is asked."""
    source = Prometheus(PrometheusSpec(url="http://127.0.0.1:1"))
    start, end = AT + timedelta(seconds=start_s), AT + timedelta(seconds=end_s)

    with pytest.raises(Rejected, match=message):
        source.history(expression(), start, end, step_s)


def test_a_history_of_an_ambiguous_expression_is_rejected():
    """As an instant one is ambiguous."""
    rows = [{"metric": {"m": name}, "values": [[AT_S, "1"]]} for name in "ab"]
    with ScriptedServer(success("matrix", rows)) as server:
        source = Prometheus(PrometheusSpec(url=server.url))
        with pytest.raises(Rejected, match="2 series"):
            source.history(expression(), AT, AT, 10)


@pytest.mark.parametrize("answer", [success("vector", []), success("matrix", [{"values": 1}])])
def test_a_history_of_another_shape_is_an_error(answer):
    """Never an empty history."""
    with ScriptedServer(answer) as server, pytest.raises((Rejected, Unavailable)):
        Prometheus(PrometheusSpec(url=server.url)).history(expression(), AT, AT, 10)


def build(version):
    return Answer(body=json.dumps({"status": "success", "data": {"version": version}}))


def test_a_probe_names_the_version():
    """A query first: it proves that queries are allowed."""
    with ScriptedServer(success("vector", [series("1")]), build("2.42.0")) as server:
        findings = Prometheus(PrometheusSpec(url=server.url)).probe()

    assert [finding.severity for finding in findings] == [Severity.OK]
    assert "Prometheus 2.42.0" in findings[0].message


@pytest.mark.parametrize(
    "answer",
    [Answer(status=404), Answer(status=400), Answer(body="[]"), Answer(body='{"data":{}}')],
)
def test_a_service_without_build_info_is_fine(answer):
    """Thanos and Mimir speak the query API only."""
    with ScriptedServer(success("vector", [series("1")]), answer) as server:
        (finding,) = Prometheus(PrometheusSpec(url=server.url)).probe()

    assert (finding.severity, "not told" in finding.message) == (Severity.OK, True)


def test_a_wrong_address_is_a_refusal_with_a_hint():
    """404 on the query page: the base address is wrong."""
    with ScriptedServer(Answer(status=404)) as server:
        (finding,) = Prometheus(PrometheusSpec(url=server.url)).probe()

    assert finding.severity is Severity.REFUSE
    assert finding.hint


def test_clocks_that_differ_are_a_warning():
    """A gate would look at data from before its step."""
    skewed = Answer(
        body='{"data": {"version": "2"}}', headers={"Date": "Fri, 01 Jan 1999 00:00:00 GMT"}
    )
    with ScriptedServer(success("vector", [series("1")]), skewed) as server:
        findings = Prometheus(PrometheusSpec(url=server.url)).probe()

    assert "clock differs" in findings[1].message
    assert findings[1].severity is Severity.WARN


def test_the_address_may_stand_in_the_environment(monkeypatch):
    """With user and password, which are then sent as basic auth and shown nowhere."""
    with ScriptedServer(success("vector", [series("1")]), Answer(status=403)) as server:
        monkeypatch.setenv("PROM", server.url.replace("//", "//ops:planted-pw@"))
        source = Prometheus(PrometheusSpec(url=SecretRef(env="PROM")))
        source.query(expression(), AT)
        with pytest.raises(Unauthorized) as caught:
            source.query(expression(), AT)

    assert server.seen[0].headers["authorization"].startswith("Basic ")
    assert server.url in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("more", [{"staleness_s": 0}, {"tenant": "a\nb"}, {"timeout_s": -1}])
def test_impossible_specs_are_value_errors(more):
    """Lint shows them at the spec's place."""
    with pytest.raises(ValueError):
        PrometheusSpec(url="http://host", **more)
