"""Says of every gate in every step whether it can work at the traffic there is; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolloutctl.core.arm_names import only_mirrors, only_target
from rolloutctl.core.error_rate import error_rate_of, statistical_gates
from rolloutctl.core.exposure import FULL_BP, Exposure
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.planned import PlannedSight, PlannedStep
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateKind
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.units import format_duration


def foresee(
    playbook: Playbook,
    kinds: Mapping[str, GateKind],
    steps: Sequence[PlannedStep],
    *,
    rates: Mapping[str, Mapping[str, float]],
) -> tuple[list[PlannedSight], list[Finding]]:
    """What each gate will see in each step that uses it, and warnings of what it will not.

    Args:
        playbook: whose gates they are.
        kinds: the gate kinds by name.
        steps: as the plan has them.
        rates: events per second at control by gate and key; gates that are not here were
            not measured and are left out.
    """
    ahead = _Ahead(playbook=playbook, kinds=kinds, rates=rates)
    sights, findings = [], []
    served: dict[str, Exposure] = {}
    told: set[str] = set()
    held_s = 0.0
    for step in steps:
        served.update({write.target: write.after for write in step.writes})
        held_s += step.hold_s
        for name in dict.fromkeys([*(one.name for one in step.gates), *playbook.guardrails]):
            gate = playbook.gates[name]
            is_guardrail = name in playbook.guardrails
            exposure = served.get(gate.target or only_target(playbook))
            # A guardrail is judged through all steps: it has had the holds before this one, too.
            sight = ahead.sight(gate, exposure, held_s=held_s if is_guardrail else step.hold_s)
            if sight is None:
                continue
            sights.append(PlannedSight(step=step.index, gate=gate.name, sight=sight))
            if sight.advice and not gate.limits.observe_only and name not in told:
                findings.append(_blind(step, gate, sight))
                told |= {name} if is_guardrail else set()
    return sights, findings


def promise(playbook: Playbook, kinds: Mapping[str, GateKind]) -> str:
    """What the statistical gates promise together, as a sentence; "" without any."""
    gates = statistical_gates(playbook, kinds)
    if not gates:
        return ""
    rate = playbook.limits.false_abort_rate
    whole = f"{rate * 100:.3g}% of healthy rollouts"
    if len(gates) == 1:
        return f"the statistical gate aborts at most {whole}, however often it looks"
    each = f"{rate / len(gates) * 100:.3g}% each"
    return (
        f"the {len(gates)} statistical gates abort at most {whole} ({each}), "
        "however often they look"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What is the same for every step."""

    playbook: Playbook
    kinds: Mapping[str, GateKind]
    rates: Mapping[str, Mapping[str, float]]

    def sight(self, gate: Gate, exposure: Exposure | None, *, held_s: float) -> Sight | None:
        """What the gate sees in `held_s` of holding; None where nobody can say."""
        see = getattr(self.kinds.get(gate.kind), "sight", None)
        if see is None or gate.name not in self.rates or exposure is None:
            return None
        is_mirrored = only_mirrors(exposure)
        canary_bp = exposure.shadow_bp if is_mirrored else exposure.canary_bp
        if canary_bp == 0:
            return None  # only a cohort is served, and nobody knows how large it is
        found: Sight | None = see(
            gate.spec,
            Outlook(
                per_s=self.rates[gate.name],
                canary_share=canary_bp / FULL_BP,
                is_mirrored=is_mirrored,
                judged_s=max(0.0, held_s - gate.limits.warm_up_s),
                error_rate=error_rate_of(self.playbook, gate, self.kinds),
            ),
        )
        return found


def _blind(step: PlannedStep, gate: Gate, sight: Sight) -> Finding:
    holds = f"the step holds {format_duration(step.hold_s)}"
    if sight.is_chance:
        said = f"cannot tell {sight.effect} from chance: too few events"
    elif sight.seconds is None:
        said = f"is blind: it never sees {sight.effect}, {holds}"
    else:
        said = f"is blind: it sees {sight.effect} after {format_duration(sight.seconds)}, {holds}"
    where = f"step {step.index + 1} ({step.name}): gate {gate.name}"
    return Finding(severity=Severity.WARN, message=f"{where} {said}", hint=sight.advice)
