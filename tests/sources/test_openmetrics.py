"""The openmetrics source: pages scraped once a moment, judged whole or not at all."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.http import HttpRequest, HttpResponse
from rolloutctl.sources.openmetrics import OpenMetrics, OpenMetricsSpec
from rolloutctl.sources.openmetrics.exposition import parse_page
from servers.scripted import Answer, Fault, ScriptedServer, free_port

AT = datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def text(body, content_type=TEXT):
    return Answer(body=body, content_type=content_type)


def counters(selector):
    return Query(kind=QueryKind.COUNTERS, text=selector)


def ask(selector, body, *, at=AT, content_type=TEXT, **spec):
    with ScriptedServer(text(body, content_type)) as server:
        return OpenMetrics(OpenMetricsSpec(url=server.url, **spec)).query(counters(selector), at)


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    requests = Counter("requests", "r", ["model", "status"], registry=registry)
    requests.labels("new", "200").inc(7)
    requests.labels("new", "500").inc(2)
    requests.labels("old", "200").inc(90)
    Histogram("latency", "l", buckets=(0.1, 1), registry=registry).observe(0.5)
    Gauge("load", "g", registry=registry).set(3)
    Summary("size", "s", registry=registry).observe(4)
    return registry


@pytest.mark.parametrize(
    ("generate", "content_type"),
    [(generate_latest, TEXT), (generate_openmetrics, OPENMETRICS), (generate_latest, "")],
)
def test_both_formats_give_the_same_counters(registry, generate, content_type):
    """The content type decides how the page is read."""
    page = generate(registry).decode()

    found = ask('requests_total{model="new"}', page, content_type=content_type)
    errors = ask('requests_total{model=~"n.w",status!="200"}', page, content_type=content_type)
    buckets = ask("latency_bucket", page, content_type=content_type)

    assert [(sample.labels, sample.value) for sample in found.samples] == [
        ((("model", "new"), ("status", "200")), 7.0),
        ((("model", "new"), ("status", "500")), 2.0),
    ]
    assert (found.state, found.at) == (DataState.OK, AT)
    assert [sample.value for sample in errors.samples] == [2.0]
    assert {dict(sample.labels)["le"]: sample.value for sample in buckets.samples} == {
        "0.1": 0.0,
        "1.0": 1.0,
        "+Inf": 1.0,
    }


def test_what_also_falls_is_no_counter(registry):
    """Differences of a gauge mean nothing; a summary has count and sum only."""
    page = generate_latest(registry).decode()

    with pytest.raises(Rejected, match="is a gauge"):
        ask("load", page)
    assert ask("size_sum", page).samples[0].value == 4.0
    with pytest.raises(Rejected, match="quantiles"):
        ask("q", '# TYPE q summary\nq{quantile="0.5"} 1\n')


def test_a_counter_is_found_by_the_name_on_its_page():
    """The parser renames counters without _total; untyped lines are taken as they are."""
    page = "# TYPE hits counter\nhits 5\nbare 6\n"

    assert ask("hits", page).samples[0].value == 5.0
    assert ask("hits_total", page).samples[0].value == 5.0
    assert ask("bare", page).samples[0].value == 6.0


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("", DataState.EMPTY),
        ("other 1\n", DataState.EMPTY),
        ("x NaN\n", DataState.NOT_A_NUMBER),
        ("x +Inf\n", DataState.NOT_A_NUMBER),
        (f"x 1 {int((AT.timestamp() - 400) * 1000)}\n", DataState.STALE),
        (f"x 1 {int((AT.timestamp() - 100) * 1000)}\n", DataState.OK),
        (f"x 1 {int((AT.timestamp() + 100) * 1000)}\n", DataState.OK),
    ],
)
def test_missing_unusable_and_old_are_told_apart(body, state):
    """Only numbers of the present can be judged."""
    measurement = ask("x", body)

    assert measurement.state is state
    assert bool(measurement.samples) is (state is DataState.OK)
    assert measurement.at <= AT


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(body="<html>", content_type="text/html"), Unavailable, "text/html instead"),
        (Answer(body="{}"), Unavailable, "application/json instead"),
        (text("hello world\n"), Unavailable, "not in the format"),
        (text("x 1\ny 12"), Unavailable, "middle of a line"),
        (text("x 1\n", OPENMETRICS), Unavailable, "not in the format"),
        (text(b"\xff\xfe\n"), Unavailable, "not in the format"),
        (text('x{a="1"} 1\nx{a="1"} 2\n'), Unavailable, "one series twice"),
        (text("".join(f'x{{a="{n}"}} 1\n' for n in range(5001))), Rejected, "5001 series"),
        (Answer(status=404), NotFound, "404"),
        (Answer(status=401), Unauthorized, "401"),
        (Answer(status=500), Unavailable, "500"),
        (Answer(fault=Fault.HANG), Unavailable, "no answer"),
        (Answer(fault=Fault.CUT, body="x 12345\n", content_type="text/plain"), Unavailable, "GET"),
    ],
)
def test_what_is_no_page_of_metrics_is_an_error(answer, error, message):
    """Never half of a page, never somebody else's page."""
    # Only where no answer comes is the limit met: a busy machine answers late.
    timeout_s = 0.3 if answer.fault is Fault.HANG else 10.0
    with ScriptedServer(answer) as server, pytest.raises(error, match=message):
        OpenMetrics(OpenMetricsSpec(url=server.url, timeout_s=timeout_s)).query(counters("x"), AT)


