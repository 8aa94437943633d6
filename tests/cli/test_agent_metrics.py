"""What an agent says of itself to a Prometheus, and to a supervisor."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rolloutctl.cli.agent_metrics import AgentMetrics
from rolloutctl.cli.agent_page import REQUESTS_MAX, STALE_S, AgentPage, parse_listen, served
from rolloutctl.core.state import Phase
from rolloutctl.errors import UsageError
from rolloutctl.runner import requests
from rolloutctl.runner.agent import run_agent
from rolloutctl.testing import FakeClock, Fault
from worlds.fleet import Fleet
from worlds.rollouts import ACTOR

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Watched:
    """An agent of a fleet, measured."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.metrics = AgentMetrics(fleet.clock)

    def open(self, row):
        rollout = self.fleet.open(row)
        self.metrics.watch(rollout)
        return rollout

    def run(self, seconds):
        """Drives for some fake time."""
        ports = replace(
            self.fleet.ports(),
            open_rollout=self.open,
            on_event=self.metrics.event,
            on_trouble=self.metrics.trouble,
            on_turn=self.metrics.turn,
            on_look=self.metrics.looked,
        )
        until = self.fleet.clock.now() + timedelta(seconds=seconds)
        run_agent(ports, stop=lambda: self.fleet.clock.now() >= until, poll_s=1.0)

    def value(self, name, **labels):
        """A sample, as the page has it; None where there is none."""
        return self.metrics.registry.get_sample_value(name, labels)

    def all_of(self, name):
        """Every sample of that name."""
        families = self.metrics.registry.collect()
        return [one for family in families for one in family.samples if one.name == name]


def _ask_for(fleet, request):
    requests.request(fleet.journal, fleet.clock, "r-0", request)


def test_rollouts_are_counted_by_phase_and_gone_ones_leave_no_series():
    """Three run, each with its shares; when all are over the page shows none of them."""
    world = Watched(Fleet(3))

    def looks(_now):
        running.add(world.value("rolloutctl_rollouts", phase="running"))
        shares.update(one.value for one in world.all_of("rolloutctl_canary_ratio"))

    running, shares = set(), set()
    world.fleet.clock.hooks.append(looks)
    world.run(1000)

    assert max(running) == 3
    assert shares == {0.0, 0.05, 0.5, 1.0}
    assert world.value("rolloutctl_open_rollouts") == 0
    assert world.value("rolloutctl_driven_rollouts") == 0
    assert world.all_of("rolloutctl_canary_ratio") == []
    assert world.value("rolloutctl_agent_events_total", event="rested") == 3


def test_judgements_are_counted_once_each_by_kind_and_outcome():
    """As many as the source was asked for, over all steps."""
    world = Watched(Fleet(1))

    world.run(1000)

    counted = world.all_of("rolloutctl_gate_judgements_total")
    assert {one.labels["kind"] for one in counted} == {"threshold"}
    assert sum(one.value for one in counted) == len(world.fleet.source.asked)
    assert len(world.fleet.source.asked) > 10


def test_a_provider_that_fails_is_counted_by_reason():
    """Two writes that never left, then it goes on."""
    world = Watched(Fleet(1))
    faults = [Fault.REFUSED_CONNECTION, Fault.REFUSED_CONNECTION]
    world.fleet.worlds["r-0"].fault = lambda operation, _: (
        faults.pop() if faults and operation == "apply" else None
    )

    world.run(1000)

    assert world.value("rolloutctl_provider_errors_total", provider="fake", why="unavailable") == 2
    assert world.fleet.phases()["r-0"] is Phase.SUCCEEDED


def test_waiting_for_a_human_is_measured_from_the_journal():
    """An agent that is started later knows since when; the total is added up at the end."""
    fleet = Fleet(1)
    Watched(fleet).run(10)
    _ask_for(fleet, lambda state: requests.pause(state, ACTOR))
    Watched(fleet).run(100)
    later = Watched(fleet)
    labels = {"playbook": "test", "rollout": "r-0", "phase": "paused"}
    waited = []

    def resumes_after_two_minutes(_now):
        value = later.value("rolloutctl_waiting_for_human_seconds", **labels)
        waited.append(value)
        if len(waited) == 20:
            _ask_for(fleet, lambda state: requests.resume(state, ACTOR))

    fleet.clock.hooks.append(resumes_after_two_minutes)
    later.run(60)

    assert 100 <= waited[1] <= 103, "it was paused long before this agent was started"
    assert waited[-1] is None
    assert 118 <= later.value("rolloutctl_human_wait_seconds_total") <= 123


@contextmanager
def page_of(metrics, clock):
    page = AgentPage(metrics, clock.now)
    with served(page, "127.0.0.1", 0) as url:
        yield page, url


def ask(url, path, *, method="GET", accept=""):
    request = Request(url + path, method=method, headers={"Accept": accept})  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_is_what_an_openmetrics_parser_takes():
    """Every family parses, has a help text, and counters end as they must."""
    clock = FakeClock()
    with page_of(AgentMetrics(clock), clock) as (_, url):
        status, text = ask(url, "/metrics", accept=OPENMETRICS)

    families = list(text_string_to_metric_families(text))
    assert status == 200
    assert {one.documentation != "" for one in families} == {True}
    assert "rolloutctl_turn_lag_seconds" in {one.name for one in families}


def test_health_is_whether_the_loop_goes_round_and_readiness_needs_the_journal():
    """A supervisor restarts what hangs, not what waits for a disk."""
    clock = FakeClock()
    metrics = AgentMetrics(clock)
    with page_of(metrics, clock) as (page, url):
        assert ask(url, "/readyz")[0] == 503
        metrics.looked({"r-1"}, set())
        assert [ask(url, path)[0] for path in ("/healthz", "/readyz")] == [200, 200]

        metrics.trouble("the disk is full")
        assert ask(url, "/healthz")[0] == 200
        status, body = ask(url, "/readyz")
        assert (status, json.loads(body)["because"]) == (503, "the disk is full")

        metrics.trouble("")
        clock.advance(STALE_S)
        status, body = ask(url, "/healthz")
        assert (status, json.loads(body)["status"]) == (503, "hangs")
        page.beat()
        assert ask(url, "/healthz")[0] == 200


def test_the_page_takes_no_orders():
    """Other methods and other paths are refused."""
    clock = FakeClock()
    with page_of(AgentMetrics(clock), clock) as (_, url):
        assert ask(url, "/metrics", method="POST")[0] == 501
        assert ask(url, "/kill")[0] == 404
        assert ask(url, "/metrics", method="HEAD") == (200, "")


def test_more_requests_than_slots_are_refused_and_the_next_is_answered():
    """Each answer asks for the page again: there is a last one, and it is a refusal."""
    clock = FakeClock()
    with page_of(AgentMetrics(clock), clock) as (page, url):
        statuses = []

        def asks_again(accept):
            statuses.append(ask(url, "/metrics", accept=accept)[0])
            return b"", "text/plain"

        page.exposition = asks_again
        outermost = ask(url, "/metrics")[0]

        assert statuses == [503] + [200] * (REQUESTS_MAX - 1)
        assert outermost == 200
        assert ask(url, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        (":0", ("127.0.0.1", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_an_address_to_listen_on_is_read(text, expected):
    """Without a host, this machine only."""
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["9464", "host:", "a:b", "::1:9464", "h:65536", "http://h:1"])
def test_a_wrong_address_is_refused_with_an_example(text):
    """Before anything is driven."""
    with pytest.raises(UsageError) as caught:
        parse_listen(text)

    assert "HOST:PORT" in caught.value.hint
