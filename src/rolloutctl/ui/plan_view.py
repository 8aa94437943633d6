"""A plan as text for people and as a document for machines; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rolloutctl.core.exposure import Exposure, describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import Plan, PlannedGate, PlannedStep, PlannedTarget
from rolloutctl.core.sight import Sight
from rolloutctl.core.units import format_duration
from rolloutctl.ui.documents import exposure_json, finding_json, observation_json
from rolloutctl.ui.hints import with_store
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped

#: Characters of a hash that people compare.
HASH_SHOWN = 12
_LABELS = {Severity.REFUSE: "refused", Severity.WARN: "warning", Severity.OK: "ok"}


_LEGEND = (
    "  seen in: how long until 4 of 5 rollouts with that harm notice it; "
    "smallest: the least harm that the step's own hold is long enough for"
)
#: An exposure that is nothing but a share of the canary.
_ARM = "canary "
_PLAIN = re.compile(rf"{_ARM}[\d.]+%")
#: A finding about one step; of several that say the same, only this differs.
_ABOUT_STEP = re.compile(r"step \d+ \([^)]*\)")


def plan_text(plan: Plan, width: int) -> str:
    """What speaks against it first, then targets, steps, gates, and what is in order.

    Everything of the plan is there, once: what several findings say is told with the first.
    """
    parts = [f"plan of {plan.name} (sha256 {plan.sha256[:HASH_SHOWN]})"]
    fine = [one for one in plan.findings if one.severity is Severity.OK and not one.hint]
    told = [one for one in plan.findings if one not in fine]
    if told:
        parts.append("\n".join(_findings(told, width)))
    parts.append(_targets(plan.targets, width))
    parts.append("\n".join(_course(plan, width)))
    if plan.sights:
        parts.append(_sights(plan, width))
    if fine:
        parts.append("\n".join(_findings(fine, width)))
    return "\n\n".join(parts)


def _course(plan: Plan, width: int) -> Iterator[str]:
    """The steps, and what holds for all of them."""
    if plan.steps:
        yield _steps(plan, width)
    if plan.guardrails:
        yield wrapped(
            f"  guardrails, in every phase: {_gates(plan.guardrails)}", width, indent="    "
        )
    if plan.promise:
        yield wrapped(f"  {plan.promise}", width, indent="    ")
    least, deadline = format_duration(plan.least_s), format_duration(plan.deadline_s)
    yield f"  takes at least {least}; deadline {deadline}"


def plan_document(plan: Plan) -> Mapping[str, Json]:
    """The whole plan, restore points included."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "name": plan.name,
        "sha256": plan.sha256,
        "refused": bool(plan.refusals),
        "findings": [
            finding_json(replace(one, hint=with_store(one.hint))) for one in plan.findings
        ],
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


def _findings(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """Those that say the same of several steps as one; a hint of several once, under the last."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        said = _ABOUT_STEP.sub("", one.message, count=1)
        alike.setdefault((one.severity, said, one.hint), []).append(one)
    groups = list(alike.values())
    for index, (first, *others) in enumerate(groups):
        following = groups[index + 1][0] if index + 1 < len(groups) else None
        is_repeated = following is not None and following.hint == first.hint
        yield _finding(first, others, width)
        if first.hint and not is_repeated:
            yield wrapped(f"  hint: {with_store(first.hint)}", width, indent="    ")


def _finding(finding: Finding, others: Sequence[Finding], width: int) -> str:
    """One finding without its hint; of the others only the step is told."""
    is_note = finding.severity is Severity.OK and finding.hint
    label = "note" if is_note else _LABELS[finding.severity]
    lines = [wrapped(f"{label}: {finding.message}", width, indent="  ")]
    steps = [found[0] for one in others if (found := _ABOUT_STEP.search(one.message))]
    if steps:
        lines.append(wrapped(f"  likewise {', '.join(steps)}", width, indent="    "))
    return "\n".join(lines)


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


def _steps(plan: Plan, width: int) -> str:
    headers = ("STEP", "WRITES", "HOLD", "LEFT WHEN")
    is_only = len(plan.targets) == 1
    rows = [
        (
            f"{step.index + 1} {step.name}",
            _writes(step, is_only=is_only),
            format_duration(step.hold_s),
            _left(step),
        )
        for step in plan.steps
    ]
    return table(headers, rows, width)


def _sights(plan: Plan, width: int) -> str:
    """What each gate will see in each step, where that is known; gates and harms named once."""
    order = list(dict.fromkeys((one.gate, one.sight.effect) for one in plan.sights))
    sights = sorted(plan.sights, key=lambda one: order.index((one.gate, one.sight.effect)))
    rows, named = [], ("", "")
    for one in sights:
        names = (one.gate, one.sight.effect)
        rows.append(
            (
                *(("", "") if names == named else names),
                plan.steps[one.step].name,
                _seen_after(one.sight),
                one.sight.smallest or "nothing",
            )
        )
        named = names
    seen = table(("GATE", "HARM", "STEP", "SEEN IN", "SMALLEST"), rows, width)
    return f"{seen}\n{wrapped(_LEGEND, width, indent='  ')}"


def _seen_after(sight: Sight) -> str:
    if sight.seconds is None:
        return "never"
    if sight.is_chance:
        return "lost in chance"
    return format_duration(max(1.0, sight.seconds))


def _writes(step: PlannedStep, *, is_only: bool) -> str:
    """Where there is one target only, it was named above."""
    writes = [
        f"{'' if is_only else f'{w.target}: '}{_change(w.before, w.after)}" for w in step.writes
    ]
    return "; ".join([*writes, *step.others]) or "nothing"


def _change(before: Exposure, after: Exposure) -> str:
    if before == after:
        return f"stays {describe(after)}"
    old, new = describe(before), describe(after)
    is_plain = all(_PLAIN.fullmatch(one) for one in (old, new))
    return f"{old} -> {new.removeprefix(_ARM) if is_plain else new}"


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
