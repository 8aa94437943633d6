"""The configuration that serves an exposure; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, describe, split
from rolloutctl.errors import Rejected
from rolloutctl.providers.launchdarkly.cohorts import clauses_of
from rolloutctl.providers.launchdarkly.configuration import (
    WEIGHT_TOTAL,
    Configuration,
    Flag,
    Rule,
    Serve,
)
from rolloutctl.providers.launchdarkly.intervals import shuffled
from rolloutctl.providers.launchdarkly.place import Arms
from rolloutctl.providers.launchdarkly.serving import (
    AUDIENCE,
    INCLUDE,
    own_rules,
    place_of,
    release_of,
    served,
    strangers,
)

#: The finest share, in basis points; LaunchDarkly's own step is ten times finer.
STEP_BP = 1
RELEASE_HINT = (
    "let it end, or stop it on the flag's page in LaunchDarkly; rolloutctl never fights it"
)


class Maker(NamedTuple):
    """What new rollouts bucket by."""

    context_kind: str
    bucket_by: str = ""


def shaped(flag: Flag, wanted: Exposure, arms: Arms, maker: Maker) -> Configuration:
    """The configuration that serves `wanted` (shadow aside), as near to what is as can be.

    Raises:
        Rejected: LaunchDarkly cannot serve it exactly, contexts would be dealt anew, or
            something of somebody else is in the way. Nothing is ever rounded.
    """
    flat = replace(wanted, shadow_bp=0)
    kind = maker.context_kind
    now = served(flag, flag.found, arms, kind=kind, strict=False).exposure(0)
    if now is not None and (now == flat or (flat.is_zero and not flag.found.on and now.is_zero)):
        return flag.found
    try:
        place = place_of(flag.found, arms)
    except ValueError as error:
        raise Rejected(f"{flag.key}: {error}", hint="correct `rule` in the target") from error
    _check_place(flag, place, arms, maker)
    result = _shape(flag, flat, arms, maker)
    if not flag.found.on:
        result = _turned_on(flag, result, arms)
    # SAFETY: the same reading that judges what is in force judges what would be, so nothing
    # is written that would then be seen as something else.
    after = served(flag, result, arms, kind=kind, strict=False)
    if after.exposure(0) != flat:
        detail = after.detail or f"it would serve {describe(after.exposure(0) or split(0))}"
        raise Rejected(
            f"{flag.key} cannot serve {describe(flat)}: {detail}",
            hint="bring the flag's rules to the control by hand, then plan again",
        )
    return result


def _check_place(flag: Flag, place: Rule | None, arms: Arms, maker: Maker) -> None:
    """Raises `Rejected` if a rollout there is not one that can be driven."""
    serve = place.serve if place else flag.found.fallthrough
    driver = release_of(serve)
    if driver:
        raise Rejected(
            f"{flag.key}: LaunchDarkly's own {driver} rollout runs there", hint=RELEASE_HINT
        )
    if serve.unwritable:
        raise Rejected(
            f"{flag.key}: its rollout has {', '.join(sorted(serve.unwritable))}, which the API"
            " cannot write: changing it would deal every context anew",
            hint="serve the control by one variation there, then plan again",
        )
    if serve.variation not in {"", arms.control, arms.canary}:
        raise Rejected(
            f"{flag.key} serves {flag.label(serve.variation)} there, which is neither arm",
            hint=f"serve {flag.label(arms.control)} there by hand, then plan again",
        )
    found = Maker(serve.context_kind, serve.bucket_by)
    if serve.weights and found != maker:
        raise Rejected(
            f"{flag.key}: its rollout buckets by {_bucketing(found)}, the target would by"
            f" {_bucketing(maker)}",
            hint=f"write context_kind: {found.context_kind}"
            + (f" and bucket_by: {found.bucket_by}" if found.bucket_by else "")
            + "; changing it during a rollout gives contexts the other arm",
        )
    order = [each.id for each in flag.variations]
    listed = [order.index(variation) for variation, _ in serve.weights]
    if listed != sorted(listed):
        raise Rejected(
            f"{flag.key}: its rollout lists variations in another order than the flag: a write"
            " would deal contexts anew",
            hint="serve the control by one variation there, then plan again",
        )


def _bucketing(maker: Maker) -> str:
    return f"the {maker.bucket_by or 'key'} of the context kind {maker.context_kind!r}"


def _shape(flag: Flag, wanted: Exposure, arms: Arms, maker: Maker) -> Configuration:
    found = flag.found
    place = place_of(found, arms)
    before = place.serve if place else found.fallthrough
    if place is not None and wanted.audience is not None:
        raise Rejected(
            f"{flag.key}: the rule {place.label!r} is the audience already",
            hint="leave out `audience`, or leave out `rule`",
        )
    bp = 0 if wanted.audience is not None else wanted.canary_bp
    serve = _weighed(flag, before, bp, arms, maker)
    _check_kept(flag, before, serve, arms)
    rules = [each for each in found.rules if each.description not in {INCLUDE, AUDIENCE}]
    if place is not None:
        rules = [replace(each, serve=serve) if each is place else each for each in rules]
    if wanted.audience is not None:
        rules.append(_audience(flag, wanted, arms, maker, base=before))
    if wanted.include is not None:
        own = _own(found, INCLUDE, wanted.include, maker)
        rules.insert(0, replace(own, serve=Serve(variation=arms.canary)))
    fallthrough = found.fallthrough if place else serve
    return replace(found, fallthrough=fallthrough, rules=tuple(rules))


def _audience(flag: Flag, wanted: Exposure, arms: Arms, maker: Maker, *, base: Serve) -> Rule:
    rule = _own(flag.found, AUDIENCE, wanted.audience, maker)
    before = rule.serve if rule.id else base
    serve = _weighed(flag, before, wanted.canary_bp, arms, maker)
    _check_kept(flag, before, serve, arms)
    return replace(rule, serve=serve)


def _own(found: Configuration, title: str, cohort: Cohort | None, maker: Maker) -> Rule:
    """The rule of that title if it has these clauses in its place, else one to be made.

    One that somebody moved is not moved back: others' rules would have to be made anew.
    """
    clauses = clauses_of(cohort, maker.context_kind)
    end = found.rules[:1] if title == INCLUDE else found.rules[-1:]
    for rule in own_rules(found, title):
        if rule.clauses == clauses and rule in end:
            return rule
    return Rule(description=title, clauses=clauses, serve=Serve(variation="-"))


def _weighed(flag: Flag, before: Serve, bp: int, arms: Arms, maker: Maker) -> Serve:
    """The canary at `bp` of what the two arms have together; others keep their weight.

    None and all of everybody are one variation, not a rollout: contexts without the right
    attribute get the first listed variation of a rollout, whatever its weight.
    """
    others = {
        variation: weight
        for variation, weight in before.weights
        if weight and variation not in {arms.control, arms.canary}
    }
    if not others and bp in {0, FULL_BP}:
        return Serve(variation=arms.canary if bp else arms.control)
    pool = WEIGHT_TOTAL - sum(others.values())
    canary, rest = divmod(pool * bp, FULL_BP)
    if rest:
        raise Rejected(
            f"{flag.key}: {bp / 100:g}% of the {pool / 1000:g}% that the two arms have is no"
            " whole thousandth of a percent",
            hint="give the other variations a whole percentage, or none",
        )
    weights = {**others, arms.control: pool - canary, arms.canary: canary}
    # Every variation, in the flag's order: nothing is left for the service to choose.
    return Serve(
        weights=tuple((each.id, weights.get(each.id, 0)) for each in flag.variations),
        context_kind=maker.context_kind,
        bucket_by=maker.bucket_by,
    )


def _check_kept(flag: Flag, before: Serve, after: Serve, arms: Arms) -> None:
    reason = shuffled(before, after, arms, flag)
    if reason:
        raise Rejected(
            f"{flag.key}: {reason}",
            hint="bring the variations that are not under test to 0%, or make a flag whose two"
            " arms stand side by side",
        )


def _turned_on(flag: Flag, result: Configuration, arms: Arms) -> Configuration:
    """On; refused if that would bring to life what somebody else set up."""
    found = flag.found
    notes = list(strangers(flag, found, arms))
    if notes or found.off_variation not in {"", arms.control}:
        reason = "; ".join(notes) or f"it serves {flag.label(found.off_variation)}"
        raise Rejected(
            f"{flag.key} is off, and turning it on is your decision: {reason}",
            hint="turn it on by hand, or bring it to the control first",
        )
    return replace(result, on=True)
