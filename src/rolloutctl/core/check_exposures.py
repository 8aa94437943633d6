"""Walks the steps' planned exposures and tells what no playbook should do.

Works on effects alone, so it holds for step kinds from plug-ins as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rolloutctl.core.effects import Expose, Notify, cleanup_in
from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, describe_cohort, format_bp, split
from rolloutctl.core.observation import Capabilities
from rolloutctl.core.parse_steps import ParsedStep
from rolloutctl.core.parsing import Parsing
from rolloutctl.core.playbook import NotifierEntry, Playbook, Target
from rolloutctl.core.ports import (
    Provider,
    StepContext,
    capabilities_of,
    problems_of,
)
from rolloutctl.core.report import unknown_fix
from rolloutctl.core.units import format_duration
from rolloutctl.errors import Rejected


@dataclass(slots=True, kw_only=True)
class Walk:
    """The exposures before and after each step that can be planned.

    `before` and `after` hold one row a step, by the step's index. From step `sure_until` on
    they may lack what a step that is in error would have served. `growth_s` is how long the
    service takes over a step's write, where it grows it at its own pace.
    """

    parsing: Parsing
    playbook: Playbook
    notifiers: Mapping[str, NotifierEntry | None]
    exposures: dict[str, Exposure]
    before: dict[int, dict[str, Exposure]] = field(default_factory=dict)
    after: dict[int, dict[str, Exposure]] = field(default_factory=dict)
    sure_until: float = math.inf
    cleaned: set[str] = field(default_factory=set)
    growth_s: dict[int, float] = field(default_factory=dict)

    def changes(self, step: int, target: str) -> bool:
        """Whether the canary's weight of `target` is another one after the step."""
        return self.before[step][target].canary_bp != self.after[step][target].canary_bp


def check_exposures(
    parsing: Parsing,
    playbook: Playbook,
    steps: Sequence[ParsedStep],
    notifiers: Mapping[str, NotifierEntry | None],
) -> Walk:
    """Plans every step in turn, and tells of exposures that are lowered or cannot be."""
    walk = Walk(
        parsing=parsing,
        playbook=playbook,
        notifiers=notifiers,
        exposures={name: split(0) for name in playbook.targets},
    )
    for place, parsed in enumerate(steps):
        if parsed.step.index != place or not parsed.can_plan:
            walk.sure_until = min(walk.sure_until, place)
        if parsed.can_plan:
            _check_step(walk, parsed)
    if not parsing.report.has_errors:
        _check_end(walk, steps)
    return walk


def _check_end(walk: Walk, steps: Sequence[ParsedStep]) -> None:
    """Tells of a canary that is neither nobody's nor everybody's when the rollout is over.

    Nobody watches it then: gates and guardrails end with the last step. Included units or
    a whole audience are meant so; a share may be a last step that was forgotten.
    """
    for target, exposure in walk.exposures.items():
        if not 0 < exposure.canary_bp < FULL_BP:
            continue
        last = next(p for p in reversed(steps) if walk.changes(p.step.index, target))
        left = format_bp(exposure.canary_bp)
        message = (
            f"{last.step.name}: the rollout ends with the canary of {target} at {left}, "
            "and nothing judges it any more"
        )
        fix = "add a step with canary: 100%, unless it is meant to stay there"
        walk.parsing.report.warning(last.at, message, fix=fix)


def _check_step(walk: Walk, parsed: ParsedStep) -> None:
    step = parsed.step
    walk.before[step.index] = dict(walk.exposures)
    context = StepContext(playbook=walk.playbook, step=step, exposures=dict(walk.exposures))
    for effect in parsed.kind.plan(parsed.step.spec, context):
        if isinstance(effect, Notify):
            _check_notifiers(walk, parsed, effect)
        if cleanup := cleanup_in(effect):
            _check_cleanup(walk, parsed, cleanup["target"])
        if isinstance(effect, Expose) and effect.target in walk.exposures:
            old, new = walk.exposures[effect.target], effect.exposure
            if effect.target in walk.cleaned:
                message = f"{parsed.step.name}: changes {effect.target} after its cleanup"
                fix = "move the cleanup to the end: after it the way back is slow"
                walk.parsing.report.error(parsed.at, message, fix=fix)
            _check_change(walk, parsed, effect.target, old=old, new=new)
            _check_target(walk, parsed, effect.target, new)
            walk.exposures[effect.target] = new
    walk.after[step.index] = dict(walk.exposures)
    exposed = [name for name in step.targets if _is_exposed(walk.exposures[name])]
    is_judged = step.gates or step.before or walk.playbook.guardrails
    # With errors, what would judge it may be what is in error.
    if exposed and not is_judged and not walk.parsing.report.has_errors:
        message = f"{step.name}: the canary of {', '.join(exposed)} is served without any gate"
        walk.parsing.report.warning(
            parsed.at, message, fix="add gates, or guardrails for all steps"
        )


def _check_cleanup(walk: Walk, parsed: ParsedStep, target: str) -> None:
    """SAFETY: nothing is taken away that anybody is still sent to."""
    report, name = walk.parsing.report, parsed.step.name
    if target not in walk.exposures:
        return
    walk.cleaned.add(target)
    share = walk.exposures[target].canary_bp
    if share != FULL_BP:
        message = f"{name}: the canary of {target} is at {format_bp(share)}; the control serves"
        report.error(parsed.at, message, fix="clean up after a step that gives it everybody")
    kind = walk.playbook.targets[target].provider
    if kind not in walk.parsing.catalog.names("providers"):
        return
    if not hasattr(walk.parsing.catalog.load("providers", kind), "clean_up"):
        message = f"{name}: {kind} (target {target}) has nothing to clean up"
        report.error(parsed.at, message, fix="remove the step; flags are removed by hand")


