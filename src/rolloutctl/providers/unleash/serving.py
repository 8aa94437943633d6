"""What a configuration serves, said in the rollout's two arms; pure.

A plain flag (arms off and on) is on if any strategy says so. A flag with variants serves
the variants of the first strategy that applies. In both, rolloutctl knows its own
strategies by their titles, and one more that it adopts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from rolloutctl.core.exposure import FULL_BP, Cohort, Exposure, split
from rolloutctl.providers.unleash.cohorts import cohort_of
from rolloutctl.providers.unleash.configuration import (
    FLEXIBLE,
    WEIGHT_TOTAL,
    Configuration,
    Strategy,
    Variant,
    digest,
)
from rolloutctl.providers.unleash.place import Arms

#: Titles of the strategies that rolloutctl makes.
OWN = "rolloutctl"
INCLUDE = "rolloutctl: include"
AUDIENCE = "rolloutctl: audience"
_PERCENT_BP = 100
_PER_MILLE_BP = FULL_BP // WEIGHT_TOTAL
#: SAFETY: the server stores any text as a rollout; clients differ on everything but these.
_WHOLE_PERCENT = re.compile(r"0|[1-9][0-9]?|100")


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


def served(found: Configuration, arms: Arms) -> Served:
    """What applications get, exactly, or why it cannot be said."""
    try:
        if arms.is_switch:
            return _served_by_switch(found)
        return _served_by_variants(found, arms)
    except (_Unsayable, ValueError) as error:
        return Served(None, str(error))


def is_open(strategy: Strategy) -> bool:
    """It may turn a plain flag on for somebody."""
    return strategy.name != FLEXIBLE or strategy.parameters.get("rollout", "100") != "0"


def rollout_bp(strategy: Strategy) -> int:
    """The strategy's share in basis points. Raises `ValueError` if it has none."""
    if strategy.name != FLEXIBLE:
        raise ValueError(f"the strategy {strategy.label} is a {strategy.name}, not a {FLEXIBLE}")
    text = strategy.parameters.get("rollout", "100")
    if not _WHOLE_PERCENT.fullmatch(text):
        raise ValueError(
            f"the strategy {strategy.label} has the rollout {text!r}: clients disagree on"
            " anything but a whole number from 0 to 100"
        )
    return int(text) * _PERCENT_BP


def _served_by_switch(found: Configuration) -> Served:
    if not found.enabled:
        return Served(0)
    if not found.active:
        return Served(FULL_BP, "the environment is on without any strategy: on for everybody")
    include = [each for each in found.active if each.title == INCLUDE]
    others = [each for each in found.active if each.title != INCLUDE]
    live = [each for each in others if is_open(each)]
    if len({_reach(each) for each in live}) > 1:
        raise _Unsayable(f"several strategies turn it on: {_labels(live)}")
    own = live or [each for each in others if each.title == OWN] or others[:1]
    # Strategies of equal reach hash units alike: the largest share contains the others.
    bp = max((rollout_bp(each) for each in own), default=0)
    audience = cohort_of(own[0]) if own else None
    return Served(bp, audience=audience, include=_included(include))


def _reach(strategy: Strategy) -> str:
    """Equal for strategies that differ in their share alone.

    A creation that was sent twice on the way is seen for what it is.
    """
    parameters = {name: each for name, each in strategy.parameters.items() if name != "rollout"}
    document = {**strategy.as_json(), "parameters": parameters, "title": None, "sortOrder": 0}
    return digest(document)


def _included(strategies: list[Strategy]) -> Cohort | None:
    if not strategies:
        return None
    cohort = cohort_of(strategies[0])
    is_one = len({_reach(each) for each in strategies}) == 1
    if not is_one or cohort is None or rollout_bp(strategies[0]) != FULL_BP:
        raise _Unsayable(f"the strategy {INCLUDE} was edited: it is not one cohort at 100%")
    return cohort


