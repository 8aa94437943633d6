"""What speaks against a plan: unsafe starts, unsupported exposures, time, blindness; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolloutctl.core.exposure import CONTROL, Exposure, describe, format_bp
from rolloutctl.core.observation import Capabilities, Finding, Severity
from rolloutctl.core.planned import PlannedStep, TargetSeen
from rolloutctl.core.playbook import Playbook, Target
from rolloutctl.core.units import format_duration

#: Rollouts longer than this outlive a terminal; somebody else must drive them then.
ATTENDED_MAX_S = 900.0


def objections(
    playbook: Playbook, steps: Sequence[PlannedStep], *, seen: Mapping[str, TargetSeen]
) -> list[Finding]:
    """Refusals and warnings that follow from the playbook and what was seen."""
    return [
        *_about_addresses(seen),
        *(f for target in playbook.targets.values() for f in _about_start(target, seen)),
        *(f for step in steps for f in _about_step(playbook, step, seen)),
        *_about_time(playbook, sum(step.least_s for step in steps)),
        *_about_blindness(playbook, steps),
    ]


def _about_addresses(seen: Mapping[str, TargetSeen]) -> list[Finding]:
    owners: dict[str, str] = {}
    found = []
    for name, one in seen.items():
        if one.address in owners:
            found.append(
                _refuse(
                    f"targets {owners[one.address]} and {name} are the same thing: {one.address}",
                    "give each target its own address",
                )
            )
        owners.setdefault(one.address, name)
    return found


def _about_start(target: Target, seen: Mapping[str, TargetSeen]) -> list[Finding]:
    """SAFETY: a rollout begins at control for everybody, or its restore point is no safe place."""
    observation = seen[target.name].observation
    address = seen[target.name].address
    holder = seen[target.name].holder
    if holder:
        # SAFETY: what is exposed there is that rollout's; a kill is not the first thing to name.
        return [
            _refuse(
                f"target {target.name} ({address}) is being changed by the open rollout {holder}",
                f"look at it: rolloutctl status {holder}; go on with it, or end it: "
                f"rolloutctl rollback {holder}",
            )
        ]
    if observation is None:
        if any(f.severity is Severity.REFUSE for f in seen[target.name].findings):
            return []
        return [_refuse(f"target {target.name} ({address}) could not be observed", "")]
    exposure = observation.exposure
    if exposure is None:
        why = observation.detail or "it serves more than control and canary"
        return [
            _refuse(
                f"target {target.name} ({address}) cannot be read as {target.control.value} "
                f"and {target.canary.value}: {why}",
                "bring it to control for everybody by hand, or correct control and canary "
                "in the playbook",
            )
        ]
    if exposure.is_zero:
        return []
    shadow = f" --shadow {target.shadow.flag}" if target.shadow is not None else ""
    return [
        _refuse(
            f"target {target.name} ({address}) is exposed already: {describe(exposure)}",
            f"bring it to {target.control.value} for everybody first: rolloutctl kill "
            f"'{address}' --to {target.control.value}{shadow}; if a rollout drives it "
            "(rolloutctl list), end that one instead",
        )
    ]


def _about_step(
    playbook: Playbook, step: PlannedStep, seen: Mapping[str, TargetSeen]
) -> list[Finding]:
    found = []
    for write in step.writes:
        can = seen[write.target].capabilities
        provider = playbook.targets[write.target].provider
        for message, hint in _unsupported(write.after, can, provider):
            found.append(_refuse(f"step {step.index + 1} ({step.name}): {message}", hint))
        if write.after.shadow_bp and playbook.targets[write.target].shadow is None:
            found.append(
                _refuse(
                    f"step {step.index + 1} ({step.name}) mirrors "
                    f"{format_bp(write.after.shadow_bp)} but target {write.target} names no "
                    "shadow flag",
                    f"add to target {write.target}: shadow: {{flag: NAME}}",
                )
            )
    return found


def _unsupported(exposure: Exposure, can: Capabilities, provider: str) -> list[tuple[str, str]]:
    """What the exposure asks of a provider that it cannot do: (message, hint) each."""
    found = []
    grid = can.weight_step_bp
    for arm, weight_bp in exposure.weights:
        if arm != CONTROL and weight_bp % grid:
            low = weight_bp // grid * grid
            steps = f"its weights come in steps of {format_bp(grid)}"
            message = f"{provider} cannot give {arm} {format_bp(weight_bp)}: {steps}"
            found.append((message, f"write {format_bp(low)} or {format_bp(low + grid)}"))
    if exposure.shadow_bp % can.shadow_step_bp:
        steps = f"its shadow shares come in steps of {format_bp(can.shadow_step_bp)}"
        message = f"{provider} cannot mirror {format_bp(exposure.shadow_bp)}: {steps}"
        found.append((message, f"write a multiple of {format_bp(can.shadow_step_bp)}"))
    wanted = (
        ("shadow", exposure.shadow_bp > 0, can.shadow),
        ("audience", exposure.audience is not None, can.audience),
        ("include", exposure.include is not None, can.include),
    )
    for word, is_wanted, is_possible in wanted:
        if is_wanted and not is_possible:
            found.append((f"{provider} cannot do {word}", f"remove {word} from the step"))
    return found


def _about_time(playbook: Playbook, least_s: float) -> list[Finding]:
    deadline_s = playbook.limits.deadline_s
    if least_s > deadline_s:
        return [
            _refuse(
                f"the steps take at least {format_duration(least_s)}, the deadline is "
                f"{format_duration(deadline_s)}",
                f"write limits: {{deadline: {format_duration(least_s * 2)}}} or shorter holds",
            )
        ]
    if least_s <= ATTENDED_MAX_S:
        return []
    return [
        _warn(
            f"it takes at least {format_duration(least_s)}: if the process that drives it is "
            "killed (SIGKILL, a closed laptop), the exposure stays and nobody watches it",
            "run `rolloutctl agent` somewhere, or `rolloutctl tick` from cron",
        )
    ]


def _about_blindness(playbook: Playbook, steps: Sequence[PlannedStep]) -> list[Finding]:
    if playbook.guardrails:
        return []
    return [
        _warn(
            f"step {step.index + 1} ({step.name}) is blind: no gate that acts and no "
            "guardrail judges it",
            "name gates in the step, or guardrails in the playbook",
        )
        for step in steps
        if step.writes and all(gate.observe_only for gate in step.gates)
    ]


def _refuse(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.REFUSE, message=message, hint=hint)


def _warn(message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARN, message=message, hint=hint)
