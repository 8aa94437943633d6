"""The names that a gate's query may refer to: `${canary.labels.model}` and its like."""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.core.exposure import FULL_BP, Exposure, split
from rolloutctl.core.playbook import Arm, Gate, Playbook, Step, Target


def arm_names(
    playbook: Playbook,
    gate: Gate,
    step: Step | None = None,
    *,
    exposures: Mapping[str, Exposure] | None = None,
) -> dict[str, str]:
    """Every reference the gate may use, with its value.

    `control.is`, `control.labels.x`, `canary.is`, `canary.labels.x` mean the gate's
    target, or the only one; `canary.<target>.labels.x` means the target it names.

    Args:
        playbook: whose targets are meant.
        gate: says which target is its own.
        step: the step that is judged; where it only mirrors, the shadow labels lie over
            the canary's.
        exposures: what each target serves in that step. Without them the step's spec is
            asked for its `canary` and `shadow`, which is right for the built-in kinds.
    """
    own = gate.target or only_target(playbook)
    names: dict[str, str] = {}
    for target in playbook.targets.values():
        mirrored = _only_mirrors(target.name, step, exposures)
        for arm, labels in arms_of(target, mirrored=mirrored):
            values = {"is": arm.value} | {f"labels.{key}": one for key, one in labels.items()}
            names |= {f"{arm.name}.{target.name}.{key}": one for key, one in values.items()}
            if target.name == own:
                names |= {f"{arm.name}.{key}": one for key, one in values.items()}
    return names


def arms_ever(playbook: Playbook, gate: Gate) -> tuple[dict[str, str], ...]:
    """The names as they are where the canary is served, and where it is only mirrored.

    One set where no target can mirror.
    """
    served = arm_names(playbook, gate)
    exposures = dict.fromkeys(playbook.targets, split(0, shadow_bp=FULL_BP))
    mirrored = arm_names(playbook, gate, exposures=exposures)
    return (served,) if served == mirrored else (served, mirrored)


def only_target(playbook: Playbook) -> str:
    """The name of the one target; "" where there are several, and a gate must say which."""
    return next(iter(playbook.targets)) if len(playbook.targets) == 1 else ""


def names_of_arm(names: Mapping[str, str], arm: str) -> dict[str, str]:
    """The names without the arm's own: `labels.model` for `canary.labels.model`.

    `${arm.labels.model}` is asked once per arm, and means each one's own in turn.
    """
    prefix = f"{arm}."
    return {name[len(prefix) :]: one for name, one in names.items() if name.startswith(prefix)}


def arms_of(target: Target, *, mirrored: bool) -> tuple[tuple[Arm, Mapping[str, str]], ...]:
    """Both arms with the labels by which metrics name them."""
    shadow = target.shadow.labels if target.shadow and mirrored else {}
    canary = {**target.canary.labels, **shadow}
    return (target.control, target.control.labels), (target.canary, canary)


def _only_mirrors(target: str, step: Step | None, exposures: Mapping[str, Exposure] | None) -> bool:
    if exposures is not None:
        return target in exposures and only_mirrors(exposures[target])
    if step is None or target not in step.targets:
        return False
    shadow, canary = getattr(step.spec, "shadow", 0), getattr(step.spec, "canary", 0)
    return bool(isinstance(shadow, int) and shadow > 0 and not canary)


def only_mirrors(exposure: Exposure) -> bool:
    """Mirrored requests are the canary's only traffic."""
    return exposure.canary_bp == 0 and exposure.shadow_bp > 0