def _served_by_variants(found: Configuration, arms: Arms) -> Served:
    strangers = [
        each for each in found.active if has_stranger(found.variants_of(each), arms.control)
    ]
    if not found.enabled:
        return Served(0, "the environment is off: applications use the default in their code")
    if not strangers:
        return Served(0, _fallback_note(found), audience=_idle_audience(found))
    include = [each for each in found.active if each.title == INCLUDE]
    audience = [each for each in found.active if each.title == AUDIENCE]
    base = [each for each in found.active if each.title not in {INCLUDE, AUDIENCE}]
    # Of several with equal reach the first decides.
    if len(base) != 1 or len({_reach(replace(each, variants=())) for each in audience}) > 1:
        raise _Unsayable(f"several strategies choose variants: {_labels(base + audience)}")
    if list(found.active) != [*include, *audience, *base]:
        raise _Unsayable("the strategies of rolloutctl do not stand before the others")
    base_bp = _reached(found, base[0], arms)
    included = _included(include)
    if include and weight_bp(found.variants_of(include[0]), arms) != FULL_BP:
        raise _Unsayable(f"the strategy {INCLUDE} does not serve {arms.canary!r} to all")
    if not audience:
        return Served(base_bp, include=included)
    if base_bp:
        raise _Unsayable(f"the strategies {AUDIENCE} and {base[0].label} both serve the canary")
    bp = weight_bp(found.variants_of(audience[0]), arms)
    if rollout_bp(audience[0]) != FULL_BP or not audience[0].is_restricted:
        raise _Unsayable(f"the strategy {AUDIENCE} was edited: it is not one cohort at 100%")
    return Served(bp, audience=cohort_of(audience[0]), include=included)


def _idle_audience(found: Configuration) -> Cohort | None:
    """The audience of a step that gives the canary nothing yet."""
    for strategy in found.active:
        if strategy.title == AUDIENCE:
            try:
                return cohort_of(strategy)
            except ValueError:
                return None  # nobody gets the canary, whomever it is for
    return None


def _reached(found: Configuration, base: Strategy, arms: Arms) -> int:
    """The share of the strategy that serves everybody."""
    if rollout_bp(base) != FULL_BP or base.is_restricted:
        raise _Unsayable(
            f"the strategy {base.label} does not reach everybody: the others get neither"
            f" {arms.control!r} nor {arms.canary!r}"
        )
    return weight_bp(found.variants_of(base), arms)


def weight_bp(variants: tuple[Variant, ...], arms: Arms) -> int:
    """The canary's share in basis points. Raises `ValueError` if others are served too."""
    overridden = [each.name for each in variants if each.rest.get("overrides")]
    if overridden:
        raise ValueError(f"overrides name units for {', '.join(overridden)}")
    others = [each.name for each in variants if each.weight and each.name not in _names(arms)]
    if others:
        raise ValueError(f"it also serves {', '.join(others)}")
    weights = [each.weight for each in variants]
    if not variants or sum(weights) != WEIGHT_TOTAL or min(weights) < 0:
        raise ValueError(f"the weights of its variants sum to {sum(weights)}, not {WEIGHT_TOTAL}")
    return sum(each.weight for each in variants if each.name == arms.canary) * _PER_MILLE_BP


def _names(arms: Arms) -> frozenset[str]:
    return frozenset({arms.control, arms.canary})


def has_stranger(variants: tuple[Variant, ...], control: str) -> bool:
    """Somebody may get a variant that is not control."""
    return any(each.may_be_served and each.name != control for each in variants)


def _fallback_note(found: Configuration) -> str:
    bare = [each for each in found.active if not found.variants_of(each)]
    if not bare:
        return ""
    return f"{_labels(bare)}: no variants, so applications use the default in their code"


def _labels(strategies: list[Strategy]) -> str:
    return ", ".join(strategy.label for strategy in strategies)
