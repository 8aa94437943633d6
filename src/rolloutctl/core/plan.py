"""What a rollout would write, where and in which order, and what speaks against it.

Pure: the caller has observed the targets and probed the adapters already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import assert_never

from rolloutctl.core.effects import Effect, Expose, Invoke, Notify, Restore, cleanup_in
from rolloutctl.core.exposure import ZERO, Exposure, describe
from rolloutctl.core.foresee import foresee, promise
from rolloutctl.core.least_time import least_s
from rolloutctl.core.objections import objections
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import (
    Plan,
    PlannedGate,
    PlannedStep,
    PlannedTarget,
    PlannedWrite,
    TargetSeen,
)
from rolloutctl.core.playbook import Gate, Playbook, Step, Target
from rolloutctl.core.ports import Kinds, StepContext
from rolloutctl.core.units import format_duration

__all__ = ["Plan", "PlannedStep", "PlannedTarget", "PlannedWrite", "TargetSeen", "build"]


def build(
    playbook: Playbook,
    kinds: Kinds,
    *,
    seen: Mapping[str, TargetSeen],
    findings: Sequence[Finding] = (),
    rates: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> Plan:
    """Builds the plan: refusals first among its findings, then warnings, then the rest.

    Args:
        playbook: the whole playbook.
        kinds: at least the step kinds that it names.
        seen: one entry for each of its targets.
        findings: what probing sources and notifiers brought.
        rates: events per second at control by gate and key, as far as they were measured.
    """
    steps = _steps(playbook, kinds, seen)
    sights, blind = foresee(playbook, kinds.gates, steps, rates=rates)
    in_all_s = float(sum(step.least_s for step in steps))
    found = [
        *(f for name in playbook.targets for f in seen[name].findings),
        *findings,
        *objections(playbook, steps, seen=seen),
        *blind,
    ]
    order = (Severity.REFUSE, Severity.WARN, Severity.OK)
    return Plan(
        name=playbook.name,
        sha256=playbook.sha256,
        targets=tuple(_target(target, seen) for target in playbook.targets.values()),
        steps=steps,
        guardrails=tuple(_gate(playbook.gates[name]) for name in playbook.guardrails),
        findings=tuple(sorted(dict.fromkeys(found), key=lambda f: order.index(f.severity))),
        least_s=in_all_s,
        deadline_s=playbook.limits.deadline_s,
        sights=tuple(sights),
        promise=promise(playbook, kinds.gates),
    )


def _target(target: Target, seen: Mapping[str, TargetSeen]) -> PlannedTarget:
    return PlannedTarget(
        name=target.name,
        provider=target.provider,
        address=seen[target.name].address,
        control=target.control.value,
        canary=target.canary.value,
        observation=seen[target.name].observation,
    )


def _gate(gate: Gate) -> PlannedGate:
    return PlannedGate(
        name=gate.name,
        kind=gate.kind,
        source=gate.source,
        interval_s=gate.limits.interval_s,
        warm_up_s=gate.limits.warm_up_s,
        observe_only=gate.limits.observe_only,
    )


def _steps(
    playbook: Playbook, kinds: Kinds, seen: Mapping[str, TargetSeen]
) -> tuple[PlannedStep, ...]:
    """Plans step after step, each on what the one before leaves behind."""
    # What cannot be read is refused; for the rest of the plan it counts as nothing exposed, so
    # that one run shows everything that speaks against it.
    exposures = {name: _exposure(seen[name]) for name in playbook.targets}
    planned = []
    for step in playbook.steps:
        context = StepContext(playbook=playbook, step=step, exposures=dict(exposures))
        effects = kinds.steps[step.kind].plan(step.spec, context)
        writes, others = [], []
        for effect in effects:
            if isinstance(effect, Expose):
                before = exposures[effect.target]
                writes.append(
                    PlannedWrite(target=effect.target, before=before, after=effect.exposure)
                )
                exposures[effect.target] = effect.exposure
            else:
                others.append(_words(effect))
        others += getattr(kinds.steps[step.kind], "remarks", lambda _: ())(step.spec)
        planned.append(_step(playbook, step, writes, others=others))
    return tuple(planned)


def _exposure(seen: TargetSeen) -> Exposure:
    if seen.observation is None or seen.observation.exposure is None:
        return ZERO
    return seen.observation.exposure


def _step(
    playbook: Playbook, step: Step, writes: Sequence[PlannedWrite], *, others: Sequence[str]
) -> PlannedStep:
    before = [playbook.gates[name] for name in step.before]
    gates = [playbook.gates[name] for name in step.gates]
    return PlannedStep(
        index=step.index,
        name=step.name,
        kind=step.kind,
        writes=tuple(writes),
        others=tuple(others),
        before=tuple(map(_gate, before)),
        gates=tuple(map(_gate, gates)),
        hold_s=step.hold_s,
        least_s=least_s(playbook, step),
        confirm=step.confirm,
    )


def _words(effect: Effect) -> str:
    match effect:
        case Expose(target=target, exposure=exposure):
            return f"{target}: {describe(exposure)}"
        case Restore(target=target):
            return f"{target}: restore point"
        case Invoke() if cleanup := cleanup_in(effect):
            return f"{cleanup['target']}: {cleanup['action']} of its {cleanup['arm']}"
        case Invoke(timeout_s=timeout_s):
            return f"runs a command or call (at most {format_duration(timeout_s)})"
        case Notify(notifiers=names):
            return f"tells {', '.join(names)}"
        case _:
            assert_never(effect)
