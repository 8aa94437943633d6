"""A plan as text for people and as a document for machines; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import Plan, PlannedGate, PlannedStep, PlannedTarget
from rolloutctl.core.sight import Sight
from rolloutctl.core.units import format_duration
from rolloutctl.ui.documents import exposure_json, finding_json, observation_json
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped

#: Characters of a hash that people compare.
HASH_SHOWN = 12
_LABELS = {Severity.REFUSE: "refused", Severity.WARN: "warning", Severity.OK: "ok"}


_LEGEND = (
    "  sees: the harm looked for, and how long until 4 of 5 such rollouts notice it; "
    "smallest: what the step's own hold is long enough for"
)


def plan_text(plan: Plan, width: int) -> str:
    """Findings first, then targets, then steps, then how long it takes at least."""
    parts = [f"plan of {plan.name} (sha256 {plan.sha256[:HASH_SHOWN]})"]
    if plan.findings:
        parts.append("\n".join(_finding(finding, width) for finding in plan.findings))
    parts.append(_targets(plan.targets, width))
    if plan.steps:
        parts.append(_steps(plan.steps, width))
    if plan.guardrails:
        parts.append("guardrails, in every phase: " + _gates(plan.guardrails))
    if plan.sights:
        parts.append(_sights(plan, width))
    if plan.promise:
        parts.append(wrapped(plan.promise, width, indent="  "))
    parts.append(
        f"takes at least {format_duration(plan.least_s)}; deadline "
        f"{format_duration(plan.deadline_s)}"
    )
    return "\n\n".join(parts)


def plan_document(plan: Plan) -> Mapping[str, Json]:
    """The whole plan, restore points included."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "name": plan.name,
        "sha256": plan.sha256,
        "refused": bool(plan.refusals),
        "findings": [finding_json(finding) for finding in plan.findings],
        "targets": [_target_json(target) for target in plan.targets],
        "steps": [_step_json(step) for step in plan.steps],
        "guardrails": [_gate_json(gate) for gate in plan.guardrails],
        "least_s": plan.least_s,
        "deadline_s": plan.deadline_s,
        "sights": [
            {
                "step": one.step,
                "gate": one.gate,
                "effect": one.sight.effect,
                "seconds": one.sight.seconds,
                "smallest": one.sight.smallest,
                "advice": one.sight.advice,
                "is_chance": one.sight.is_chance,
            }
            for one in plan.sights
        ],
        "promise": plan.promise,
    }


def _finding(finding: Finding, width: int) -> str:
    is_note = finding.severity is Severity.OK and finding.hint
    label = "note" if is_note else _LABELS[finding.severity]
    text = wrapped(f"{label}: {finding.message}", width, indent="  ")
    hint = wrapped(f"  hint: {finding.hint}", width, indent="    ") if finding.hint else ""
    return f"{text}\n{hint}" if hint else text


def _targets(targets: Sequence[PlannedTarget], width: int) -> str:
    return "\n".join(_target(target, width) for target in targets)


def _target(target: PlannedTarget, width: int) -> str:
    rows = (
        ("address", target.address),
        ("arms", f"control {target.control}, canary {target.canary}"),
        ("now", _now(target)),
        ("restore point", _restore_point(target)),
    )
    lines = [wrapped(f"  {name + ':':<14} {text}", width, indent=" " * 17) for name, text in rows]
    return "\n".join([f"target {target.name}", *lines])


def _now(target: PlannedTarget) -> str:
    observation = target.observation
    if observation is None:
        return "not observed"
    if observation.exposure is None:
        return observation.detail or "neither control nor canary"
    said = describe(observation.exposure)
    return f"{said} ({observation.detail})" if observation.detail else said


def _restore_point(target: PlannedTarget) -> str:
    if target.observation is None:
        return "none"
    editor = f", last edited by {target.observation.editor}" if target.observation.editor else ""
    return f"version {target.observation.version}{editor}"


def _steps(steps: Sequence[PlannedStep], width: int) -> str:
    headers = ("STEP", "WRITES", "HOLD", "LEFT WHEN")
    rows = [
        (f"{step.index + 1} {step.name}", _writes(step), format_duration(step.hold_s), _left(step))
        for step in steps
    ]
    return table(headers, rows, width)


def _sights(plan: Plan, width: int) -> str:
    """What each gate will see, where that is known."""
    rows = [
        (
            plan.steps[one.step].name,
            one.gate,
            f"{one.sight.effect}: {_seen_after(one.sight)}",
            one.sight.smallest or "nothing",
        )
        for one in plan.sights
    ]
    seen = table(("STEP", "GATE", "SEES", "SMALLEST IN THE HOLD"), rows, width)
    return f"{seen}\n{wrapped(_LEGEND, width, indent='  ')}"


def _seen_after(sight: Sight) -> str:
    if sight.seconds is None:
        return "never"
    if sight.is_chance:
        return "lost in chance"
    return f"in {format_duration(max(1.0, sight.seconds))}"


def _writes(step: PlannedStep) -> str:
    writes = [f"{w.target}: {_change(w.before, w.after)}" for w in step.writes]
    return "; ".join([*writes, *step.others]) or "nothing"


def _change(before: Exposure, after: Exposure) -> str:
    if before == after:
        return f"stays {describe(after)}"
    return f"{describe(before)} -> {describe(after)}"


def _left(step: PlannedStep) -> str:
    parts = []
    if step.before:
        parts.append(f"first {_gates(step.before)}")
    if step.gates:
        parts.append(_gates(step.gates))
    if step.confirm:
        parts.append("a human approves")
    return "; ".join(parts) or "the hold is over"


def _gates(gates: Sequence[PlannedGate]) -> str:
    return ", ".join(
        f"{gate.name} (observes only)" if gate.observe_only else gate.name for gate in gates
    )


def _target_json(target: PlannedTarget) -> Json:
    return {
        "name": target.name,
        "provider": target.provider,
        "address": target.address,
        "control": target.control,
        "canary": target.canary,
        "observation": None if target.observation is None else observation_json(target.observation),
    }


def _step_json(step: PlannedStep) -> Json:
    return {
        "index": step.index,
        "name": step.name,
        "kind": step.kind,
        "writes": [
            {
                "target": write.target,
                "before": exposure_json(write.before),
                "after": exposure_json(write.after),
            }
            for write in step.writes
        ],
        "others": list(step.others),
        "before": [_gate_json(gate) for gate in step.before],
        "gates": [_gate_json(gate) for gate in step.gates],
        "hold_s": step.hold_s,
        "least_s": step.least_s,
        "confirm": step.confirm,
    }


def _gate_json(gate: PlannedGate) -> Json:
    return {
        "name": gate.name,
        "kind": gate.kind,
        "source": gate.source,
        "interval_s": gate.interval_s,
        "warm_up_s": gate.warm_up_s,
        "observe_only": gate.observe_only,
    }
