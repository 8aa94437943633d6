"""`verify_exposure` on a running Unleash: whole rollouts judged by the real UnleashClient."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e.real_command import until
from providers.unleash_worlds import ENVIRONMENT, FEATURES, SECRETS, Server, UnleashWorld, strategy
from rolloutctl import playbook_file
from rolloutctl.cli.wiring import kinds
from rolloutctl.clock import random_suffix
from rolloutctl.core import events as ev
from rolloutctl.core.exposure_gates import source_of
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner import requests
from rolloutctl.runner import start as starting
from rolloutctl.runner.adapters import Adapters, not_beside
from rolloutctl.runner.exposure_source import ExposureSource
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.testing import FakeClock, MemoryJournal
from servers.unleash_proxy import UnleashProxy

pytestmark = pytest.mark.real

ACTOR = ev.Actor(name="ana@host", terminal="pts/1", pid=1)
TEXT = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: verified
verify_exposure: true
targets:
  llm:
    provider: unleash
    url: "{url}"
    environment: {place}
    flag: {flag}
    control: off
    canary: on
steps:
  - {{canary: 5%, hold: 1m}}
  - {{canary: 100%}}
limits: {{deadline: 1d}}
"""
#: One made-up unit in nine, whatever the rollout's own share is.
THEIRS = {
    "contextName": "userId",
    "operator": "STR_STARTS_WITH",
    "values": ["rolloutctl-unit-1"],
}


@pytest.fixture
def world(monkeypatch, unleash_url):
    """A plain flag on the running server."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with UnleashProxy(unleash_url) as proxy:
        server = Server(proxy, unleash_url)
        yield UnleashWorld(server, "plain")
        server.close()


class Driven:
    """One rollout of the world's flag on a clock of its own: minutes take no time."""

    def __init__(self, world, folder):
        path = folder / "verified.yaml"
        url = world.target.spec.url
        path.write_text(TEXT.format(url=url, place=ENVIRONMENT, flag=world.flag))
        known = InstalledCatalog()
        found = playbook_file.load(path, inputs={}, env={}, catalog=known)
        target = replace(world.target, shadow=None)
        self.playbook = replace(found, targets={"llm": target})
        self.adapters = Adapters(
            kinds=kinds(self.playbook, known),
            providers={"llm": world.provider},
            sources={source_of("llm"): ExposureSource(world.provider, target, not_beside)},
        )
        self.journal, self.clock = MemoryJournal(), FakeClock()
        starting.start(
            self.playbook,
            self.adapters,
            self.journal,
            clock=self.clock,
            rollout_id="r-1",
            actor=ACTOR,
        )

    def drive(self):
        rollout = Rollout.open(
            "r-1",
            playbook=self.playbook,
            adapters=self.adapters,
            journal=self.journal,
            clock=self.clock,
        )
        rollout.take_lease("driver", steal=True)
        end = drive(
            rollout,
            stop=lambda _decision: "paused" if rollout.state.phase is Phase.PAUSED else "",
            poll_s=5.0,
        )
        return end, rollout.state

    def resume(self):
        resumed = ev.Resumed(actor=ACTOR, reapply=False)
        requests.request(self.journal, self.clock, "r-1", lambda _state: resumed)

    def verified(self):
        """What was said whenever the SDK served what it should."""
        events = [one.event for one in self.journal.read("r-1")]
        judged = [one.record.verdict for one in events if isinstance(one, ev.GateJudged)]
        return [one.because for one in judged if one.outcome == "pass"]


def serves_canary(world):
    """The SDK gives somebody the canary."""
    return dict(world.provider.sample(world.target, 500, timeout_s=20).arms)["canary"] > 0


def test_a_rollout_goes_on_once_the_sdk_serves_each_step(world, tmp_path):
    """5 % and 100 %, seen by the real client."""
    driven = Driven(world, tmp_path)

    end, _ = driven.drive()

    assert end.exit_code is ExitCode.DONE, end.because
    five, all_of_them = dict.fromkeys(driven.verified())
    assert "(intended 5%), of 5,000 units" in five
    assert all_of_them == "the SDK serves canary 100% (intended 100%), of 5,000 units"


def test_a_parent_that_is_off_pauses_the_rollout_until_it_is_on(world, tmp_path):
    """The flag's weight is right, and nobody gets the canary: only the SDK knows."""
    parent = f"{world.flag}-parent"
    world.server.call("POST", FEATURES, {"name": parent, "type": "release"})
    world.server.call("POST", f"{FEATURES}/{world.flag}/dependencies", {"feature": parent})
    driven = Driven(world, tmp_path)

    end, state = driven.drive()
    weight = world.provider.observe(world.target).exposure
    world.server.become(parent, True, [strategy(100)])
    # The rollout's clock leaps over the time that the server takes to tell of it.
    until(lambda: serves_canary(world), "SDKs see the parent")
    driven.resume()
    mended, _ = driven.drive()

    assert end.stopped == "paused"
    assert "exposure failed: the SDK serves canary 0% (0% to 0.319%), intended 5%" in (
        state.paused_because
    )
    assert f"it depends on {parent}, which is off for 500" in state.paused_because
    assert weight.canary_bp == 500
    assert mended.exit_code is ExitCode.DONE


def test_a_strategy_beside_the_rollouts_own_is_refused_before_anything_is_written(world, tmp_path):
    """Both would turn the flag on: no share could be promised."""
    base = f"{FEATURES}/{world.flag}/environments/{ENVIRONMENT}"
    world.server.call("POST", f"{base}/strategies", strategy(100, constraints=[THEIRS]))
    before = world.server.environment(world.flag)

    end, state = Driven(world, tmp_path).drive()

    assert end.stopped == "paused"
    assert "several strategies turn it on" in state.paused_because
    assert world.server.environment(world.flag) == before


def test_a_segments_fields_are_named_among_those_that_units_lack(world):
    """Unleash writes a segment's constraints into what SDKs get; the Admin API shows an id."""
    region = {"contextName": "region", "operator": "IN", "values": ["eu"]}
    segment = {"name": f"eu-{random_suffix(8)}", "constraints": [region]}
    made = world.server.call("POST", "/api/admin/segments", segment)
    world.server.become(world.flag, True, [strategy(50, segments=[made["id"]])])

    counts = world.provider.sample(world.target, 100, timeout_s=20)

    assert counts.context == ("region", "userId")
    assert counts.missing == ("region",)
    assert dict(counts.arms) == {"control": 100, "canary": 0}
