"""The prometheus source against a running Prometheus that scrapes a small application."""

import math
import shutil
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from rolloutctl.clock import SystemClock
from rolloutctl.core.measurement import SELECTOR_LABEL, DataState, Query, QueryKind, Reading
from rolloutctl.core.observation import Severity
from rolloutctl.core.ports import GateContext
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import Rejected, RolloutctlError, Unauthorized, Unavailable
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec
from rolloutctl.http import BasicAuth, Tls
from rolloutctl.sources.openmetrics import OpenMetrics, OpenMetricsSpec
from rolloutctl.sources.prometheus import Prometheus, PrometheusSpec
from servers.certificates import certificate
from servers.prometheus import prometheus_binary, running_prometheus, wait_until
from servers.scripted import Answer, ScriptedServer

pytestmark = pytest.mark.real

#: bcrypt of the planted password, cost 4: `htpasswd -nBC 4`.
PASSWORD = "planted-prometheus-pw"
_BCRYPT = "$2b$04$abcdefghijklmnopqrstuuCB/SmUD1zGysjA.Gnq0JGcGQSpWX4B2"


class App:
    """An application with metrics that can be stopped."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter("llm_requests", "r", ["model", "status"], registry=self.registry)
        self.requests.labels("new", "200").inc(7)
        self.requests.labels("new", "500").inc(1)
        self.requests.labels("idle", "200").inc(0)
        self.orders = Counter("orders", "o", ["status"], registry=self.registry)
        self.orders.labels("200").inc(30)
        Gauge("odd", "g", registry=self.registry).set(math.nan)
        self._server, self._thread = start_http_server(0, addr="127.0.0.1", registry=self.registry)
        self.port = self._server.server_port
        self._is_running = True

    def stop(self):
        if self._is_running:
            self._is_running = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


@dataclass
class World:
    app: App
    url: str

    def source(self, **spec):
        return Prometheus(PrometheusSpec(url=self.url, **spec))

    def ask(self, text, kind=QueryKind.EXPRESSION, *, at=None, **spec):
        query = Query(kind=kind, text=text)
        return self.source(**spec).query(query, at or SystemClock().now())


def _answers(source, text='llm_requests_total{model="new"}'):
    try:
        query = Query(kind=QueryKind.COUNTERS, text=text)
        return source.query(query, SystemClock().now()).state is DataState.OK
    except RolloutctlError:
        return False


def _world(app, folder):
    with running_prometheus(folder, app.port) as url:
        world = World(app=app, url=url)
        wait_until(lambda: _answers(world.source()), what="first scrape")
        yield world
    app.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    prometheus_binary()
    yield from _world(App(), tmp_path_factory.mktemp("prometheus"))


@pytest.fixture
def mortal(tmp_path):
    """A world of its own, whose application may be stopped."""
    prometheus_binary()
    yield from _world(App(), tmp_path)


def test_a_probe_finds_the_version_and_no_skew(world):
    """Both run on one machine, so their clocks agree."""
    findings = world.source().probe()

    assert [finding.severity for finding in findings] == [Severity.OK]
    assert "Prometheus 2." in findings[0].message


def test_raw_counters_come_by_series_with_the_time_of_their_scrape(world):
    """Values, sorted labels, and a time before the question's."""
    at = SystemClock().now()

    measurement = world.ask('llm_requests_total{model="new"}', QueryKind.COUNTERS, at=at)

    found = {dict(sample.labels)["status"]: sample.value for sample in measurement.samples}
    assert found == {"200": 7.0, "500": 1.0}
    assert "__name__" not in dict(measurement.samples[0].labels)
    assert timedelta(0) <= at - measurement.at < timedelta(seconds=30)


