"""Sources `prometheus` and `alertmanager` on alerts, against both servers running."""

import json
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from rolloutctl.clock import SystemClock
from rolloutctl.core.alerts import SILENCED_LABEL, WITHOUT_DATA_LABEL, AlertState
from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Rejected, RolloutctlError, Unavailable
from rolloutctl.sources.prometheus import (
    Alertmanager,
    AlertmanagerSpec,
    Prometheus,
    PrometheusSpec,
)
from servers.prometheus import (
    alertmanager_binary,
    alertmanager_server,
    prometheus_binary,
    prometheus_server,
    wait_until,
)

pytestmark = pytest.mark.real

RULES = """
groups:
  - name: app
    rules:
      - alert: Watchdog
        expr: vector(1)
      - {alert: Bad, expr: 'bad > 0', labels: {severity: page, part: '{{ $labels.job }}'}}
      - {alert: Slow, expr: 'slow > 0', for: 1h}
      - {alert: Cause, expr: 'cause > 0'}
      - {alert: Effect, expr: 'cause > 0', labels: {severity: page}}
      - {alert: Broken, expr: 'label_replace(bad, "same", "x", "", "") * on(job) group_left pair'}
      - {alert: Blind, expr: 'rate(nobody_total[1m]) > 0 or nobody > 5'}
      - {record: bad:max, expr: 'max(bad)'}
"""


class App:
    """Numbers that alerts are about."""

    def __init__(self):
        registry = CollectorRegistry()
        self.numbers = {
            name: Gauge(name, "g", registry=registry) for name in ("bad", "slow", "cause")
        }
        pair = Gauge("pair", "g", ["i"], registry=registry)
        pair.labels("1").set(1)
        pair.labels("2").set(1)
        self._server, self._thread = start_http_server(0, addr="127.0.0.1", registry=registry)
        self.port = self._server.server_port

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class World:
    app: App
    prometheus: object
    alertmanager: object

    def set(self, **numbers):
        for name, value in numbers.items():
            self.app.numbers[name].set(value)

    def rules(self, **spec):
        return Prometheus(PrometheusSpec(url=self.prometheus.url, **spec))

    def active(self, *, checked=False, **spec):
        rules = PrometheusSpec(url=self.prometheus.url) if checked else None
        spec = {"after_start_s": 0.0} | spec
        return Alertmanager(AlertmanagerSpec(url=self.alertmanager.url, prometheus=rules, **spec))


def ask(source, text, kind=QueryKind.ALERTS):
    return source.query(Query(kind=kind, text=text), SystemClock().now())


def state(source, text, kind=QueryKind.ALERTS):
    """The worst state of the named alert, or what took the place of an answer."""
    try:
        measurement = ask(source, text, kind)
    except RolloutctlError as error:
        return type(error)
    if measurement.state is not DataState.OK:
        return measurement.state
    return AlertState(int(max(sample.value for sample in measurement.samples)))


