"""Whole rollouts of a LaunchDarkly flag on a clock of their own, through lost answers."""

from __future__ import annotations

import math
import random

from providers.launchdarkly_worlds import FLAG, SDK_KEY, SECRETS, SHADOW, TOKEN
from rolloutctl import playbook_file
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.events import Actor
from rolloutctl.core.ports import Kinds
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.providers.launchdarkly import LaunchDarkly
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.testing import FakeClock, FakeSource, MemoryJournal
from servers.launchdarkly_server import LaunchDarklyServer
from servers.scripted import Answer, Fault

CATALOG = InstalledCatalog()
ACTOR = Actor(name="somebody@somewhere")
FAILING_FROM_BP = 2_500
PLAYBOOK = """
apiVersion: rolloutctl/v1
kind: Playbook
name: trial
targets:
  llm:
    provider: launchdarkly
    url: {url}
    environment: production
    flag: {flag}
    token: ${{env.{token}}}
    sdk_key: ${{env.{sdk_key}}}
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


class UnreliableServer(LaunchDarklyServer):
    """Every third answer or so goes wrong, the same ones for the same seed."""

    def __init__(self, fake, seed):
        super().__init__(fake)
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.faults = 0
        self.is_unreliable = False

    def _answer_one(self, seen):
        if not self.is_unreliable or self._random.random() > 0.3:
            return super()._answer_one(seen)
        self.faults += 1
        match self._random.choice(
            ["lost request", "lost answer", "cut", "twice", "busy", "broken"]
        ):
            case "lost request":
                return Answer(fault=Fault.DROP)
            case "lost answer":
                self.fake(seen)
                return Answer(fault=Fault.DROP)
            case "cut":
                found = self.fake(seen)
                return Answer(status=found.status, body=found.body, fault=Fault.CUT)
            case "twice":
                self.fake(seen)
                return self.fake(seen)
            case "busy":
                # A reset in the past has been seen.
                return Answer(status=429, headers={"X-Ratelimit-Reset": "1"}, body="slow down")
            case _:
                return Answer(status=503, body="<html>no backend</html>", content_type="text/html")


class Trial:
    """One rollout of a world's flags."""

    def __init__(self, world, tmp_path, *, failing=False, during=None):
        self.world, self.clock, self.failing = world, FakeClock(), failing
        self._during = during
        text = PLAYBOOK.format(
            url=world.server.url,
            flag=FLAG,
            shadow=SHADOW,
            token=TOKEN.env,
            sdk_key=SDK_KEY.env,
            control=world.target.control.value,
            canary=world.target.canary.value,
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
            providers={"llm": LaunchDarkly()},
            sources={"prometheus": source},
        )
        self.journal = MemoryJournal()

    def _errors(self):
        """What the canary does once a quarter of all units has it."""
        exposure = self.rollout.state.targets["llm"].exposure
        is_far = bool(exposure) and exposure.canary_bp >= FAILING_FROM_BP
        if is_far and self._during:
            during, self._during = self._during, None
            during(self)
        return 1.0 if is_far and self.failing else 0.0

    def begin(self):
        """Starts it and takes its lease."""
        start(
            self.playbook,
            self.adapters,
            self.journal,
            clock=self.clock,
            rollout_id="r-1",
            actor=ACTOR,
        )
        self.rollout = Rollout.open(
            "r-1",
            playbook=self.playbook,
            adapters=self.adapters,
            journal=self.journal,
            clock=self.clock,
        )
        self.rollout.take_lease("test")

    def run(self, *, is_watched=True):
        """Drives it to its end; a person resumes it whenever it asks for one."""
        self.begin()
        self.world.server.is_unreliable = True
        end = drive(
            self.rollout, watch=self._resume if is_watched else lambda _: None, poll_s=math.inf
        )
        self.world.server.is_unreliable = False
        return end

    def _resume(self, decision):
        if isinstance(decision, WaitUntil) and decision.needs_human:
            requests.request(
                self.journal, self.clock, "r-1", lambda state: requests.resume(state, ACTOR)
            )

    def served(self):
        """What is in force now."""
        return LaunchDarkly().observe(self.target).exposure