def test_both_sources_read_the_same_counters(world):
    """A gate may change its source without being rewritten."""
    selector = 'llm_requests_total{model=~"ne.",status!~"4.."}'
    direct = OpenMetrics(OpenMetricsSpec(url=f"http://127.0.0.1:{world.app.port}/metrics"))

    ours = direct.query(Query(kind=QueryKind.COUNTERS, text=selector), SystemClock().now())
    theirs = world.ask(selector, QueryKind.COUNTERS)

    def values(measurement):
        return [(dict(s.labels)["status"], s.value) for s in measurement.samples]

    assert values(ours) == values(theirs)


@pytest.mark.parametrize(
    ("text", "kind", "state"),
    [
        ('sum(llm_requests_total{model="new"})', QueryKind.EXPRESSION, DataState.OK),
        ("scalar(sum(llm_requests_total))", QueryKind.EXPRESSION, DataState.OK),
        ("vector(1)", QueryKind.EXPRESSION, DataState.OK),
        (
            (
                'sum(rate(llm_requests_total{model="idle",status="200"}[1m]))'
                ' / sum(rate(llm_requests_total{model="idle"}[1m]))'
            ),
            QueryKind.EXPRESSION,
            DataState.NOT_A_NUMBER,
        ),
        ("1 / vector(0)", QueryKind.EXPRESSION, DataState.NOT_A_NUMBER),
        ("odd", QueryKind.COUNTERS, DataState.NOT_A_NUMBER),
        ('llm_requests_total{model="unknown"}', QueryKind.EXPRESSION, DataState.EMPTY),
        ('llm_requests_total{model="unknown"}', QueryKind.COUNTERS, DataState.EMPTY),
        ("llm_requests_total", QueryKind.EXPRESSION, DataState.AMBIGUOUS),
    ],
)
def test_every_state_of_an_answer_is_told(world, text, kind, state):
    """A rate needs two scrapes; until then it is empty, so it is asked again."""
    wait_until(lambda: world.ask(text, kind).state is state, what=f"{text} is {state}", limit_s=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sum(", "bad_data: .*parse error"),
        ("llm_requests_total * on() llm_requests_total", "execution: "),
        ("llm_requests_total[5m]", "matrix"),
        ('"text"', "string"),
    ],
)
def test_a_wrong_query_is_rejected_with_the_servers_reason(world, text, message):
    """400, 422 and answers of the wrong type."""
    with pytest.raises(Rejected, match=message):
        world.ask(text)


def test_history_has_a_row_a_step_and_holes_before_the_first_scrape(world):
    """More steps than one page holds."""
    end = SystemClock().now()
    start = end - timedelta(seconds=12_000)
    query = Query(kind=QueryKind.COUNTERS, text='llm_requests_total{model="new"}')

    found = world.source().history(query, start, end, 1.0)

    assert len(found.rows) == 12_001
    assert found.rows[0] == (start, ())
    assert [sample.value for sample in found.rows[-1][1]] == [7.0, 1.0]


def test_the_check_of_an_expression_is_understood_by_the_server(world):
    """Instant selectors, long ranges, subqueries: fresh here, so all are OK."""
    for text in (
        'sum(llm_requests_total{model="new"})',
        'sum(rate(llm_requests_total{model="new"}[1h]))',
        'max_over_time(sum(rate(llm_requests_total{model="new"}[5s]))[10m:1s])',
    ):
        wait_until(
            lambda text=text: world.ask(text, staleness_s=30).state is DataState.OK,
            what=text,
            limit_s=10,
        )


def test_a_dead_exporter_is_empty_for_counters_and_stale_for_rates(mortal):
    """The rate of a long window goes on answering: that answer must not pass."""
    rate = 'sum(rate(llm_requests_total{model="new"}[1h]))'
    counter = 'llm_requests_total{model="new"}'
    wait_until(lambda: mortal.ask(rate).state is DataState.OK, what="a rate")
    assert mortal.ask(rate, staleness_s=2).state is DataState.OK

    mortal.app.stop()

    wait_until(
        lambda: mortal.ask(counter, QueryKind.COUNTERS).state is DataState.EMPTY,
        what="counters are empty",
    )
    wait_until(
        lambda: mortal.ask(rate, staleness_s=2).state is DataState.STALE, what="the rate is stale"
    )
    assert counter in mortal.ask(rate, staleness_s=2).detail
    assert _told(mortal.ask(f"{counter} > 100", QueryKind.CONDITION)) == {None: 0, counter: 0}
    holds = f"rate({counter}[1h]) >= 0"
    assert mortal.ask(holds, QueryKind.CONDITION, staleness_s=2).state is DataState.STALE
    assert mortal.ask(rate, staleness_s=3600).state is DataState.OK


