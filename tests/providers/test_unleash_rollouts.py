"""Whole rollouts over an Unleash whose answers are lost, cut, late, doubled and refused."""

from __future__ import annotations

import math

import pytest

from providers.unleash_worlds import CLIENT_TOKEN, SECRETS, TOKEN, Server, UnleashWorld
from rolloutctl import playbook_file
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.events import Actor
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.ports import Kinds
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.providers.unleash import Unleash
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.kill import KillOrder, in_turn, kill_targets
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.testing import FakeClock, FakeSource, MemoryJournal
from servers.fake_unleash import FakeUnleash
from servers.unleash_proxy import UnreliableProxy

CATALOG = InstalledCatalog()
ACTOR = Actor(name="somebody@somewhere")
ARMS = {"plain": ("off", "on"), "variants": ("gpt-4", "claude")}
ARMS.update({"fresh": ARMS["plain"], "old variants": ARMS["variants"]})
FAILING_FROM_BP = 2_500
PLAYBOOK = """
apiVersion: rolloutctl/v1
kind: Playbook
name: trial
targets:
  llm:
    provider: unleash
    url: {url}
    environment: development
    flag: {flag}
    token: ${{env.{token}}}
    client_token: ${{env.{client_token}}}
    unit: user
    control: {control}
    canary: {canary}
    shadow: {{flag: {shadow}}}
sources:
  prometheus: {{url: "http://127.0.0.1:9"}}
defaults: {{on_no_data: wait, on_error: wait, on_inconclusive: wait, warm_up: 0s, interval: 10s}}
gates:
  errors: {{kind: threshold, source: prometheus, query: errors, fail: "> 0.5"}}
guardrails: [errors]
steps:
  - {{shadow: 10%, hold: 1m}}
  - {{canary: 5%, hold: 1m}}
  - {{canary: 25%, hold: 1m}}
  - {{canary: 50%, hold: 1m}}
  - {{canary: 100%, hold: 1m}}
limits: {{deadline: 2d}}
"""


class Trial:
    """One rollout of a world's flags on a clock of its own."""

    def __init__(self, world, tmp_path, *, failing=False):
        self.world, self.clock, self.failing = world, FakeClock(), failing
        control, canary = ARMS[world.kind]
        text = PLAYBOOK.format(
            url=world.proxy.url,
            flag=world.flag,
            shadow=world.shadow,
            token=TOKEN.env,
            client_token=CLIENT_TOKEN.env,
            control=control,
            canary=canary,
        )
        path = tmp_path / "playbook.yaml"
        path.write_text(text, "utf-8")
        self.playbook = playbook_file.load(path, inputs={}, env=SECRETS, catalog=CATALOG)
        self.target = self.playbook.targets["llm"]
        source = FakeSource(answers={"errors": lambda _: self._errors()})
        self.adapters = Adapters(
            kinds=Kinds(
                gates={"threshold": CATALOG.load("gates", "threshold")()},
                steps={kind: CATALOG.load("steps", kind)() for kind in ("shadow", "canary")},
            ),
            providers={"llm": Unleash()},
            sources={"prometheus": source},
        )
        self.journal = MemoryJournal()

    def _errors(self):
        """What the canary does once a quarter of all units has it."""
        is_bad = self.failing and self.rollout.state.targets["llm"].exposure
        return 1.0 if is_bad and is_bad.canary_bp >= FAILING_FROM_BP else 0.0

    def run(self):
        """Drives it to its end; a person resumes it whenever it asks for one."""
        start(
            self.playbook,
            self.adapters,
            self.journal,
            clock=self.clock,
            rollout_id="r-1",
            actor=ACTOR,
        )
        self.world.proxy.is_unreliable = True
        self.rollout = Rollout.open(
            "r-1",
            playbook=self.playbook,
            adapters=self.adapters,
            journal=self.journal,
            clock=self.clock,
        )
        self.rollout.take_lease("test")
        end = drive(self.rollout, watch=self._resume, poll_s=math.inf)
        self.world.proxy.is_unreliable = False
        return end

    def _resume(self, decision):
        if isinstance(decision, WaitUntil) and decision.needs_human:
            requests.request(
                self.journal, self.clock, "r-1", lambda state: requests.resume(state, ACTOR)
            )

    def served(self):
        """What is in force now."""
        return Unleash().observe(self.target).exposure


@pytest.fixture
def trial(monkeypatch, tmp_path):
    """Makes a trial on a fake (no address) or on a running Unleash."""
    proxies = []
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)

    def make(kind, seed, *, failing=False, url=None):
        proxy = UnreliableProxy(url or FakeUnleash(), seed)
        proxy.__enter__()
        server = Server(proxy, url)
        proxies.append((proxy, server))
        return Trial(UnleashWorld(server, kind), tmp_path, failing=failing)

    yield make
    for proxy, server in proxies:
        server.close()
        proxy.__exit__(None, None, None)


def _demand_full(trial):
    end = trial.run()
    assert end.exit_code is ExitCode.DONE, end.because
    assert trial.served() == split(10_000)


def _demand_restored(trial):
    content = trial.world.content()
    end = trial.run()
    assert end.exit_code is ExitCode.JUDGED_BAD, end.because
    assert trial.world.content() == content
    assert trial.served() == ZERO


@pytest.mark.parametrize("kind", list(ARMS))
@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_rollout_ends_at_full_weight_whatever_is_lost_on_the_way(trial, kind, seed):
    """The end is both intended and observed."""
    found = trial(kind, seed)

    _demand_full(found)

    assert found.world.proxy.faults > 3


@pytest.mark.parametrize("kind", list(ARMS))
@pytest.mark.parametrize("seed", range(4))
def test_a_bad_canary_is_taken_back_field_for_field(trial, kind, seed):
    """Ids, order, titles, payloads: the environment is as it was."""
    _demand_restored(trial(kind, seed, failing=True))


@pytest.mark.parametrize("kind", list(ARMS))
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_is_confirmed_through_the_same_faults(trial, kind, seed):
    """Read back twice at zero, by an adapter that has seen nothing before."""
    found = trial(kind, seed)
    Unleash().apply(found.target, split(5_000, shadow_bp=1_000), key="k", expect=None, timeout_s=5)
    found.world.proxy.is_unreliable = True

    order = KillOrder(target=found.target, provider=Unleash())
    [report] = kill_targets([order], found.clock, fan_out=in_turn)

    found.world.proxy.is_unreliable = False
    assert found.served().is_zero
    assert report.confirmed, report.message


@pytest.mark.real
@pytest.mark.parametrize("kind", ["plain", "variants"])
def test_on_a_running_unleash_both_ends_are_reached_too(trial, kind, unleash_url):
    """One healthy and one bad canary, through faults."""
    _demand_full(trial(kind, 1, url=unleash_url))
    _demand_restored(trial(kind, 2, failing=True, url=unleash_url))
