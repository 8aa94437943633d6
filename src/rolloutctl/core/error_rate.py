"""The share of healthy rollouts that a playbook may abort, divided over its gates; pure.

A statistical gate keeps the error rate it is given however often it looks. Several gates
add theirs up (Bonferroni: the chance that any of them errs is at most the sum), so each
gets an equal part of `limits.false_aborts`. Nothing is divided by steps or looks: the
evidence of a gate is carried through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateKind

#: Fewest looks that evidence is planned for: a short playbook may be extended or paused.
LOOKS_MIN = 120


def spends_error_rate(kind: GateKind) -> bool:
    """Is it a statistical kind, one that errs by chance at a stated rate?"""
    return bool(getattr(kind, "spends_error_rate", False))


def statistical_gates(playbook: Playbook, kinds: Mapping[str, GateKind]) -> Sequence[Gate]:
    """The gates that share `limits.false_aborts`: used, acted on, and of a statistical kind."""
    used = {name for step in playbook.steps for name in (*step.before, *step.gates)}
    used.update(playbook.guardrails)
    return [
        gate
        for gate in playbook.gates.values()
        if gate.name in used
        and not gate.limits.observe_only
        and gate.kind in kinds
        and spends_error_rate(kinds[gate.kind])
    ]


def error_rate_of(playbook: Playbook, gate: Gate, kinds: Mapping[str, GateKind]) -> float:
    """The chance, within a whole rollout, that this gate fails a healthy canary.

    A gate that only observes is given what one that acts would get.
    """
    sharing = {one.name for one in statistical_gates(playbook, kinds)} | {gate.name}
    return playbook.limits.false_abort_rate / len(sharing)


def looks_of(playbook: Playbook, gate: Gate) -> int:
    """How often the gate is planned to look in the whole rollout; at least `LOOKS_MIN`.

    Evidence of a harm that starts late is spread over so many looks.
    """
    is_guardrail = gate.name in playbook.guardrails
    held_s = sum(step.hold_s for step in playbook.steps if is_guardrail or gate.name in step.gates)
    return max(LOOKS_MIN, ceil(held_s / gate.limits.interval_s))