def _told(measurement):
    """What a condition answers: the number of series, and whether each selector has data."""
    assert measurement.state is DataState.OK
    return {dict(one.labels).get(SELECTOR_LABEL): one.value for one in measurement.samples}


def test_a_condition_is_answered_with_the_data_that_it_rests_on(world):
    """No series of its own, but of its selectors; absent() is quiet where there is data."""
    new, nobody = 'llm_requests_total{model="new"}', 'llm_requests_total{model="nobody"}'

    def ask(text):
        return _told(world.ask(text, QueryKind.CONDITION))

    assert ask(f"{new} > 5") == {None: 1}
    assert ask(f"{new} > 100") == {None: 0, new: 1}
    assert ask(f"{nobody} > 5 or {new} > 100") == {None: 0, nobody: 0, new: 1}
    assert ask(f"absent({new})") == {None: 0, new: 1}
    assert ask(f"absent({nobody})") == {None: 1}
    text = f"sum(rate({new}[1m])) / sum(rate({nobody}[1m])) > 0.1"
    assert ask(text) == {None: 0, new: 1, nobody: 0}


def test_a_query_that_takes_too_long_is_an_error_and_the_server_goes_on(world):
    """Given up after `timeout`, there and here; the next question is answered."""
    slow = "count_over_time(vector(1)[10000d:1m])"

    with pytest.raises(Unavailable, match=r"timed out|timeout|no answer within"):
        world.ask(slow, timeout_s=0.2)

    assert world.ask("vector(1)").state is DataState.OK


def test_a_restart_of_the_application_loses_no_events_and_invents_none(world):
    """Counters that begin anew far below what they were: counted from zero, judged at once."""
    gate, spec = (
        Threshold(),
        ThresholdSpec(
            bad='orders_total{status="500"}',
            total="orders_total",
            window_s=60.0,
            fail="> 50%",
        ),
    )
    evidence = None

    def judged():
        nonlocal evidence
        now = SystemClock().now()
        context = GateContext(now=now, since=None, arms={}, exposure=None, interval_s=1.0)
        readings = [
            Reading(query=query, measurement=world.source().query(query, now))
            for query in gate.queries(spec, context)
        ]
        evidence, verdict = gate.assess(spec, evidence, readings, context)
        return verdict

    assert judged().outcome is Outcome.INCONCLUSIVE
    world.app.orders.clear()
    world.app.orders.labels("200").inc(2)
    wait_until(lambda: judged().sample == 2.0, what="two events after the restart", limit_s=10)
    world.app.orders.labels("500").inc(8)
    wait_until(lambda: judged().sample == 10.0, what="ten events", limit_s=10)

    verdict = judged()
    assert (verdict.outcome, verdict.sample) == (Outcome.FAIL, 10.0)


