"""The ready playbooks for LaunchDarkly, with an application on the real SDK behind them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from providers.launchdarkly_app import CONTEXTS, Application, Traffic
from providers.launchdarkly_worlds import ENVIRONMENT, SHADOW
from rolloutctl import playbook_file
from rolloutctl.clock import monotonic_s
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.events import Actor
from rolloutctl.core.exposure import split
from rolloutctl.core.ports import Kinds
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.providers.launchdarkly import LaunchDarkly, budget
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.kill import KillOrder, in_turn, kill_targets
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.testing import FakeClock, MemoryJournal
from servers.fake_launchdarkly import API_TOKEN, SDK_KEYS, FakeLaunchDarkly
from servers.launchdarkly_server import LaunchDarklyServer

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
CATALOG = InstalledCatalog()
ACTOR = Actor(name="somebody@somewhere")
#: playbook -> (flag, its values with their names, context kind, share of `include`)
READY = {
    "launchdarkly-model-canary.yaml": (
        "llm-model-selection",
        {"gpt-4": {"model": "gpt-4"}, "claude": {"model": "claude-3-5-sonnet"}},
        "user",
        0.0,
    ),
    "launchdarkly-prompt-by-org.yaml": (
        "support-prompt",
        {"v3": {"prompt": "v3"}, "v4": {"prompt": "v4"}},
        "organization",
        0.05,
    ),
}

every_playbook = pytest.mark.parametrize("name", list(READY))


class Live:
    """One playbook, its flags on a stand-in, and an application that asks for them."""

    def __init__(self, server, name, *, failing):
        flag, values, kind, self.included = READY[name]
        self.fake, self.flag, self.clock = server.fake, flag, FakeClock()
        made = self.fake.add_flag(flag, list(values.values()))
        for variation, own in zip(made["variations"], values, strict=True):
            variation["name"] = own
        off = {"fallthrough": {"variation": 1}, "offVariation": 1}
        self.fake.add_flag(SHADOW, [True, False], **off)
        inputs = {"launchdarkly": server.url}
        whole = playbook_file.load(PLAYBOOKS / name, inputs=inputs, env={}, catalog=CATALOG)
        self.playbook = _unhurried(whole)
        (self.target,) = self.playbook.targets.values()
        self.before = self.served_by_rest()
        arms = dict(zip(map(_Value, values.values()), ("control", "canary"), strict=True))
        self.application = Application(
            server, SDK_KEYS[ENVIRONMENT], flag, kind=kind, arms=_Arms(arms), shadow=SHADOW
        )
        labels = {"canary": next(iter(self.target.canary.labels.values()))}
        self.traffic = Traffic(self.application, self.clock, labels, failing=failing)
        self.journal = MemoryJournal()

    def served_by_rest(self):
        """The flag's environment, version aside."""
        own = dict(self.fake.flags[self.flag]["environments"][ENVIRONMENT])
        del own["version"]
        return own

    def run(self):
        """Drives it to its end; a person approves whenever one is asked."""
        playbook = self.playbook
        adapters = Adapters(
            kinds=Kinds(
                gates={g.kind: CATALOG.load("gates", g.kind)() for g in playbook.gates.values()},
                steps={s.kind: CATALOG.load("steps", s.kind)() for s in playbook.steps},
            ),
            providers=dict.fromkeys(playbook.targets, LaunchDarkly()),
            sources=dict.fromkeys(playbook.sources, self.traffic),
        )
        start(playbook, adapters, self.journal, clock=self.clock, rollout_id="r-1", actor=ACTOR)
        rollout = Rollout.open(
            "r-1",
            playbook=playbook,
            adapters=adapters,
            journal=self.journal,
            clock=self.clock,
        )
        rollout.take_lease("test")

        def approve(decision):
            if isinstance(decision, WaitUntil) and decision.needs_human:
                requests.request(
                    self.journal, self.clock, "r-1", lambda state: requests.approve(state, ACTOR)
                )

        return drive(rollout, watch=approve, poll_s=math.inf)


def _unhurried(playbook):
    """Asked and looked at every ten minutes: days are driven here, in seconds."""
    gates = {
        name: replace(gate, limits=replace(gate.limits, interval_s=600.0))
        for name, gate in playbook.gates.items()
    }
    return replace(playbook, gates=gates, limits=replace(playbook.limits, observe_s=600.0))


class _Value(str):
    """A variation's value as text, so that JSON can be looked up."""

    __slots__ = ()

    def __new__(cls, value):
        return super().__new__(cls, str(value))


class _Arms:
    """From a value to its arm."""

    def __init__(self, arms):
        self._arms = arms

    def get(self, value, default):
        return self._arms.get(str(value), default)


@pytest.fixture
def live(monkeypatch):
    """Makes a rollout of the playbook with an application behind it."""
    monkeypatch.setenv("LAUNCHDARKLY_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("LAUNCHDARKLY_SDK_KEY", SDK_KEYS[ENVIRONMENT])
    made = []
    with LaunchDarklyServer(FakeLaunchDarkly()) as server:

        def make(name, failing=lambda _share: False):
            made.append(Live(server, name, failing=failing))
            return made[-1]

        yield make
        for each in made:
            each.application.close()
    budget._left.clear()


@pytest.mark.long
@every_playbook
def test_a_healthy_canary_is_served_to_everybody_in_the_end(live, name):
    """By the SDK's own evaluation."""
    found = live(name)

    end = found.run()

    assert end.exit_code is ExitCode.DONE, end.because
    assert found.application.served() == {"canary": CONTEXTS}


@pytest.mark.long
@every_playbook
def test_a_canary_that_fails_from_a_quarter_on_is_taken_back_from_every_context(live, name):
    """No larger share was ever served, and the flag is as it was."""
    found = live(name, failing=lambda share: share > 0.15)

    end = found.run()

    assert end.exit_code is ExitCode.JUDGED_BAD, end.because
    assert found.traffic.largest < 0.25 + found.included + 0.1
    assert found.application.served() == {"control": CONTEXTS}
    assert found.served_by_rest() == found.before


@every_playbook
def test_a_kill_reaches_the_application(live, name):
    """From the call to the last context on the real SDK."""
    found = live(name)
    step = next(each for each in found.playbook.steps if each.kind == "canary")

    wanted = split(5_000, include=step.spec.include)
    LaunchDarkly().apply(found.target, wanted, key="k", expect=None, timeout_s=5)
    assert 0.35 < found.application.served()["canary"] / CONTEXTS < 0.65
    began_s = monotonic_s()

    order = KillOrder(target=found.target, provider=LaunchDarkly())
    [report] = kill_targets([order], found.clock, fan_out=in_turn)

    assert found.application.served() == {"control": CONTEXTS}
    assert report.confirmed
    assert monotonic_s() - began_s < 2.0
