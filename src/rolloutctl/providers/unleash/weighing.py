"""Variants: the two arms weighed, and the control for everybody; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected
from rolloutctl.providers.unleash.configuration import (
    WEIGHT_TOTAL,
    Configuration,
    Strategy,
    Variant,
)
from rolloutctl.providers.unleash.place import Arms, Payload
from rolloutctl.providers.unleash.serving import has_stranger

#: The finest share of a flag with variants, in basis points.
VARIANT_STEP_BP = FULL_BP // WEIGHT_TOTAL


class Maker:
    """What strategies that do not exist yet are made with.

    Args:
        group: what units are hashed with beside their own id; the flag's name.
        stickiness: the context field that keeps a unit in its arm.
        payload: for variants that do not exist yet.
    """

    __slots__ = ("group", "payload", "stickiness")

    def __init__(self, group: str, stickiness: str, payload: Payload | None = None) -> None:
        self.group = group
        self.stickiness = stickiness
        self.payload = payload

    def strategy(self, title: str, rollout: int, *, sort_order: int) -> Strategy:
        """One that reaches `rollout` percent."""
        parameters = {
            "rollout": str(rollout),
            "stickiness": self.stickiness,
            "groupId": self.group,
        }
        return Strategy(title=title, parameters=parameters, sort_order=sort_order)


def weighed(
    variants: tuple[Variant, ...], canary_bp: int, arms: Arms, *, maker: Maker
) -> tuple[Variant, ...]:
    """The variants with the canary at `canary_bp`, the control at the rest.

    Raises:
        Rejected: a variant is missing and nothing says what it would carry.
    """
    known = [each.name for each in variants]
    missing = [arm for arm in (arms.control, arms.canary) if arm not in known]
    result = [*variants, *(_made(arm, variants, arms, maker=maker) for arm in missing)]
    canary = canary_bp // VARIANT_STEP_BP
    weights = {arms.control: WEIGHT_TOTAL - canary, arms.canary: canary}
    # The server gives what is left to the variants of variable weight: that is control.
    weighty = [
        replace(
            each,
            weight=weights.get(each.name, each.weight),
            weight_type="variable" if each.name == arms.control else "fix",
        )
        for each in result
    ]
    return tuple(sorted(weighty, key=lambda variant: variant.name))


def _made(arm: str, variants: tuple[Variant, ...], arms: Arms, *, maker: Maker) -> Variant:
    payload = maker.payload
    if payload is None:
        raise Rejected(
            f"{maker.group} has no variant {arm!r}; it has {_names(variants)}",
            hint="add it in Unleash, or write payload: {type: …, control: …, canary: …}",
        )
    text = payload.control if arm == arms.control else payload.canary
    carried: dict[str, Json] = {"type": payload.type, "value": text}
    rest: dict[str, Json] = {"stickiness": _stickiness(variants, maker)}
    return Variant(name=arm, weight=0, rest={**rest, "payload": carried} if text else rest)


def _stickiness(variants: tuple[Variant, ...], maker: Maker) -> str:
    """Of the variants that are there: a strategy's variants are chosen by one field."""
    for variant in variants:
        found = variant.rest.get("stickiness")
        if isinstance(found, str):
            return found
    return maker.stickiness


def _names(variants: tuple[Variant, ...]) -> str:
    return ", ".join(each.name for each in variants) or "none"


def killed(found: Configuration, control: str, payload: Payload | None) -> Configuration:
    """Control at 100 % wherever another variant is served; everything else as it is.

    Nothing is turned on: neither the environment nor a disabled strategy. Strategies that
    serve no variants are left, because applications use their own default there.

    Raises:
        Rejected: nothing in the flag says what the control is.
    """
    pattern = _control_of(found, control, payload)
    strategies = []
    for each in found.strategies:
        is_bad = not each.disabled and has_stranger(each.variants, control)
        variants = _all_control(each.variants, pattern) if is_bad else each.variants
        strategies.append(replace(each, variants=variants))
    legacy = found.variants
    if has_stranger(legacy, control):
        legacy = _all_control(legacy, pattern)
    return replace(found, strategies=tuple(strategies), variants=legacy)


def _control_of(found: Configuration, control: str, payload: Payload | None) -> Variant:
    every = [each for strategy in found.strategies for each in strategy.variants]
    for variant in (*found.variants, *every):
        if variant.name == control:
            rest = {key: value for key, value in variant.rest.items() if key != "overrides"}
            return replace(variant, rest=rest)
    needs = any(has_stranger(each.variants, control) for each in found.active)
    if payload is None and (needs or has_stranger(found.variants, control)):
        names = sorted({each.name for each in (*found.variants, *every)})
        raise Rejected(
            f"no variant is named {control!r}: the flag cannot be brought to it",
            hint=f"{_meant(control, names)}its variants are: {', '.join(names)}; turning the "
            "environment off by hand gives applications the default in their code",
        )
    maker = Maker("", "default", payload or Payload())
    return _made(control, (), Arms(control, ""), maker=maker)


def _meant(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for this message

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def _all_control(variants: tuple[Variant, ...], pattern: Variant) -> tuple[Variant, ...]:
    """Weights alone change, and overrides go: payloads are somebody's work."""
    others = [
        replace(
            each,
            weight=0,
            weight_type="fix",
            rest={key: value for key, value in each.rest.items() if key != "overrides"},
        )
        for each in variants
        if each.name != pattern.name
    ]
    own = next((each for each in variants if each.name == pattern.name), pattern)
    kept = {key: value for key, value in own.rest.items() if key != "overrides"}
    own = replace(own, weight=WEIGHT_TOTAL, weight_type="variable", rest=kept)
    return tuple(sorted([*others, own], key=lambda variant: variant.name))