def test_tls_with_an_own_authority_is_checked_and_the_password_is_sent_within(
    tmp_path, monkeypatch
):
    """Prometheus' own web configuration; without the authority nothing is sent."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on PATH")
    app = App()
    files = certificate(tmp_path, "prometheus")
    web = (
        f"tls_server_config: {{cert_file: {files[0]}, key_file: {files[1]}}}\n"
        f"basic_auth_users: {{ops: {_BCRYPT}}}\n"
    )
    monkeypatch.setenv("PROM_PW", PASSWORD)
    user = BasicAuth(username="ops", password=SecretRef(env="PROM_PW"))
    with running_prometheus(tmp_path, app.port, web_config=web) as url:
        assert url.startswith("https://")
        good = Prometheus(PrometheusSpec(url=url, basic_auth=user, tls=Tls(ca_file=files[0])))
        wait_until(lambda: _is_up(good), what="an answer over TLS")
        assert [one.severity for one in good.probe()] == [Severity.OK]
        for tls in (Tls(), Tls(ca_file=certificate(tmp_path, "other")[0])):
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
                Prometheus(PrometheusSpec(url=url, basic_auth=user, tls=tls)).probe()
            assert "tls.ca_file" in caught.value.hint
        with pytest.raises(Unauthorized):
            Prometheus(PrometheusSpec(url=url, tls=Tls(ca_file=files[0]))).probe()
    app.stop()


def _is_up(source):
    try:
        return source.probe()[0].severity is Severity.OK
    except RolloutctlError:
        return False


def test_a_bearer_token_passes_the_proxy_before_prometheus_and_follows_its_rotation(
    world, tmp_path
):
    """Read anew for each request; a token that the proxy does not know is refused."""
    token = tmp_path / "token"
    token.write_text("planted-first\n")
    token.chmod(0o600)

    def proxy(seen):
        if seen.headers.get("authorization") != "Bearer planted-second":
            return Answer(status=401, body="who are you?", content_type="text/plain")
        url, headers = world.url + seen.path, {"content-type": "application/x-www-form-urlencoded"}
        answer = httpx.request(seen.method, url, content=seen.body, headers=headers)
        return Answer(status=answer.status_code, body=answer.content)

    with ScriptedServer(proxy) as server:
        ref = SecretRef(file=str(token))
        source = Prometheus(PrometheusSpec(url=server.url, bearer_token=ref))
        with pytest.raises(Unauthorized) as caught:
            source.probe()
        assert "planted" not in str(caught.value)
        token.write_text("planted-second\n")
        assert source.probe()[0].severity is Severity.OK
        assert _answers(source)


def test_counters_older_than_the_limit_are_stale(world):
    """Asked a moment later than the last scrape, with a limit shorter than that."""
    later = SystemClock().now() + timedelta(seconds=60)

    measurement = world.ask("llm_requests_total", QueryKind.COUNTERS, at=later, staleness_s=30)

    assert measurement.state is DataState.STALE
    assert world.ask("sum(llm_requests_total)", at=later, staleness_s=30).state is DataState.STALE


def test_basic_auth_is_needed_and_used(tmp_path, monkeypatch):
    """Without, with a wrong one, with the right one."""
    app = App()
    web = f"basic_auth_users: {{ops: {_BCRYPT}}}\n"
    monkeypatch.setenv("PROM_PW", PASSWORD)
    monkeypatch.setenv("WRONG_PW", "planted-wrong-pw")
    right = BasicAuth(username="ops", password=SecretRef(env="PROM_PW"))
    wrong = BasicAuth(username="ops", password=SecretRef(env="WRONG_PW"))
    with running_prometheus(tmp_path, app.port, web_config=web) as url:
        good = Prometheus(PrometheusSpec(url=url, basic_auth=right))
        wait_until(lambda: _is_up(good), what="an answer with the password")
        for spec in (PrometheusSpec(url=url), PrometheusSpec(url=url, basic_auth=wrong)):
            with pytest.raises(Unauthorized) as caught:
                Prometheus(spec).probe()
            assert "planted" not in str(caught.value)
        assert good.probe()[0].severity is Severity.OK
    app.stop()


def test_a_metric_that_nobody_ever_exported_is_told_with_those_that_begin_alike(world):
    """What a plan says of a typo in an expression; a label without series is none."""
    source = world.source()
    now = SystemClock().now()

    def unknown(text):
        return source.unknown_metrics(Query(kind=QueryKind.EXPRESSION, text=text), now)

    found = unknown("sum(rate(llm_request_total[1m])) / sum(rate(llm_requests_total[1m]))")
    assert list(found) == ["llm_request_total"]
    assert "llm_requests_total" in found["llm_request_total"]
    assert unknown('llm_requests_total{model="nobody"}') == {}