def _is_exposed(exposure: Exposure) -> bool:
    return exposure.canary_bp > 0 or exposure.include is not None


def _check_change(
    walk: Walk, parsed: ParsedStep, target: str, *, old: Exposure, new: Exposure
) -> None:
    """SAFETY: nobody who was given the canary loses it by a later step."""
    report, name = walk.parsing.report, parsed.step.name
    if new.canary_bp < old.canary_bp:
        message = (
            f"{name}: lowers the canary of {target} from {format_bp(old.canary_bp)} to "
            f"{format_bp(new.canary_bp)}; that takes it away from those who have it"
        )
        fix = f"write at least {format_bp(old.canary_bp)}; taking back is what rollback does"
        report.error(parsed.at, message, fix=fix)
    is_everyone = new.canary_bp == FULL_BP and new.audience is None
    if old.include is not None and not _equal(old.include, new.include) and not is_everyone:
        message = f"{name}: takes the canary of {target} away from included units"
        fix = f"repeat include: {describe_cohort(old.include)}"
        report.error(parsed.at, message, fix=fix)
    if _is_exposed(old) and not _equal(old.audience, new.audience):
        message = f"{name}: changes the audience of {target} while its canary is served"
        said = "leave audience out, or have it in the steps before too"
        if old.audience:
            said = f"repeat audience: {describe_cohort(old.audience)}"
        report.error(parsed.at, message, fix=f"{said}; change it at canary 0% only")


def _equal(one: Cohort | None, other: Cohort | None) -> bool:
    """Equal with their types: to Python `1 == True`, to a flag service it is not."""
    return repr(one) == repr(other)


def _check_target(walk: Walk, parsed: ParsedStep, target: str, new: Exposure) -> None:
    """Tells what the target, or its provider, cannot serve."""
    declared = walk.playbook.targets[target]
    report, name = walk.parsing.report, parsed.step.name
    if declared.provider not in walk.parsing.catalog.names("providers"):
        return
    provider: Any = walk.parsing.catalog.load("providers", declared.provider)  # Any: a plug-in
    can: Capabilities = provider.capabilities
    if declared.spec is not None and not problems_of(provider(), declared.spec):
        can = capabilities_of(provider(), declared)
        _check_cohorts(walk, parsed, provider(), declared, new)
    if new.shadow_bp > 0 and declared.shadow is None and can.shadow:
        message = f"{name}: target {target} has no shadow flag to mirror with"
        report.error(parsed.at, message, fix=f"add shadow: {{flag: NAME}} to targets.{target}")
    wanted = {
        "shadow": new.shadow_bp > 0 and not can.shadow,
        "audience": new.audience is not None and not can.audience,
        "include": new.include is not None and not can.include,
    }
    for what, is_lacking in wanted.items():
        if is_lacking:
            message = f"{name}: {declared.provider} (target {target}) cannot do {what}"
            report.error(parsed.at, message, fix=f"remove {what}, or use another provider")
    if any(bp % can.weight_step_bp for _, bp in new.weights):
        step = format_bp(can.weight_step_bp)
        message = f"{name}: {declared.provider} (target {target}) takes weights in steps of {step}"
        fix = f"write a multiple of {step}"
        if can.weight_step_bp == FULL_BP:
            fix = "write switch: canary: it is switched as a whole"
        if can.growth_s:
            fix = "write deploy: canary: the service grows it, and cannot be held at a share"
        report.error(parsed.at, message, fix=fix)
    if new.canary_bp:
        grown_s = walk.growth_s.get(parsed.step.index, 0.0)
        walk.growth_s[parsed.step.index] = max(grown_s, can.growth_s)
    if new.canary_bp and parsed.step.hold_s < can.growth_s:
        least = format_duration(can.growth_s)
        held = format_duration(parsed.step.hold_s)
        message = (
            f"{name}: {declared.provider} takes {least} to grow {target}; the step holds {held}"
        )
        report.error(parsed.at, message, fix=f"write hold: {least}, or longer")


def _check_cohorts(
    walk: Walk, parsed: ParsedStep, provider: Provider, target: Target, new: Exposure
) -> None:
    """What the service has no way to say is told here, not at the write."""
    for what, cohort in (("audience", new.audience), ("include", new.include)):
        problem = cohort_problem_of(provider, target, cohort) if cohort else None
        if problem is not None:
            message = f"{parsed.step.name}: {what}: {problem[0]}"
            walk.parsing.report.error(parsed.at, message, fix=problem[1])


def cohort_problem_of(provider: Provider, target: Target, cohort: Cohort) -> tuple[str, str] | None:
    """Why the provider's service cannot hold a cohort: (message, fix); None if it can.

    A provider that takes cohorts may have `check_cohort(target, cohort)`, which raises
    `Rejected` without reaching its service; lint shows it where it is written.
    """
    own = getattr(provider, "check_cohort", None)
    try:
        if own is not None:
            own(target, cohort)
    except Rejected as error:
        return error.message, error.hint
    return None


def _check_notifiers(walk: Walk, parsed: ParsedStep, effect: Notify) -> None:
    for name in effect.notifiers:
        if name not in walk.notifiers:
            message = f"{parsed.step.name}: unknown notifier {name!r:.80}"
            fix = unknown_fix(name, list(walk.notifiers))
            walk.parsing.report.error(parsed.at, message, fix=fix)
