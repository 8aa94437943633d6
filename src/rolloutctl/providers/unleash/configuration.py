"""A flag's configuration in one environment, as typed values, exact enough to write back.

Knows the shapes of the Admin API and nothing of rollouts. Field names of the JSON are
those of `GET …/features/{flag}` of server 8.2.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rolloutctl.core.json_types import Json
from rolloutctl.errors import Rejected

#: Weights of variants are thousandths.
WEIGHT_TOTAL = 1_000
FLEXIBLE = "flexibleRollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant. `rest` is its stickiness, payload and overrides, untouched."""

    name: str
    weight: int
    weight_type: str = "fix"
    rest: Mapping[str, Json] = field(default_factory=dict)

    @property
    def may_be_served(self) -> bool:
        """Somebody may get it: by weight, or because an override names them."""
        return self.weight > 0 or bool(self.rest.get("overrides"))

    def as_json(self) -> dict[str, Json]:
        """As the API takes it."""
        return {
            "name": self.name,
            "weight": self.weight,
            "weightType": self.weight_type,
            **self.rest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy. The id is identity, not configuration; empty for one not created yet."""

    id: str = ""
    name: str = FLEXIBLE
    title: str | None = None
    disabled: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[Mapping[str, Json], ...] = ()
    segments: tuple[int, ...] = ()
    variants: tuple[Variant, ...] = ()
    sort_order: int = 0

    def as_json(self) -> dict[str, Json]:
        """As the API takes it, without the id; variants sorted as the server answers them."""
        variants = sorted(self.variants, key=lambda variant: variant.name)
        return {
            "name": self.name,
            "title": self.title,
            "disabled": self.disabled,
            "parameters": dict(self.parameters),
            "constraints": [dict(each) for each in self.constraints],
            "segments": list(self.segments),
            "variants": [variant.as_json() for variant in variants],
            "sortOrder": self.sort_order,
        }

    @property
    def label(self) -> str:
        """What people know it by."""
        return self.title or self.name

    @property
    def is_restricted(self) -> bool:
        """It is for some units only."""
        return bool(self.constraints or self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that one environment says of a flag. `variants` are legacy environment variants."""

    enabled: bool
    strategies: tuple[Strategy, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def active(self) -> tuple[Strategy, ...]:
        """Strategies that are evaluated while the environment is on, in their order."""
        return tuple(each for each in self.strategies if not each.disabled)

    def variants_of(self, strategy: Strategy) -> tuple[Variant, ...]:
        """What the strategy serves: its own variants, or else the environment's."""
        return strategy.variants or self.variants

    def as_json(self, *, with_ids: bool) -> dict[str, Json]:
        """The whole configuration; ids are left out of fingerprints."""
        return {
            "enabled": self.enabled,
            "strategies": [
                {**({"id": each.id} if with_ids else {}), **each.as_json()}
                for each in self.strategies
            ],
            "variants": [variant.as_json() for variant in self.variants],
        }

    def with_strategy(self, strategy: Strategy) -> Configuration:
        """With `strategy` in the place of the one that has its id."""
        changed = [strategy if each.id == strategy.id else each for each in self.strategies]
        return replace(self, strategies=tuple(changed))


def digest(document: Json) -> str:
    """SHA-256 of a JSON value, equal for equal values."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_configuration(document: object, what: str) -> Configuration:
    """Reads an environment of the API's answer, or a snapshot of ours.

    Raises:
        Rejected: it has not the shape of server 8.2.0; nothing is guessed.
    """
    try:
        return _configuration(_mapping(document))
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(
            f"{what}: not a configuration that this version of rolloutctl knows"
            f" ({type(error).__name__}: {error})",
            hint="check that the address is an Unleash server's, version 5 or later",
        ) from error


def _configuration(document: Mapping[str, object]) -> Configuration:
    enabled = document["enabled"]
    if not isinstance(enabled, bool):
        raise TypeError("enabled is no boolean")
    strategies = [_strategy(_mapping(each)) for each in _list(document["strategies"])]
    ordered = sorted(strategies, key=lambda strategy: strategy.sort_order)
    return Configuration(
        enabled=enabled,
        strategies=tuple(ordered),
        variants=_variants(document.get("variants") or []),
    )


def _strategy(document: Mapping[str, object]) -> Strategy:
    title = document.get("title")
    parameters = _mapping(document.get("parameters") or {})
    segments = [_whole(each) for each in _list(document.get("segments") or [])]
    return Strategy(
        id=str(document.get("id", "")),
        name=str(document["name"]),
        title=None if title is None else str(title),
        disabled=bool(document.get("disabled", False)),
        parameters={name: str(given) for name, given in parameters.items()},
        constraints=tuple(_json(each) for each in _list(document.get("constraints") or [])),
        segments=tuple(segments),
        variants=_variants(document.get("variants") or []),
        sort_order=_whole(document.get("sortOrder") or 0),
    )


def _variants(items: object) -> tuple[Variant, ...]:
    variants = [_variant(_json(each)) for each in _list(items)]
    return tuple(sorted(variants, key=lambda variant: variant.name))


def _variant(document: Mapping[str, Json]) -> Variant:
    rest = dict(document)
    return Variant(
        name=str(rest.pop("name")),
        weight=_whole(rest.pop("weight")),
        weight_type=str(rest.pop("weightType", "variable")),
        rest=rest,
    )


def _mapping(found: object) -> Mapping[str, object]:
    if not isinstance(found, Mapping):
        raise TypeError(f"an object was expected, not {type(found).__name__}")
    return found


def _json(found: object) -> Mapping[str, Json]:
    """An object that came from JSON, so its values are JSON too."""
    return dict(_mapping(found))  # type: ignore[arg-type]  # what json.loads made


def _list(found: object) -> list[object]:
    if not isinstance(found, list | tuple):
        raise TypeError(f"a list was expected, not {type(found).__name__}")
    return list(found)


def _whole(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, int):
        raise TypeError(f"a whole number was expected, not {found!r:.40}")
    return found
