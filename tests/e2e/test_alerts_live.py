"""Rollouts of the real command, judged by a running Prometheus and Alertmanager."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from e2e.real_command import FLAGS, Place, until
from rolloutctl.clock import SystemClock
from servers.prometheus import (
    alertmanager_binary,
    alertmanager_server,
    prometheus_binary,
    prometheus_server,
)

pytestmark = pytest.mark.real

RULES = """
groups:
  - name: app
    rules:
      - {alert: Bad, expr: 'sum(rate(failures_total[2s])) / sum(rate(requests_total[2s])) > 0.5'}
      - {alert: Loud, expr: 'loud > 0', labels: {severity: page}}
"""
STEPS = """
sources:
  prometheus: {{url: "{prometheus}", staleness: 2s}}
  alertmanager: {{url: "{alertmanager}", prometheus: {{url: "{prometheus}", staleness: 2s}}}}
defaults: {{on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 200ms}}
gates:
  loud:
    kind: alerts
    source: alertmanager
    alerts: ['Loud{{severity="page"}}']
    silences: respect
  bad: {{kind: threshold, source: prometheus, rule: {{file: rules.yml, alert: Bad}}}}
  errors:
    kind: threshold
    source: prometheus
    bad: failures_total
    total: requests_total
    window: 2s
    fail: "> 99%"
guardrails: [loud]
steps:
  - {{canary: 5%, hold: 500ms, before: [loud], gates: [loud, bad, errors]}}
  - {{canary: 25%, hold: 3s, gates: [loud, bad, errors]}}
  - {{canary: 100%, hold: 500ms, gates: [loud]}}
limits: {{deadline: 2m}}
"""


class App:
    """Answers requests all the time; some fail if told so. Its counters may be reset."""

    def __init__(self):
        self.failing = 0.0
        self.reset()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def reset(self):
        """As a restart of the process would."""
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "r", registry=self.registry)
        self.failures = Counter("failures", "f", registry=self.registry)
        self.loud = Gauge("loud", "g", registry=self.registry)

    def collect(self):
        """What the page shows."""
        return self.registry.collect()

    def _serve(self):
        while not self._stopped.wait(0.02):
            self.requests.inc(10)
            self.failures.inc(10 * self.failing)

    def stop(self):
        self._stopped.set()
        self._thread.join()


class World:
    def __init__(self, app, prometheus, alertmanager):
        self.app, self.prometheus, self.alertmanager = app, prometheus, alertmanager

    def firing(self, name):
        alerts = httpx.get(f"{self.prometheus.url}/api/v1/alerts").json()["data"]["alerts"]
        return any(one["labels"]["alertname"] == name for one in alerts)

    def silence(self, name):
        now = SystemClock().now()
        body = {
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(seconds=60)).isoformat(),
            "createdBy": "test",
            "comment": "a deployment",
        }
        answer = httpx.post(f"{self.alertmanager.url}/api/v2/silences", json=body)
        return answer.raise_for_status().json()["silenceID"]

    def is_silenced(self, name):
        alerts = httpx.get(f"{self.alertmanager.url}/api/v2/alerts").json()
        return any(
            one["labels"]["alertname"] == name and one["status"]["silencedBy"] for one in alerts
        )

    def is_quiet(self):
        """Nothing fires, and nothing is about to.

        A gate asks for the rule's expression itself: it may see failures before the rule was
        evaluated, and end the test before its alert ever fired.
        """
        return (
            not self.firing("Loud")
            and not self.firing("Bad")
            and self._value("sum(rate(failures_total[2s]))") == 0
            and self._value("loud") == 0
        )

    def _value(self, query):
        """None where there is no sample."""
        found = httpx.get(f"{self.prometheus.url}/api/v1/query", params={"query": query}).json()
        return float(found["data"]["result"][0]["value"][1]) if found["data"]["result"] else None

    def is_up(self):
        """Has it scraped and evaluated?"""
        try:
            found = httpx.get(f"{self.prometheus.url}/api/v1/query?query=rate(requests_total[2s])")
            return bool(found.json()["data"]["result"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    prometheus_binary()
    alertmanager_binary()
    folder = tmp_path_factory.mktemp("servers")
    app = App()
    page, thread = start_http_server(0, addr="127.0.0.1", registry=app)
    with (
        alertmanager_server(folder) as alertmanager,
        prometheus_server(
            folder, page.server_port, rules=RULES, alertmanager=alertmanager
        ) as prometheus,
    ):
        world = World(app, prometheus, alertmanager)
        until(world.is_up, "the first rates")
        yield world
    app.stop()
    page.shutdown()
    page.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path, world):
    place = Place(tmp_path)
    (tmp_path / "rules.yml").write_text(RULES)
    place.write_playbook(
        STEPS.format(prometheus=world.prometheus.url, alertmanager=world.alertmanager.url)
    )
    yield place
    world.app.failing = 0.0
    world.app.loud.set(0)
    until(world.is_quiet, "quiet again")


@pytest.fixture
def driver(place):
    """Starts the rollout; ended with the test, however it stands."""
    started = []

    def start():
        started.append(place.spawn("start", place.playbook, "--auto", "--id", "r-1"))
        return started[0]

    yield start
    for one in started:
        one.stop()


def _hold_at_a_quarter(place):
    """Long enough for whatever is seen there, on any machine."""
    text = place.playbook.read_text()
    assert "canary: 25%, hold: 3s" in text
    place.playbook.write_text(text.replace("canary: 25%, hold: 3s", "canary: 25%, hold: 60s"))


def test_a_crash_of_prometheus_holds_a_rollout_that_then_goes_on(place, world, driver):
    """Nothing passes meanwhile; the rule's file may be changed or gone by then."""
    running = driver()
    until(lambda: place.served() == (2_500, 0), "25 %")
    world.prometheus.stop(at_once=True)
    (place.folder / "rules.yml").unlink()
    SystemClock().sleep(3.5)  # longer than the hold

    assert place.served() == (2_500, 0)
    assert running.process.poll() is None
    gates = {one["name"]: one for one in _status(place)["gates"]}
    assert {gates[name]["outcome"] for name in ("loud", "bad", "errors")} <= {"error", "no-data"}

    world.app.reset()
    world.prometheus.start()
    assert running.end() == 0, running.err
    assert place.served() == (10_000, 0)


def test_a_canary_that_makes_the_rule_hold_is_taken_back(place, world, driver):
    """Exit 10, the file as it was before."""
    _hold_at_a_quarter(place)
    running = driver()
    until(lambda: place.served() == (2_500, 0), "25 %")

    world.app.failing = 0.9

    assert running.end() == 10, running.err
    assert place.flags.read_text() == FLAGS
    assert "alert Bad holds for 1 series" in running.out + running.err


def test_an_alert_that_fires_takes_back_and_a_silenced_one_does_not(place, world, driver):
    """With `silences: respect`, as this playbook has it."""
    world.app.loud.set(1)
    silence = world.silence("Loud")
    until(lambda: world.is_silenced("Loud"), "a silenced alert")
    _hold_at_a_quarter(place)
    running = driver()
    until(lambda: place.served() == (2_500, 0), "25 %")

    httpx.delete(f"{world.alertmanager.url}/api/v2/silence/{silence}").raise_for_status()

    assert running.end() == 10, running.err
    assert place.flags.read_text() == FLAGS
    assert "firing: Loud" in running.out + running.err


def _status(place):
    return json.loads(place.run("status", "r-1", "--output", "json").stdout)
