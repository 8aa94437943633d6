"""Checks that gates which compare arms are used only where both arms are served."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rolloutctl.core.arm_names import only_target
from rolloutctl.core.check_exposures import Walk
from rolloutctl.core.check_references import is_meant
from rolloutctl.core.document import Node
from rolloutctl.core.exposure import FULL_BP, Exposure
from rolloutctl.core.parse_steps import ParsedStep, node_of_gate
from rolloutctl.core.parsing import Parsing
from rolloutctl.core.playbook import Gate


def check_arms(
    parsing: Parsing,
    section: Node,
    *,
    steps: Sequence[ParsedStep],
    walk: Walk,
    unknown: Collection[str],
) -> None:
    """Tells of comparisons without a canary to judge, or without a control left.

    `unknown` are the targets that cannot be understood.
    """
    playbook = walk.playbook
    for gate in playbook.gates.values():
        node = node_of_gate(gate.name, section, steps)
        plugin = parsing.plugin("gates", gate.kind, at=node, what="gate kind")
        if not getattr(plugin, "compares_arms", False):
            continue
        if not is_meant(gate, playbook, unknown):
            continue
        own = gate.target or only_target(playbook)
        if not own:
            message = f"gates.{gate.name}: compares the arms of one target, and does not say which"
            fix = f"add target: one of {', '.join(playbook.targets)}"
            parsing.report.error(node, message, fix=fix)
            continue
        for one in steps:
            _check_step(walk, one, gate, own)
            if getattr(plugin, "judges_split", False):
                _check_split(walk, one, gate, own)


def _check_split(walk: Walk, one: ParsedStep, gate: Gate, own: str) -> None:
    """One use of a gate that holds units against weights."""
    is_guardrail = gate.name in walk.playbook.guardrails
    exposure = walk.after.get(one.step.index, {}).get(own)
    if exposure is None or not (is_guardrail or gate.name in one.step.gates):
        return
    if exposure.include is not None:
        message = f"{one.step.name}: gate {gate.name} judges weights, and include serves more units"
        fix = "use it in steps without include"
    elif exposure.canary_bp == 0 and exposure.shadow_bp > 0 and not is_guardrail:
        message = f"{one.step.name}: gate {gate.name} judges weights, and a mirrored step has none"
        fix = "use it in steps with canary above 0%"
    else:
        return
    walk.parsing.report.error(one.at, message, fix=fix)


def _check_step(walk: Walk, one: ParsedStep, gate: Gate, own: str) -> None:
    """One use of the gate: before the step's write, or while it is in force."""
    is_guardrail = gate.name in walk.playbook.guardrails
    used: list[tuple[bool, Mapping[str, Exposure]]] = [
        (gate.name in one.step.before, walk.before.get(one.step.index, {})),
        (gate.name in one.step.gates or is_guardrail, walk.after.get(one.step.index, {})),
    ]
    for is_used, row in used:
        if not is_used or own not in row:
            continue
        exposure = row[own]
        name = one.step.name
        if exposure.canary_bp == FULL_BP and exposure.audience is None:
            message = f"{name}: gate {gate.name} compares with control, and none is left at 100%"
            fix = "use a threshold gate here, and as guardrail"
            walk.parsing.report.error(one.at, message, fix=fix)
            return
        is_sure = one.step.index < walk.sure_until
        if is_sure and not is_guardrail and not _has_canary(exposure):
            message = f"{name}: gate {gate.name} compares a canary that nobody is served"
            fix = "use it in steps with canary or shadow above 0%"
            walk.parsing.report.error(one.at, message, fix=fix)
            return


def _has_canary(exposure: Exposure) -> bool:
    return exposure.canary_bp > 0 or exposure.shadow_bp > 0 or exposure.include is not None
