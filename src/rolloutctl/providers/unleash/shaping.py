"""The configuration that serves an exposure; pure."""

from __future__ import annotations

from dataclasses import replace

from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, describe, format_bp, split
from rolloutctl.errors import Rejected
from rolloutctl.providers.unleash.cohorts import restrict
from rolloutctl.providers.unleash.configuration import FLEXIBLE, Configuration, Strategy, Variant
from rolloutctl.providers.unleash.place import Arms
from rolloutctl.providers.unleash.serving import AUDIENCE, INCLUDE, OWN, served
from rolloutctl.providers.unleash.weighing import VARIANT_STEP_BP, Maker, weighed

#: The finest share of a plain flag, in basis points.
SWITCH_STEP_BP = 100


def shaped(found: Configuration, wanted: Exposure, arms: Arms, *, maker: Maker) -> Configuration:
    """The configuration that serves `wanted` (shadow aside), as near to `found` as can be.

    Raises:
        Rejected: Unleash cannot serve it exactly, or somebody else's strategies are in the
            way. Nothing is ever rounded.
    """
    flat = replace(wanted, shadow_bp=0)
    now = served(found, arms)
    if now.canary_bp is not None and now.exposure(0) == flat:
        return found
    step_bp = SWITCH_STEP_BP if arms.is_switch else VARIANT_STEP_BP
    if wanted.canary_bp % step_bp:
        raise Rejected(
            f"{maker.group}: a share of {format_bp(wanted.canary_bp)} cannot be served"
            f" exactly: its shares come in steps of {format_bp(step_bp)}",
            hint="write a multiple of it" + ("; variants are finer" if arms.is_switch else ""),
        )
    shape = _shape_switch if arms.is_switch else _shape_variants
    result = shape(found, flat, arms, maker=maker)
    # SAFETY: the same reading that judges what is in force judges what would be, so nothing
    # is written that would then be seen as something else.
    after = served(result, arms)
    if after.exposure(0) != flat:
        detail = after.detail or f"it would serve {describe(after.exposure(0) or split(0))}"
        raise Rejected(
            f"{maker.group} cannot serve {describe(flat)}: {detail}",
            hint="disable the strategies that are not part of this rollout, then try again",
        )
    return result


def _shape_switch(
    found: Configuration,
    wanted: Exposure,
    arms: Arms,  # noqa: ARG001 - one signature for both kinds of flags
    *,
    maker: Maker,
) -> Configuration:
    rest = [each for each in found.strategies if each.title != INCLUDE]
    # A creation whose answer was lost may have been made twice: the first one is ours.
    twins = [each for each in rest if each.title == OWN][1:]
    rest = [each for each in rest if each not in twins]
    main = _adopted(rest) or maker.strategy(OWN, 0, sort_order=_after(rest))
    constraints, segments = restrict(wanted.audience)
    percent = str(wanted.canary_bp // SWITCH_STEP_BP)
    main = replace(
        main,
        disabled=False,
        parameters={**main.parameters, "rollout": percent},
        constraints=constraints,
        segments=segments,
    )
    strategies = [main if each.id == main.id else each for each in rest]
    if not main.id:
        strategies.append(main)
    if wanted.include is not None:
        strategies = [_included(found, wanted.include, (), maker=maker, before=rest), *strategies]
    # What is off is turned on only to give somebody the canary.
    return Configuration(
        enabled=found.enabled or not wanted.is_zero,
        strategies=_in_order(strategies),
        variants=found.variants,
    )


def _adopted(strategies: list[Strategy]) -> Strategy | None:
    """Ours by its title, or the only one that is evaluated."""
    own = [each for each in strategies if each.title == OWN]
    if own:
        return own[0]
    active = [each for each in strategies if not each.disabled and each.name == FLEXIBLE]
    return active[0] if len(active) == 1 else None


def _shape_variants(
    found: Configuration, wanted: Exposure, arms: Arms, *, maker: Maker
) -> Configuration:
    base = [
        each
        for each in found.strategies
        if not each.disabled and each.title not in {INCLUDE, AUDIENCE}
    ]
    if not found.enabled or len(base) != 1:
        raise Rejected(
            f"{maker.group} has no one strategy that serves {arms.control!r} to everybody",
            hint=ONE_STRATEGY_HINT,
        )
    rest = [each for each in found.strategies if each.title not in {INCLUDE, AUDIENCE}]
    general_bp = 0 if wanted.audience is not None else wanted.canary_bp
    variants = weighed(found.variants_of(base[0]), general_bp, arms, maker=maker)
    if found.variants and not base[0].variants:
        if wanted.audience is not None or wanted.include is not None:
            raise Rejected(
                f"{maker.group} has environment variants, which cannot be given to some units only",
                hint="move them to the strategy (Unleash: Variants in the strategy), then plan",
            )
        return replace(found, strategies=_in_order(rest), variants=variants)
    strategies = [replace(each, variants=variants) if each is base[0] else each for each in rest]
    if wanted.audience is not None:
        own = _named(found, AUDIENCE) or maker.strategy(AUDIENCE, 100, sort_order=_before(rest, 1))
        constraints, segments = restrict(wanted.audience)
        share = weighed(base[0].variants, wanted.canary_bp, arms, maker=maker)
        strategies.append(
            replace(
                own,
                disabled=False,
                # Buckets like the strategy behind it: whoever joins later keeps their arm.
                parameters={**base[0].parameters, "rollout": "100"},
                constraints=constraints,
                segments=segments,
                variants=share,
            )
        )
    if wanted.include is not None:
        everything = weighed(base[0].variants, FULL_BP, arms, maker=maker)
        included = _included(found, wanted.include, everything, maker=maker, before=rest)
        strategies.append(replace(included, parameters={**base[0].parameters, "rollout": "100"}))
    return replace(found, strategies=_in_order(strategies))


ONE_STRATEGY_HINT = (
    "turn the environment on with one gradual rollout strategy at 100% whose variants are"
    " the two arms, the control at 100%"
)


def _included(
    found: Configuration,
    cohort: Cohort,
    variants: tuple[Variant, ...],
    *,
    maker: Maker,
    before: list[Strategy],
) -> Strategy:
    own = _named(found, INCLUDE) or maker.strategy(INCLUDE, 100, sort_order=_before(before, 2))
    constraints, segments = restrict(cohort)
    return replace(
        own,
        disabled=False,
        parameters={**own.parameters, "rollout": "100"},
        constraints=constraints,
        segments=segments,
        variants=variants,
    )


def _named(found: Configuration, title: str) -> Strategy | None:
    return next((each for each in found.strategies if each.title == title), None)


def _before(strategies: list[Strategy], places: int) -> int:
    return min((each.sort_order for each in strategies), default=0) - places


def _after(strategies: list[Strategy]) -> int:
    return max((each.sort_order for each in strategies), default=-1) + 1


def _in_order(strategies: list[Strategy]) -> tuple[Strategy, ...]:
    return tuple(sorted(strategies, key=lambda strategy: strategy.sort_order))
