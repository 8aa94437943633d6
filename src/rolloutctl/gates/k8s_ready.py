"""Gate kind `k8s-ready`: the pods of a Deployment are up, and stay up.

Passes while the Deployment's controller has seen its newest change, enough of its pods are
ready, and none of them has restarted since the gate first looked in this step. It fails when
a pod cannot run (crash loop, image that cannot be pulled, a configuration that is missing),
when a pod restarted more often than `restarts` allows, when Kubernetes itself gave the
Deployment up (its progress deadline), and when pods were not ready for longer than
`patience`: before that, pods that start are a matter of time.

What it cannot do: see whether the pods answer well. That is what every other gate is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import references
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.units import DurationS, doc, format_duration, key
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.readings import error, unusable

#: How the source labels what it counts.
COUNT, RESTARTS, BROKEN = "count", "restarts", "broken"
#: Pods whose restarts are remembered.
PODS_MAX = 2_000
PATIENCE_S = 600.0
_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class K8sReadySpec:
    """Which Deployment, and what it may do."""

    deployment: str = doc("name of the Deployment: chat-green, or chat-${canary.is}")
    ready: int = doc("how many pods must be ready (all that the Deployment wants)", default=0)
    restarts: int = doc("restarts that are allowed within a step (0)", default=0)
    patience_s: DurationS = key(
        "patience", doc="how long pods may be not ready (10m)", default=PATIENCE_S
    )


class K8sReady:
    """A Deployment's pods must be up; see the module's docstring."""

    name: ClassVar[str] = "k8s-ready"
    Spec: ClassVar[type] = K8sReadySpec

    def problems(self, spec: K8sReadySpec) -> Sequence[tuple[str, str, str]]:
        """Numbers and references."""
        return tuple(_problems(spec))

    def texts(self, spec: K8sReadySpec) -> Mapping[str, str]:
        """The Deployment's name."""
        return {"deployment": spec.deployment}

    def query_kinds(self, spec: K8sReadySpec) -> frozenset[str]:
        """Pods of a Deployment."""
        del spec
        return frozenset({QueryKind.WORKLOAD})

    def counts_events(self, spec: K8sReadySpec) -> bool:
        """No: pods are not events."""
        del spec
        return False

    def queries(self, spec: K8sReadySpec, context: GateContext) -> Sequence[Query]:
        """The one Deployment."""
        text = replace_references(spec.deployment, context.arms.get)
        return (Query(kind=QueryKind.WORKLOAD, text=text),)

    def assess(
        self,
        spec: K8sReadySpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Judges what is now; remembers restarts at first sight, and since when it waits."""
        if unknown := sorted(references(spec.deployment) - context.arms.keys()):
            return evidence, error(f"unknown reference ${{{unknown[0]}}}")
        if len(readings) != 1:
            return evidence, error(f"{len(readings)} answers to one question")
        stand_in = unusable(readings)
        measurement = readings[0].measurement
        if stand_in is not None or measurement is None:
            return evidence, stand_in or error("the cluster was not asked")
        pods = _Pods(measurement.samples)
        if "wanted" not in pods.counts:
            return evidence, error("the source does not say how many pods are wanted")
        memory = _Memory(evidence, pods, context.now)
        verdict = _judged(spec, pods, memory, context, readings[0].query.text)
        return memory.kept(verdict, context.now), verdict

    def foresee(
        self, spec: K8sReadySpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`: pods are not simulated."""
        del spec, evidence, ahead, context
        return None


def _problems(spec: K8sReadySpec) -> Iterator[tuple[str, str, str]]:
    if not spec.deployment.strip():
        yield "deployment", "no Deployment is named", "write deployment: chat-green"
    if any(one.startswith("arm.") for one in references(spec.deployment)):
        fix = "write ${canary.…} or ${control.…}"
        yield "deployment", "${arm.…} asks once per arm; a Deployment is one", fix
    if spec.ready < 0:
        yield "ready", f"{spec.ready} pods cannot be ready", "write ready: 3, or leave it out"
    if spec.restarts < 0:
        yield "restarts", "restarts cannot be below 0", "write restarts: 0"
    if spec.patience_s <= 0:
        yield "patience", "no patience fails every pod that starts", "write patience: 10m"


class _Pods:
    """What the source told, by what it is."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.counts: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.broken: list[str] = []
        for sample in samples:
            labels = dict(sample.labels)
            if COUNT in labels:
                self.counts[labels[COUNT]] = int(sample.value)
            if RESTARTS in labels and len(self.restarts) < PODS_MAX:
                self.restarts[labels[RESTARTS]] = int(sample.value)
            if BROKEN in labels:
                self.broken.append(labels[BROKEN])

    def count(self, name: str) -> int:
        return self.counts.get(name, 0)


class _Memory:
    """Restarts at first sight, by pod, and since when pods are awaited."""

    def __init__(self, evidence: Json, pods: _Pods, now: datetime) -> None:
        held = evidence if isinstance(evidence, Mapping) else {}
        first, since = held.get("restarts"), held.get("since")
        self.is_first_look = not isinstance(first, Mapping)
        self._first = {
            name: int(number) if isinstance(number, int | float) else 0
            for name, number in (first.items() if isinstance(first, Mapping) else ())
        }
        if self.is_first_look:
            self._first = dict(pods.restarts)
        self._pods = pods
        self.since = datetime.fromisoformat(since) if isinstance(since, str) else now

    def restarted(self) -> dict[str, int]:
        """New restarts by pod. A pod that came later began with none."""
        found = {
            name: number - self._first.get(name, 0) for name, number in self._pods.restarts.items()
        }
        return {name: number for name, number in found.items() if number > 0}

    def kept(self, verdict: Verdict, now: datetime) -> Json:
        """What the next look needs; the clock of patience starts anew with every pass."""
        first = {name: self._first.get(name, 0) for name in self._pods.restarts}
        since = now if verdict.outcome is Outcome.PASS else self.since
        return {"restarts": first, "since": since.isoformat()}


def _judged(
    spec: K8sReadySpec, pods: _Pods, memory: _Memory, context: GateContext, name: str
) -> Verdict:
    wanted = pods.count("wanted")
    needed, ready = spec.ready or wanted, pods.count("ready")
    restarted = memory.restarted()
    numbers = (
        ("ready", float(ready)),
        ("needed", float(needed)),
        ("restarts", float(sum(restarted.values()))),
    )
    seen = f"{name}: {ready} of {needed} pods ready"

    def verdict(outcome: Outcome, because: str, until: datetime | None = None) -> Verdict:
        return Verdict(outcome=outcome, because=because, numbers=numbers, settles_at=until)

    if pods.broken:
        return verdict(Outcome.FAIL, f"{seen}; {_shown(pods.broken)}")
    if sum(restarted.values()) > spec.restarts:
        which = [f"{pod} restarted {count}x" for pod, count in restarted.items()]
        return verdict(Outcome.FAIL, f"{seen}; {_shown(which)} since the step began to look")
    if pods.count("gave-up"):
        return verdict(Outcome.FAIL, f"{seen}; Kubernetes gave up: its progress deadline passed")
    is_seen = pods.count("observed") > 0
    if is_seen and needed and ready >= needed:
        more = f", {sum(restarted.values())} restarts allowed" if restarted else ", no restart"
        return verdict(Outcome.PASS, f"{seen}{more}")
    why = seen if is_seen else f"{seen}; its controller has not seen the newest change"
    why = why if needed else f"{name} wants no pods at all"
    over_at = memory.since + timedelta(seconds=spec.patience_s)
    if context.now >= over_at:
        return verdict(Outcome.FAIL, f"{why}, for {format_duration(spec.patience_s)}")
    return verdict(Outcome.INCONCLUSIVE, f"{why}; waiting until {over_at:%H:%M:%S} UTC", over_at)


def _shown(words: Sequence[str]) -> str:
    more = len(words) - _SHOWN_MAX
    return ", ".join(words[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
