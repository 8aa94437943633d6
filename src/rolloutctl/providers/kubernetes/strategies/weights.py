"""Weights of a route's backends, wherever they stand: what gateway and istio have in common.

The rules that are split are those that have both arms, or the one that the target names. A
kill by address knows the control only: then they are those with the control and anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolloutctl.core.exposure import FULL_BP, Exposure, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes.api import Object
from rolloutctl.providers.kubernetes.place import spec_of
from rolloutctl.providers.kubernetes.strategy import Side

_PERCENT = 100
Op = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where a kind of route keeps what.

    Attributes:
        rules, refs: keys of the rules below `spec`, and of the backends in one.
        name_of: how an arm names a backend.
        default: the weight of a backend that states none, by how many there are.
        identity: the key of a backend that a patch tests, "" for the backend's name.
    """

    rules: str
    refs: str
    name_of: Callable[[Mapping[str, Any]], str]
    default: Callable[[int], int]
    identity: str
    side_of: Callable[[Mapping[str, Any], str], Side]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that is split; `at` is its place in the object."""

    at: int
    name: str
    refs: Sequence[Mapping[str, Any]]
    body: Mapping[str, Any]

    def weights(self, shape: Shape) -> dict[str, int]:
        """Weight by arm's name; equal names add up."""
        found: dict[str, int] = {}
        for ref in self.refs:
            weight = int(ref.get("weight", shape.default(len(self.refs))))
            found[shape.name_of(ref)] = found.get(shape.name_of(ref), 0) + weight
        return found


def split_rules(value: Object, target: Target, shape: Shape) -> list[Rule]:
    """The rules that are split. Raises `Rejected` with what there is."""
    wanted, found = spec_of(target).rule, []
    control, canary = target.control.value, target.canary.value
    for at, body in enumerate(value.get("spec", {}).get(shape.rules) or ()):
        refs = body.get(shape.refs) or ()
        rule = Rule(at=at, name=str(body.get("name", "")), refs=refs, body=body)
        names = {shape.name_of(ref) for ref in refs}
        has_both = control in names and (canary in names if canary else len(names) > 1)
        if rule.name == wanted if wanted else has_both:
            if not has_both:
                raise Rejected(_lacking(value, rule, names, target), hint=_FIX)
            found.append(rule)
    if not found:
        raise Rejected(_nowhere(value, target, shape), hint=_FIX)
    return found


_FIX = "add both as backends to the rule, the canary with weight 0"


def _lacking(value: Object, rule: Rule, names: set[str], target: Target) -> str:
    lacks = {target.control.value, target.canary.value} - names - {""}
    return (
        f"{value.get('kind')} {value['metadata']['name']}: rule {rule.name or rule.at} has no"
        f" backend {' and no '.join(sorted(lacks))}; it has {', '.join(sorted(names)) or 'none'}"
    )


def _nowhere(value: Object, target: Target, shape: Shape) -> str:
    rules = value.get("spec", {}).get(shape.rules) or ()
    there = "; ".join(
        f"{body.get('name', at)}: {', '.join(map(shape.name_of, body.get(shape.refs) or ()))}"
        for at, body in enumerate(rules)
    )
    arms = " and ".join(filter(None, (target.control.value, target.canary.value)))
    named = f"rule {spec_of(target).rule!r}" if spec_of(target).rule else "rule"
    return f"{value.get('kind')} {value['metadata']['name']} has no {named} with {arms} ({there})"


def exposure_of(
    rules: Sequence[Rule], target: Target, shape: Shape, shadows_bp: Sequence[int]
) -> tuple[Exposure | None, str]:
    """What the rules serve; None and why where they do not serve our arms alone, or differ."""
    found = []
    for rule in rules:
        weights = rule.weights(shape)
        control = weights.pop(target.control.value, 0)
        canary = weights.pop(target.canary.value, 0) if target.canary.value else 0
        others = sorted(name for name, weight in weights.items() if weight)
        where = f"rule {rule.name or rule.at}"
        if others:
            return None, f"{where} also sends traffic to {', '.join(others)}"
        if not control + canary:
            return None, f"{where} has no weight at all: its requests are refused"
        found.append(round(canary * FULL_BP / (control + canary)))
    if len(set(found)) > 1 or len(set(shadows_bp)) > 1:
        shares = ", ".join(f"{bp / _PERCENT:g} %" for bp in found)
        return None, f"its rules differ: {shares}"
    return split(found[0], shadow_bp=shadows_bp[0]), ""


def numbers(canary_bp: int) -> tuple[int, int]:
    """Weights of control and canary: percents where they are whole, else basis points."""
    unit = _PERCENT if canary_bp % _PERCENT == 0 else 1
    return (FULL_BP - canary_bp) // unit, canary_bp // unit


def weigh(rule: Rule, shape: Shape, wanted: Mapping[str, int | None]) -> Iterator[Op]:
    """Operations that give the named backends their weights; None takes the key away."""
    for place, ref in enumerate(rule.refs):
        name = shape.name_of(ref)
        if name not in wanted or wanted[name] == ref.get("weight"):
            continue
        path = f"/spec/{shape.rules}/{rule.at}/{shape.refs}/{place}"
        # SAFETY: lists have no keys; whoever reordered the backends makes the test fail.
        yield {
            "op": "test",
            "path": f"{path}/{shape.identity}",
            "value": ref[shape.identity],
        }
        weight = wanted[name]
        if weight is None:
            yield {"op": "remove", "path": f"{path}/weight"}
        else:
            yield {"op": "add", "path": f"{path}/weight", "value": weight}


def sides_that_get(
    namespace: str, rule: Rule, shape: Shape, wanted: Mapping[str, int | None]
) -> Iterator[Side]:
    """Backends whose share grows."""
    old, unset = rule.weights(shape), shape.default(len(rule.refs))
    new = old | {name: unset if each is None else each for name, each in wanted.items()}
    was, will = sum(old.values()), sum(new.values())
    for ref in rule.refs:
        name = shape.name_of(ref)
        share = old[name] / was if was else 0.0
        if will and new[name] / will > share:
            yield shape.side_of(ref, namespace)


def owned_weights(rule: Rule, shape: Shape) -> list[Json]:
    """Names and written weights, for a restore point."""
    return [[shape.name_of(ref), ref.get("weight")] for ref in rule.refs]


def matched(
    saved: Sequence[Mapping[str, Any]], value: Object, shape: Shape
) -> list[tuple[Mapping[str, Any], Rule]]:
    """Each saved rule with the rule that it is now. Raises `Rejected` if one is gone."""
    bodies = value.get("spec", {}).get(shape.rules) or ()
    left = [
        Rule(at=at, name=str(body.get("name", "")), refs=body.get(shape.refs) or (), body=body)
        for at, body in enumerate(bodies)
    ]
    found = []
    for each in saved:
        names = {name for name, _ in each["refs"]}
        alike = [
            rule
            for rule in left
            if rule.name == each["rule"] and names <= {shape.name_of(ref) for ref in rule.refs}
        ]
        if not alike:
            raise Rejected(
                f"{value.get('kind')} {value['metadata']['name']}: rule {each['rule']!r} with"
                f" {', '.join(sorted(names))} is gone",
                hint="somebody rewrote the route: set its weights by hand",
            )
        found.append((each, alike[0]))
        left.remove(alike[0])
    return found
