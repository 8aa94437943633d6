"""What a configuration serves, said in the rollout's two arms; pure.

The place is the default rule or one named rule. Rules with the titles below are
rolloutctl's own. Everybody else's rules and individual targets are left alone, and told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, split
from rolloutctl.providers.launchdarkly.cohorts import cohort_of
from rolloutctl.providers.launchdarkly.configuration import (
    WEIGHT_TOTAL,
    Configuration,
    Flag,
    Rule,
    Serve,
)
from rolloutctl.providers.launchdarkly.place import Arms

#: Descriptions of the rules that rolloutctl makes.
INCLUDE = "rolloutctl: include"
AUDIENCE = "rolloutctl: audience"
#: How `experimentAllocation.type` names LaunchDarkly's own rollouts.
RELEASES = {"measuredRollout": "guarded", "progressiveRollout": "progressive"}


class Served(NamedTuple):
    """What one flag serves; `canary_bp` is None where that cannot be said in two arms."""

    canary_bp: int | None
    detail: str = ""
    audience: Cohort | None = None
    include: Cohort | None = None

    def exposure(self, shadow_bp: int) -> Exposure | None:
        """As an exposure, with the shadow flag's share."""
        if self.canary_bp is None:
            return None
        return split(
            self.canary_bp, shadow_bp=shadow_bp, audience=self.audience, include=self.include
        )


class _Unsayable(Exception):
    """Why the configuration is not control and canary alone."""


def served(flag: Flag, found: Configuration, arms: Arms, *, kind: str, strict: bool) -> Served:
    """What applications get, exactly, or why it cannot be said.

    Args:
        flag: names of variations.
        found: what is looked at, in force or only wanted.
        arms: the two arms.
        kind: the context kind of attributes that name none.
        strict: a rule, target or third arm of somebody else cannot be said, not just told.
    """
    try:
        if not found.on:
            return _served_by_off(flag, found, arms)
        result = _served_by_rules(found, arms, kind)
    except (_Unsayable, ValueError) as error:
        return Served(None, str(error))
    notes = "; ".join(strangers(flag, found, arms))
    return Served(None, notes) if notes and strict else result._replace(detail=notes)


def place_of(found: Configuration, arms: Arms) -> Rule | None:
    """The named rule, None for the default rule. Raises `ValueError` if it is not there."""
    if not arms.rule:
        return None
    named = [each for each in found.rules if arms.rule in {each.id, each.description}]
    if len(named) != 1:
        known = ", ".join(repr(each.label) for each in found.rules) or "none"
        raise ValueError(f"{len(named)} rules are named {arms.rule!r}; its rules are: {known}")
    return named[0]


def own_rules(found: Configuration, title: str) -> list[Rule]:
    """The rules of that title that are evaluated."""
    return [each for each in found.rules if each.description == title and not each.disabled]


def release_of(serve: Serve) -> str:
    """`guarded`, `progressive` or `experiment`: what LaunchDarkly itself drives there."""
    allocation = serve.unwritable.get("experimentAllocation")
    if isinstance(allocation, dict):
        return RELEASES.get(str(allocation.get("type")), "experiment")
    return "progressive" if "progressiveRolloutConfiguration" in serve.unwritable else ""


def strangers(flag: Flag, found: Configuration, arms: Arms) -> Iterator[str]:
    """What others have set up that serves something else than control to somebody."""
    try:
        place = place_of(found, arms)
    except ValueError:
        place = None
    for rule in found.rules:
        if rule.disabled or rule.description in {INCLUDE, AUDIENCE}:
            continue
        if rule is not place and not is_only(rule.serve, arms.control):
            yield f"the rule {rule.label!r} serves {_said(flag, rule.serve)} to its contexts"
    if place is not None and not is_only(found.fallthrough, arms.control):
        yield f"the default rule serves {_said(flag, found.fallthrough)}"
    for targeted in found.targets:
        if targeted.variation != arms.control:
            count, label = len(targeted.keys), flag.label(targeted.variation)
            yield f"{count} {targeted.context_kind} keys are targeted with {label}"
    serve = place.serve if place else found.fallthrough
    for variation, weight in serve.weights:
        if weight and arms.canary and variation not in {arms.control, arms.canary}:
            yield f"{flag.label(variation)} has {weight / 1000:g}% of the rollout"