def comes(source, text, expected, kind=QueryKind.ALERTS):
    wait_until(
        lambda: state(source, text, kind) == expected, what=f"{text} is {expected!r}", limit_s=15
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    prometheus_binary()
    alertmanager_binary()
    folder = tmp_path_factory.mktemp("alerts")
    app = App()
    with (
        alertmanager_server(folder) as alertmanager,
        prometheus_server(folder, app.port, rules=RULES, alertmanager=alertmanager) as prometheus,
    ):
        world = World(app=app, prometheus=prometheus, alertmanager=alertmanager)
        comes(world.rules(), "Watchdog", AlertState.FIRING)
        comes(world.active(), "Watchdog", AlertState.FIRING)
        yield world
    app.stop()


@pytest.fixture(autouse=True)
def quiet(request):
    """Every test of the shared world begins with alerts that are quiet everywhere."""
    if "world" in request.fixturenames:
        world = request.getfixturevalue("world")
        world.set(bad=0, slow=0, cause=0)
        for text in ("Bad", "Slow", "Cause", "Effect"):
            comes(world.active(checked=True), text, AlertState.INACTIVE)


def test_an_alert_fires_and_is_resolved_on_both_servers(world):
    """The rules API first; Alertmanager hears of it, and of the end of it."""
    sources = (world.rules(), world.active(), world.active(checked=True))
    assert [state(source, "Bad") for source in sources] == [AlertState.INACTIVE] * 3

    world.set(bad=1)

    for source in sources:
        comes(source, "Bad", AlertState.FIRING)
        comes(source, 'Bad{severity="page"}', AlertState.FIRING)
        assert state(source, 'Bad{instance="elsewhere"}') == AlertState.INACTIVE
    world.set(bad=0)
    for source in sources:
        comes(source, "Bad", AlertState.INACTIVE)


def test_a_pending_alert_is_told_by_its_rules_only(world):
    """Alertmanager hears of it when its `for` is over."""
    world.set(slow=1)

    comes(world.rules(), "Slow", AlertState.PENDING)
    assert state(world.active(checked=True), "Slow") == AlertState.PENDING
    assert state(world.active(), "Slow") == AlertState.INACTIVE


def test_alerts_can_be_named_by_labels_that_their_rules_set(world):
    """And by a regular expression on the name; a mistyped label is an error, not quiet."""
    world.set(cause=1)

    comes(world.rules(), '{severity="page"}', AlertState.FIRING)
    assert state(world.rules(), '{alertname=~"Bad|Slow"}') == AlertState.INACTIVE
    for wrong in ('{sevrity="page"}', '{severity="pager"}', 'Bad{severity="info"}'):
        assert state(world.rules(), wrong) is Rejected


def test_an_alert_that_is_not_loaded_is_an_error_that_names_the_close_one(world):
    """With the rules behind Alertmanager too; alone it cannot know."""
    for source in (world.rules(), world.active(checked=True)):
        with pytest.raises(Rejected, match="no alerting rule Badd is loaded") as caught:
            ask(source, "Badd")
        assert "did you mean Bad?" in caught.value.hint
    assert state(world.active(), "Badd") == AlertState.INACTIVE


def test_a_recording_rule_is_no_alert(world):
    """It has a name, and raises nothing."""
    assert state(world.rules(), "bad:max") is Rejected


def test_a_rule_that_cannot_be_evaluated_is_an_error(world):
    """Its alerts are quiet because nobody knows."""
    with pytest.raises(Unavailable, match="rule Broken cannot be evaluated"):
        ask(world.rules(), "Broken")


def test_a_rule_whose_metrics_nobody_exports_says_so(world):
    """It is quiet, and would be in any case."""
    for source in (world.rules(), world.active(checked=True)):
        (sample,) = ask(source, "Blind").samples
        assert dict(sample.labels)[WITHOUT_DATA_LABEL] == "nobody_total, nobody"
        (sample,) = ask(source, "Bad").samples
        assert WITHOUT_DATA_LABEL not in dict(sample.labels)


def test_a_silenced_alert_counts_unless_silences_are_respected(world):
    """By Alertmanager alone and with its rules; an expired silence is none."""
    world.set(bad=1)
    sources = (world.active(), world.active(checked=True))
    for source in sources:
        comes(source, "Bad", AlertState.FIRING)
    silence = _silence(world, "Bad", for_s=60)

    for source in sources:
        comes(source, "Bad", AlertState.INACTIVE, QueryKind.UNSILENCED_ALERTS)
        counted = ask(source, "Bad")
        assert state(source, "Bad") == AlertState.FIRING
        assert dict(counted.samples[0].labels)[SILENCED_LABEL] == silence
    httpx.delete(f"{world.alertmanager.url}/api/v2/silence/{silence}").raise_for_status()
    for source in sources:
        comes(source, "Bad", AlertState.FIRING, QueryKind.UNSILENCED_ALERTS)


def test_an_inhibited_alert_counts_whatever_is_respected(world):
    """Inhibition says who is told, not that all is well."""
    world.set(cause=1)
    comes(world.active(), "Effect", AlertState.FIRING)
    wait_until(lambda: _is_inhibited(world, "Effect"), what="Effect is inhibited")

    assert state(world.active(), "Effect", QueryKind.UNSILENCED_ALERTS) == AlertState.FIRING


def test_prometheus_cannot_respect_silences(world):
    """Lint refuses it; asked all the same it is an error."""
    assert state(world.rules(), "Bad", QueryKind.UNSILENCED_ALERTS) is Rejected


def test_a_probe_of_alertmanager_says_what_its_silence_is_worth(world):
    """Alone it is worth little, and that is a warning."""
    alone, checked = world.active().probe(), world.active(checked=True).probe()

    assert [one.severity for one in alone] == [Severity.OK, Severity.WARN]
    assert "Alertmanager 0." in alone[0].message
    assert "prometheus:" in alone[1].hint
    assert [one.severity for one in checked] == [Severity.OK, Severity.OK]
    assert [one.severity for one in world.active(watchdog="Watchdog").probe()] == [Severity.OK]


def test_without_its_watchdog_the_silence_of_alertmanager_is_no_data(world):
    """The watchdog fires as long as Prometheus reaches it."""
    assert state(world.active(watchdog="Watchdog"), "Bad") == AlertState.INACTIVE
    assert state(world.active(watchdog="Nobody"), "Bad") is DataState.EMPTY


def test_the_past_of_an_alert_is_read_from_what_prometheus_kept(world):
    """For backtests: 0, 1 and 2 as they were."""
    world.set(bad=1, slow=1)
    comes(world.rules(), "Bad", AlertState.FIRING)
    comes(world.rules(), "Slow", AlertState.PENDING)
    end = SystemClock().now() + timedelta(seconds=1)

    def past(text, kind=QueryKind.ALERTS):
        query = Query(kind=kind, text=text)
        rows = world.rules().history(query, end - timedelta(hours=1), end, 1.0).rows
        return {sample.value for _, samples in rows for sample in samples}

    wait_until(lambda: past("Bad") == {0.0, 2.0}, what="the past of Bad", limit_s=10)
    assert past('Slow{severity=""}') == {0.0, 1.0}
    assert past("bad > 0  # a comment", QueryKind.CONDITION) == {0.0, 1.0}
    with pytest.raises(Rejected, match="no alerting rule"):
        past("Badd")


def test_a_restart_of_either_server_is_no_data_until_it_knows_again(world):
    """A firing alert is never quiet on the way, not for one look."""
    world.set(bad=1)
    sources = {
        "rules": world.rules(),
        "alone": world.active(after_start_s=3.0, watchdog="Watchdog"),
        "checked": world.active(checked=True),
    }
    for source in sources.values():
        comes(source, "Bad", AlertState.FIRING)
    for server in (world.prometheus, world.alertmanager):
        server.stop(at_once=True)
        seen = {name: {state(source, "Bad")} for name, source in sources.items()}
        server.start()
        _look_until_all_fire(sources, seen)
        assert any(Unavailable in states for states in seen.values())
        assert not any(AlertState.INACTIVE in states for states in seen.values()), seen


def _look_until_all_fire(sources, seen):
    """Adds everything that is answered until each has been firing."""

    def all_fire():
        now = {name: state(source, "Bad") for name, source in sources.items()}
        for name, found in now.items():
            seen[name].add(found)
        return set(now.values()) == {AlertState.FIRING}

    wait_until(all_fire, what="firing again")


def _silence(world, name, *, for_s):
    now = SystemClock().now()
    body = {
        "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=for_s)).isoformat(),
        "createdBy": "test",
        "comment": "a deployment",
    }
    answer = httpx.post(f"{world.alertmanager.url}/api/v2/silences", json=body)
    return json.loads(answer.raise_for_status().text)["silenceID"]


def _is_inhibited(world, name):
    alerts = httpx.get(f"{world.alertmanager.url}/api/v2/alerts").json()
    return any(
        one["labels"]["alertname"] == name and one["status"]["inhibitedBy"] for one in alerts
    )