def test_one_moment_is_one_scrape_of_each_instance():
    """A ratio's two counters are of the same page; the next moment reads again."""
    with ScriptedServer(text("x 1\ny 2\n")) as server:
        source = OpenMetrics(OpenMetricsSpec(url=server.url))
        for name in ("x", "y", "x"):
            source.query(counters(name), AT)
        first = len(server.seen)
        source.query(counters("x"), AT + timedelta(seconds=1))

    assert (first, len(server.seen)) == (1, 2)


def test_an_error_is_remembered_for_its_moment_only():
    """Ten queries at a dead instance cost one timeout; the next tick asks again."""
    with ScriptedServer(Answer(status=500), text("x 1\n")) as server:
        source = OpenMetrics(OpenMetricsSpec(url=server.url))
        for _ in range(3):
            with pytest.raises(Unavailable):
                source.query(counters("x"), AT)
        measurement = source.query(counters("x"), AT + timedelta(seconds=1))

    assert measurement.state is DataState.OK
    assert len(server.seen) == 2


def test_several_instances_are_told_apart_by_a_label():
    """As Prometheus does it, the page's own label being kept."""
    with ScriptedServer(text('x{instance="me"} 1\n')) as one, ScriptedServer(text("x 2\n")) as two:
        source = OpenMetrics(OpenMetricsSpec(urls=(one.url, two.url)))
        every = source.query(counters("x"), AT)
        host = two.url.removeprefix("http://")
        second = source.query(counters(f'x{{instance="{host}"}}'), AT)

    assert sorted(sample.value for sample in every.samples) == [1.0, 2.0]
    assert ("exported_instance", "me") in {p for s in every.samples for p in s.labels}
    assert [sample.value for sample in second.samples] == [2.0]


def test_two_pages_of_one_host_are_told_apart_by_their_address():
    """Equal labels would be one series."""
    with ScriptedServer(text("x 1\n")) as server:
        urls = (f"{server.url}/a", f"{server.url}/b")
        measurement = OpenMetrics(OpenMetricsSpec(urls=urls)).query(counters("x"), AT)

    assert [dict(sample.labels)["instance"] for sample in measurement.samples] == list(urls)


def test_one_missing_instance_is_an_error_for_all():
    """Half of the data would be judged as if it were all."""
    with ScriptedServer(text("x 1\n")) as server:
        urls = (server.url, f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unavailable):
            OpenMetrics(OpenMetricsSpec(urls=urls)).query(counters("x"), AT)


def test_expressions_and_history_are_refused():
    """It knows no PromQL and no past."""
    source = OpenMetrics(OpenMetricsSpec(url="http://127.0.0.1:1"))

    with pytest.raises(Rejected, match="selectors, not expressions"):
        source.query(Query(kind=QueryKind.EXPRESSION, text="rate(x[5m])"), AT)
    with pytest.raises(Rejected, match="no history"):
        source.history(counters("x"), AT, AT, 1.0)
    with pytest.raises(Rejected, match="character 2"):
        source.query(counters("x[5m]"), AT)
    with pytest.raises(Rejected, match="regular expression"):
        source.query(counters('x{a=~"("}'), AT)


def test_a_probe_reads_every_page():
    """Metrics, none at all, and a wrong address each have their finding."""
    with ScriptedServer(text("x 1\n")) as good, ScriptedServer(text("")) as empty:
        urls = (good.url, empty.url)
        severities = [f.severity for f in OpenMetrics(OpenMetricsSpec(urls=urls)).probe()]
    with ScriptedServer(Answer(status=404)) as wrong:
        (refusal,) = OpenMetrics(OpenMetricsSpec(url=wrong.url)).probe()

    assert severities == [Severity.OK, Severity.WARN]
    assert refusal.severity is Severity.REFUSE


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"url": "http://a", "urls": ("http://b",)},
        {"urls": ("http://a", "http://a")},
        {"urls": tuple(f"http://h{n}" for n in range(51))},
        {"urls": ("http://ops:planted@a",)},
        {"url": "http://a", "staleness_s": 0},
    ],
)
def test_impossible_specs_are_value_errors(spec):
    """Lint shows them at the spec's place, a password in them never."""
    with pytest.raises(ValueError) as caught:
        OpenMetricsSpec(**spec)

    assert "planted" not in str(caught.value)


@given(st.text(max_size=200), st.sampled_from(["text/plain", "application/openmetrics-text"]))
def test_any_text_is_a_page_or_an_error_of_ours(body, content_type):
    """The parser's own exceptions do not come through."""
    response = HttpResponse(
        request=HttpRequest(method="GET", url="http://host/metrics"),
        status=200,
        headers={"content-type": content_type},
        body=body.encode(errors="replace"),
    )

    with contextlib.suppress(Unavailable):
        parse_page(response)


def test_a_metric_that_the_page_lacks_is_told_with_those_it_has(registry):
    """What a plan says of a typo; a metric that is there is not told."""
    page = generate_latest(registry).decode()
    with ScriptedServer(text(page)) as server:
        source = OpenMetrics(OpenMetricsSpec(url=server.url))

        unknown = source.unknown_metrics(counters('request_total{model="new"}'), AT)

        assert list(unknown) == ["request_total"]
        assert "requests_total" in unknown["request_total"]
        assert source.unknown_metrics(counters('requests_total{model="gone"}'), AT) == {}