def is_only(serve: Serve, variation: str) -> bool:
    """Nobody can get another variation there, not even without the right attribute."""
    return serve.variation == variation


def _said(flag: Flag, serve: Serve) -> str:
    if serve.variation:
        return flag.label(serve.variation)
    return ", ".join(f"{flag.label(v)} {w / 1000:g}%" for v, w in serve.weights)


def _served_by_off(flag: Flag, found: Configuration, arms: Arms) -> Served:
    if found.off_variation == arms.control:
        return Served(0)
    if not found.off_variation:
        return Served(0, "the flag is off: applications use the default in their code")
    label = flag.label(found.off_variation)
    detail = f"the flag is off, and its off variation is {label}"
    return Served(FULL_BP if found.off_variation == arms.canary else None, detail)


def _served_by_rules(found: Configuration, arms: Arms, kind: str) -> Served:
    place = place_of(found, arms)
    serve = place.serve if place else found.fallthrough
    if place is not None and place.disabled:
        raise _Unsayable(f"the rule {place.label!r} is disabled")
    include, audience = own_rules(found, INCLUDE), own_rules(found, AUDIENCE)
    included = _included(found, include, arms, kind)
    bp = share_bp(serve, arms)
    if not audience:
        return Served(bp, include=included)
    if bp:
        raise _Unsayable(f"the rule {AUDIENCE!r} stands before a default rule with the canary")
    if all(is_only(each.serve, arms.control) for each in audience):
        return Served(0, audience=_idle_audience(audience, kind), include=included)
    cohort = cohort_of(audience[0].clauses, kind)
    if cohort is None or not _are_twins(audience):
        raise _Unsayable(f"the rule {AUDIENCE!r} was edited")
    return Served(share_bp(audience[0].serve, arms), audience=cohort, include=included)


def _included(found: Configuration, own: list[Rule], arms: Arms, kind: str) -> Cohort | None:
    # After a kill they serve control, to nobody in particular, wherever they stand.
    if all(is_only(each.serve, arms.control) for each in own):
        return None
    live = [each for each in found.rules if not each.disabled]
    serve, cohort = own[0].serve, cohort_of(own[0].clauses, kind)
    is_canary = bool(serve.variation) and arms.canary in {"", serve.variation}
    is_ours = cohort is not None and _are_twins(own) and live[0] is own[0]
    if not is_ours or not is_canary:
        raise _Unsayable(f"the rule {INCLUDE!r} was edited or moved")
    return cohort


def _idle_audience(own: list[Rule], kind: str) -> Cohort | None:
    """The audience of a step that gives the canary nothing yet, or whom a kill left it to."""
    try:
        return cohort_of(own[0].clauses, kind) if _are_twins(own) else None
    except ValueError:
        return None  # nobody gets the canary, whomever it is for


def _are_twins(rules: list[Rule]) -> bool:
    """A write that was doubled on the way makes two; the first then decides for both."""
    return all(replace(each, id="") == replace(rules[0], id="") for each in rules)


def share_bp(serve: Serve, arms: Arms) -> int:
    """The canary's share of the contexts that get one of the two arms, in basis points.

    Raises:
        ValueError: it is not a whole number of them, or LaunchDarkly drives it itself.
    """
    driver = release_of(serve)
    if driver:
        raise ValueError(f"LaunchDarkly's own {driver} rollout runs there")
    if serve.variation:
        if serve.variation == arms.control:
            return 0
        if serve.variation == arms.canary or not arms.canary:
            return FULL_BP
        raise ValueError("it serves neither arm")
    weights = dict(serve.weights)
    if sum(weights.values()) != WEIGHT_TOTAL or min(weights.values()) < 0:
        raise ValueError(f"its weights sum to {sum(weights.values())}, not {WEIGHT_TOTAL}")
    control = weights.get(arms.control, 0)
    canary = weights.get(arms.canary, 0) if arms.canary else WEIGHT_TOTAL - control
    if not control + canary:
        raise ValueError("it serves neither arm")
    bp, rest = divmod(canary * FULL_BP, control + canary)
    if rest:
        raise ValueError(f"the canary has {canary / 1000:g}%, which is no whole basis point")
    return bp
