"""Every playbook that is there to copy: linted, and run to both ends on the fake clock."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rolloutctl import playbook_file
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.events import Actor
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.ports import Kinds
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.start import start
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    FlagSpec,
    MemoryJournal,
)

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "src/rolloutctl/demo/playbook.yaml"
READY = [*sorted((ROOT / "playbooks").glob("*.yaml")), DEMO]
CATALOG = InstalledCatalog()
ACTOR = Actor(name="somebody@somewhere")
REQUESTS_PER_S = 50.0

every_playbook = pytest.mark.parametrize("path", READY, ids=lambda path: path.name)


def _load(path):
    """The playbook, its targets moved to the fake flag service, where nobody else edits.

    That service is looked at every five minutes: days are driven here, in seconds.
    """
    playbook = playbook_file.load(path, inputs={}, env={}, catalog=CATALOG)
    targets = {
        name: replace(target, provider="fake", spec=FlagSpec(flag=target.spec.flag))
        for name, target in playbook.targets.items()
    }
    limits = replace(playbook.limits, observe_s=300.0)
    return replace(playbook, targets=targets, limits=limits)


class Service(FakeSource):
    """An application whose counters grow steadily; `failing` says from when half fail."""

    def __init__(self, clock, failing=lambda: False):
        super().__init__()
        self._clock = clock
        self._start = clock.now()
        self._failing = failing
        self._failed_at = None

    def query(self, query, at):
        if self._failing() and self._failed_at is None:
            self._failed_at = self._clock.now()
        self.answers[query.text] = lambda _at: self._answer(query.text)
        return super().query(query, at)

    def _answer(self, text):
        total = REQUESTS_PER_S * (self._clock.now() - self._start).total_seconds()
        bad = 0.0
        if self._failed_at is not None:
            bad = REQUESTS_PER_S / 2 * (self._clock.now() - self._failed_at).total_seconds()
        if "_bucket" in text:
            return {(("le", "0.05"),): total - bad, (("le", "+Inf"),): total}
        if re.search(r'status(!="200"|=~"5)', text):
            return {(("status", "502"),): bad}
        if "solved" in text:  # conversations that an A/B experiment counts
            return {(): total * (0.5 if "claude" in text else 0.4)}
        if "cost" in text:
            return {(): total * 0.005}
        return {(): total} if "{" in text and not text.startswith("sum(") else 1.0


def _run(path, *, failing_from_bp=None):
    """Drives the playbook; its exit code, the shares served in order, and the last state."""
    playbook, clock = _load(path), FakeClock()
    world = FakeWorld(clock=clock)
    world.flags = {target.spec.flag: FakeFlag() for target in playbook.targets.values()}
    limit_bp = math.inf if failing_from_bp is None else failing_from_bp

    def is_failing():
        return any(flag.exposure.canary_bp >= limit_bp for flag in world.flags.values())

    provider, journal = FakeProvider(world), MemoryJournal()
    adapters = Adapters(
        kinds=Kinds(
            gates={
                gate.kind: CATALOG.load("gates", gate.kind)() for gate in playbook.gates.values()
            },
            steps={step.kind: CATALOG.load("steps", step.kind)() for step in playbook.steps},
        ),
        providers=dict.fromkeys(playbook.targets, provider),
        sources={name: Service(clock, is_failing) for name in playbook.sources},
    )
    start(playbook, adapters, journal, clock=clock, rollout_id="r-1", actor=ACTOR)
    rollout = Rollout.open(
        "r-1", playbook=playbook, adapters=adapters, journal=journal, clock=clock
    )
    rollout.take_lease("test")

    def approve_when_asked(decision):
        if isinstance(decision, WaitUntil) and decision.needs_human:
            requests.request(journal, clock, "r-1", lambda state: requests.approve(state, ACTOR))

    end = drive(rollout, watch=approve_when_asked, poll_s=math.inf)
    served = [exposure for _, _, exposure, _ in world.served]
    return end, served, world


def _shares(playbook):
    """The canary's share of every step that writes one, in order."""
    own = {
        "shadow": lambda _spec: 0,
        "canary": lambda spec: spec.canary,
        "experiment": lambda spec: spec.experiment.canary_bp,
    }
    return [own[step.kind](step.spec) for step in playbook.steps if step.kind in own]


@every_playbook
def test_a_ready_playbook_has_nothing_to_complain_of(path):
    """No error, and no warning either: it is there to be copied."""
    assert playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG) == ()


@every_playbook
def test_a_healthy_run_ends_at_full_weight_through_every_step(path):
    """Each step's share is served once, in order, and the last is 100 %."""
    playbook = _load(path)

    end, served, world = _run(path)

    assert end.exit_code == ExitCode.DONE, end.because
    assert [exposure.canary_bp for exposure in served] == _shares(playbook)
    assert all(flag.exposure.canary_bp == 10_000 for flag in world.flags.values())


@every_playbook
def test_a_canary_that_goes_bad_at_a_quarter_is_taken_back(path):
    """Half of its answers fail from 25 % on: rolled back, no larger share was ever served."""
    first = min(share for share in _shares(_load(path)) if share >= 2_500)

    end, served, world = _run(path, failing_from_bp=2_500)

    assert end.exit_code == ExitCode.JUDGED_BAD, end.because
    assert max(exposure.canary_bp for exposure in served) == first
    assert all(flag.exposure == ZERO for flag in world.flags.values())


def test_the_demo_in_seconds_and_in_real_time_are_the_same_playbook():
    """Same targets, gates, guardrails and steps; only times and limits differ."""
    fast, real = _load(DEMO), _load(ROOT / "playbooks/demo.yaml")

    assert fast.targets == real.targets
    assert fast.guardrails == real.guardrails
    assert {name: gate.spec.texts() for name, gate in fast.gates.items()} == {
        name: gate.spec.texts() for name, gate in real.gates.items()
    }
    assert [(s.kind, s.spec, s.gates) for s in fast.steps] == [
        (s.kind, s.spec, s.gates) for s in real.steps
    ]
