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
from rolloutctl.core.exposure_gates import without_exposure_gates
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
#: Those for a cluster run on one: tests/providers/test_kubernetes_playbooks.py.
READY = [*sorted((ROOT / "playbooks").glob("[!k]*.yaml")), DEMO]
CATALOG = InstalledCatalog()
ACTOR = Actor(name="somebody@somewhere")
#: A quiet application: what budgets in the playbooks allow is meant for one like it.
REQUESTS_PER_S = 10.0
#: As the demo's own traffic: it has seconds to see enough.
DEMO_REQUESTS_PER_S = 120.0
#: Selectors of bad events, and of what is added up: money and tokens.
BAD = re.compile(r'status(_code)?!="200"|status=~?"5|finished_reason|error_type')
SUMMED = re.compile(r"_sum\{|cost|spend|tokens\w*_total\{")

every_playbook = pytest.mark.parametrize("path", READY, ids=lambda path: path.name)


def _inputs_of(path):
    """What has no default: ids that nobody else's account has."""
    ids = {"application": "abc1234", "environment": "def5678", "profile": "ghi9012"}
    versions = {"deployed": "12", "new": "13"} if "prompt" in path.name else {}
    return ids | versions if path.name.startswith("appconfig") else {}


def _load(path):
    """The playbook, its targets moved to the fake flag service, where nobody else edits.

    That service is looked at every five minutes, and what is asked every minute is asked
    every two: days are driven here, in seconds.
    """
    whole = playbook_file.load(path, inputs=_inputs_of(path), env={}, catalog=CATALOG)
    playbook = without_exposure_gates(whole)  # the fake flag service has no SDK
    targets = {
        name: replace(target, provider="fake", spec=FlagSpec(flag=target.spec.flag))
        for name, target in playbook.targets.items()
    }
    gates = {
        name: replace(gate, limits=replace(gate.limits, interval_s=120.0))
        if gate.limits.interval_s >= 60
        else gate
        for name, gate in playbook.gates.items()
    }
    limits = replace(playbook.limits, observe_s=300.0)
    return replace(playbook, targets=targets, gates=gates, limits=limits)


class Service(FakeSource):
    """An application whose counters grow as the flags say; half of the canary's may fail."""

    def __init__(self, clock, playbook, *, per_s, serving, failing):
        super().__init__()
        self._per_s = per_s
        self._clock, self._last = clock, clock.now()
        self._serving, self._failing = serving, failing
        (target,) = playbook.targets.values()
        own = set(target.canary.labels.values()) - set(target.control.labels.values())
        self._canary = {f'"{one}"' for one in own}
        shadow = target.shadow.labels.values() if target.shadow else ()
        self._shadow = {f'"{one}"' for one in shadow}
        bounds = {
            bound
            for gate in playbook.gates.values()
            if hasattr(gate.spec, "bounds")
            for bound in gate.spec.bounds()
        }
        self._buckets = sorted({0.05, *bounds})
        self._served = dict.fromkeys(("control", "canary", "shadow"), 0.0)
        self._bad = dict(self._served)

    def query(self, query, at):
        self._go_on()
        self.answers[query.text] = lambda _at: self._answer(query.text)
        return super().query(query, at)

    def _go_on(self):
        """Counts what was served since the last question, as the exposure is now."""
        now, exposure = self._clock.now(), self._serving()
        events = self._per_s * (now - self._last).total_seconds()
        share, mirrored = exposure.canary_bp / 10_000, exposure.shadow_bp / 10_000
        self._last = now
        for arm, part in (("control", 1 - share), ("canary", share), ("shadow", mirrored)):
            self._served[arm] += events * part
            if arm != "control" and self._failing():
                self._bad[arm] += events * part / 2

    def _arms(self, text):
        """Whose counters the text selects; what names no shadow counts mirrored ones too."""
        if any(one in text for one in self._shadow):
            return ("shadow",)
        return ("canary", "shadow") if any(one in text for one in self._canary) else ("control",)

    def _answer(self, text):
        arms = self._arms(text)
        total = sum(self._served[arm] for arm in arms)
        bad = sum(self._bad[arm] for arm in arms)
        if "_bucket" in text:
            good = {(("le", str(bound)),): total - bad for bound in self._buckets}
            return {**good, (("le", "+Inf"),): total}
        if BAD.search(text):
            return {(("status", "502"),): bad}
        if "solved" in text:  # conversations that an A/B experiment counts
            return {(): total * (0.4 if arms == ("control",) else 0.5)}
        if SUMMED.search(text):
            return {(): total * 0.005}
        return {(): total} if "{" in text and not text.startswith("sum(") else 1.0


def _run(path, *, failing_from_bp=None):
    """Drives the playbook; its exit code, the shares served in order, and the last state."""
    playbook, clock = _load(path), FakeClock()
    world = FakeWorld(clock=clock)
    world.flags = {target.spec.flag: FakeFlag() for target in playbook.targets.values()}
    limit_bp = math.inf if failing_from_bp is None else failing_from_bp

    def serving():
        (flag,) = world.flags.values()
        return flag.exposure

    def is_failing():
        return serving().canary_bp >= limit_bp

    per_s = DEMO_REQUESTS_PER_S if path == DEMO else REQUESTS_PER_S
    service = Service(clock, playbook, per_s=per_s, serving=serving, failing=is_failing)
    provider, journal = FakeProvider(world), MemoryJournal()
    adapters = Adapters(
        kinds=Kinds(
            gates={
                gate.kind: CATALOG.load("gates", gate.kind)() for gate in playbook.gates.values()
            },
            steps={step.kind: CATALOG.load("steps", step.kind)() for step in playbook.steps},
        ),
        providers=dict.fromkeys(playbook.targets, provider),
        sources=dict.fromkeys(playbook.sources, service),
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
        "deploy": lambda _spec: 10_000,
        "experiment": lambda spec: spec.experiment.canary_bp,
    }
    return [own[step.kind](step.spec) for step in playbook.steps if step.kind in own]


def _texts(playbook):
    """What each gate asks, by gate."""
    return {
        name: (gate.kind, CATALOG.load("gates", gate.kind)().texts(gate.spec))
        for name, gate in playbook.gates.items()
    }


@every_playbook
def test_a_ready_playbook_has_nothing_to_complain_of(path):
    """No error, and no warning either: it is there to be copied."""
    assert playbook_file.lint(path, inputs=_inputs_of(path), env={}, catalog=CATALOG) == ()


@pytest.mark.long
@every_playbook
def test_a_healthy_run_ends_at_full_weight_through_every_step(path):
    """Each step's share is served once, in order, and the last is 100 %."""
    playbook = _load(path)

    end, served, world = _run(path)

    assert end.exit_code == ExitCode.DONE, end.because
    assert [exposure.canary_bp for exposure in served] == _shares(playbook)
    assert all(flag.exposure.canary_bp == 10_000 for flag in world.flags.values())


@pytest.mark.long
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
    assert _texts(fast) == _texts(real)
    assert [(s.kind, s.spec, s.gates) for s in fast.steps] == [
        (s.kind, s.spec, s.gates) for s in real.steps
    ]
