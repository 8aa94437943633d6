"""A small set of plug-ins for tests of the playbook language, and a playbook that is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rolloutctl.core.effects import Expose
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Capabilities
from rolloutctl.core.ports import GateContext
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import Name, WeightBp
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.errors import NotFound
from rolloutctl.gates.threshold import Threshold
from rolloutctl.steps.canary import Canary
from rolloutctl.steps.notify import Notify
from rolloutctl.steps.run import Run
from rolloutctl.steps.shadow import Shadow
from rolloutctl.steps.wait import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpec:
    """A flag of the toy provider."""

    flag: Name
    size: int = 0


class ToyProvider:
    """Can do everything."""

    name: ClassVar[str] = "toy"
    TargetSpec: ClassVar[type] = FlagSpec
    capabilities = Capabilities(shadow=True, audience=True, include=True)


class CoarseProvider(ToyProvider):
    """Can do nothing but whole percents."""

    name: ClassVar[str] = "coarse"
    capabilities = Capabilities(weight_step_bp=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSpec:
    """A source that is reached over a network."""

    url: str
    token: SecretRef | None = None
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)


class Metrics:
    """Answers expressions and counters."""

    name: ClassVar[str] = "metrics"
    Spec: ClassVar[type] = MetricsSpec
    kinds = frozenset({"expression", "counters"})


class Counters(Metrics):
    """Answers counters only."""

    name: ClassVar[str] = "counters"
    kinds = frozenset({"counters"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """Where to send."""

    url: str | SecretRef


class Hook:
    """Tells people."""

    name: ClassVar[str] = "hook"
    Spec: ClassVar[type] = HookSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SureSpec:
    """Nothing to say; `note` is no query."""

    note: str = ""
    ask: str = ""
    more: tuple[str, ...] = ()


class Sure:
    """A gate that asks nobody."""

    name: ClassVar[str] = "sure"
    Spec: ClassVar[type] = SureSpec

    def problems(self, _spec):
        return ()

    def queries(self, _spec, _context: GateContext):
        return ()

    def texts(self, spec):
        return {"ask": spec.ask}

    def query_kinds(self, _spec):
        return frozenset()

    def assess(self, _spec, _evidence, _readings, _context):
        return None, Verdict(outcome=Outcome.PASS, because="sure")


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpSpec:
    """A step kind from elsewhere."""

    jump: WeightBp


class Jump:
    """Exposes every target, and one that does not exist."""

    name: ClassVar[str] = "jump"
    Spec: ClassVar[type] = JumpSpec

    def problems(self, _spec, _step):
        return ()

    def plan(self, spec, context):
        names = (*context.step.targets, "nowhere")
        return [Expose(target=name, exposure=split(spec.jump)) for name in names]

    def advance(self, _spec, _progress, _now):
        raise AssertionError("never driven here")


class Gone:
    """Stands in the catalog, but cannot be loaded."""


class ToyCatalog:
    """The plug-ins above, and the real step kinds and threshold gate."""

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "providers": {"toy": ToyProvider, "coarse": CoarseProvider},
        "sources": {"metrics": Metrics, "counters": Counters},
        "notifiers": {"hook": Hook},
        "gates": {"threshold": Threshold, "sure": Sure, "gone": Gone},
        "steps": {
            "canary": Canary,
            "shadow": Shadow,
            "wait": Wait,
            "run": Run,
            "notify": Notify,
            "jump": Jump,
        },
    }

    def names(self, group):
        return sorted(self.classes[group])

    def load(self, group, name):
        found = self.classes[group][name]
        if found is Gone:
            raise NotFound(f"{name} is not installed", hint="install it")
        return found


class LoadableCatalog(ToyCatalog):
    """Only what can be loaded, as `rolloutctl schema` needs it."""

    def names(self, group):
        return [name for name in super().names(group) if name != "gone"]


GOOD = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: model-swap
description: Replace one model by another.
owner: team-agent
inputs:
  first: {default: 5%, choices: [5%, 10%], description: The first share.}
  host: {}
targets:
  llm:
    provider: toy
    flag: llm-model
    unit: user
    control: off
    canary: {is: 0.10, labels: {model: "0.10", zone: yes}}
    shadow: {flag: llm-shadow, labels: {mode: shadow}}
sources:
  metrics:
    url: "https://${inputs.host}/${env.PLACE}"
    token: ${env.TOKEN}
    headers: {X-Scope: "5", X-Key: {file: /run/key}}
defaults: {on_no_data: wait, on_error: pause, on_inconclusive: extend-once, interval: 10s}
gates:
  floor:
    kind: threshold
    source: metrics
    query: up{model="${canary.labels.model}",is="${control.is}"}
    fail: "< 0.95"
    for: 10m
    warm_up: 3m
    on_no_data: fail
  mirror:
    kind: threshold
    source: metrics
    query: up{mode="${canary.labels.mode}"}
    fail: "< 1"
  sure: {kind: sure, on_fail: pause, min_sample: 1.5, observe_only: true}
guardrails: [floor]
notifiers:
  hook: {url: "${env.HOOK}"}
  second: {kind: hook, url: "https://example.com/x"}
steps:
  - {shadow: 10%, hold: 1h, gates: [mirror]}
  - canary: ${inputs.first}
    name: first people
    include: {user.beta: true, tier: [gold, "5", 5, 0.5]}
    hold: 24h
    before: [sure]
    gates: [floor]
    confirm: true
  - {wait: 10m}
  - {run: {command: [echo, "done"], timeout: 10s}, target: llm}
  - {notify: "half way", targets: [llm]}
  - {canary: 100%, hold: 1h, gates: [floor]}
on_fail: pause
on_drift: abort
limits: {deadline: 3d, rollback: 5m, observe: 5s}
"""

INPUTS = {"host": "metrics.example"}
ENV = {"PLACE": "prometheus", "TOKEN": "planted-secret"}
