"""The `targeting` of a flag: none, a split between variants, or somebody else's rule.

Facts of flagd's `fractional` (openfeature-provider-flagd 0.6.1, its `custom_ops.py`):
the first argument, if it is no list, is the expression that units are bucketed by; without
it (shorthand) the flag's key and the unit's `targetingKey` are. A unit whose bucketing
value is missing gets the `defaultVariant`. Weights must be integers: with a float among
them the Python SDK serves the default to everybody, and other SDKs cut the float.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rolloutctl.core.json_types import Json
from rolloutctl.providers.flagd_file.document import Edit, Node, children

#: Above this sum the SDKs serve the default to everybody (MaxInt32, same file).
WEIGHT_SUM_MAX = 2_147_483_647
#: Operators whose answer is text or a number, whatever their operands are.
_SCALAR_OPERATORS = frozenset({"cat", "substr", "var"})


class Share(NamedTuple):
    """One `[variant, weight]`; `start..end` is the text that states the weight.

    `weight` is None where it is no integer of at least 0. An absent weight means 1,
    and then `start == end` stands right behind the variant.
    """

    variant: str
    weight: int | None
    start: int
    end: int

    def weighing(self, weight: int) -> Edit:
        """The edit that gives this share another weight."""
        lead = ", " if self.start == self.end else ""
        return Edit(start=self.start, end=self.end, text=f"{lead}{weight}")


class Split(NamedTuple):
    """A `fractional` over literal variants, in the order of the file.

    `bucketing` is None for the shorthand.
    """

    shares: tuple[Share, ...]
    bucketing: Json = None

    @property
    def total(self) -> int | None:
        """Sum of the weights; None where one of them is not usable."""
        weights = [share.weight for share in self.shares]
        known = [weight for weight in weights if weight is not None]
        return sum(known) if len(known) == len(weights) else None


class Foreign(NamedTuple):
    """A rule that this adapter does not touch, and why."""

    reason: str


Targeting = Split | Foreign | None


def variant_name(value: Json) -> str | None:
    """The variant a literal names; SDKs read `true` as "true" and "" as none."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) and value else None


def read_targeting(text: str, node: Node) -> Targeting:
    """What the `targeting` member at `node` says; None means nothing."""
    if node.value is None or node.value == {}:
        return None
    if not isinstance(node.value, dict):
        return Foreign(reason="its targeting is not an object")
    rules, _ = children(text, node.start)
    if [rule.key for rule in rules] != ["fractional"]:
        operators = ", ".join(sorted({rule.key for rule in rules}))
        return Foreign(reason=f"its targeting is a rule of its own ({operators})")
    if not isinstance(rules[0].value, list):
        return Foreign(reason="its fractional is not a list")
    return _read_split(text, rules[0])


def _read_split(text: str, fractional: Node) -> Split | Foreign:
    items, _ = children(text, fractional.start)
    bucketing: Json = None
    if items and not isinstance(items[0].value, list):
        bucketing = items[0].value
        names = list(attributes_of(bucketing))
        if not _is_bucketing(bucketing) or all(name.startswith("$flagd") for name in names):
            return Foreign(
                reason="its fractional buckets by something other than var, cat or substr"
                " of the unit's own attributes"
            )
        items = items[1:]
    shares = [_read_share(text, item) for item in items]
    known = tuple(share for share in shares if share is not None)
    if not known or len(known) != len(shares):
        return Foreign(reason="its fractional has a share that is not [variant, weight]")
    return Split(shares=known, bucketing=bucketing)


def _read_share(text: str, item: Node) -> Share | None:
    if not isinstance(item.value, list):
        return None
    parts, _ = children(text, item.start)
    if len(parts) not in {1, 2}:
        return None
    variant = variant_name(parts[0].value)
    if variant is None:
        return None
    if len(parts) == 1:
        return Share(variant=variant, weight=1, start=parts[0].end, end=parts[0].end)
    weight = parts[1].value
    is_usable = isinstance(weight, int) and not isinstance(weight, bool) and weight >= 0
    return Share(
        variant=variant,
        weight=weight if isinstance(weight, int) and is_usable else None,
        start=parts[1].start,
        end=parts[1].end,
    )


def _is_bucketing(expression: Json) -> bool:
    """True for an expression that gives each unit its own text or number.

    SAFETY: an expression that yields a list would be read as one more share, with a
    weight nobody sees here, so `if`, `merge`, `$ref` and unknown operators are not
    accepted; a constant would put every unit into the same bucket.
    """
    if not isinstance(expression, dict) or len(expression) != 1:
        return False
    [(operator, operands)] = expression.items()
    each = operands if isinstance(operands, list) else [operands]
    if operator == "or":
        return all(_is_bucketing(operand) for operand in each)
    if operator == "var" and any(isinstance(operand, list | dict) for operand in each):
        return False
    return operator in _SCALAR_OPERATORS


def attributes_of(expression: Json) -> Iterator[str]:
    """The names that a bucketing expression reads from the unit."""
    if isinstance(expression, list):
        for operand in expression:
            yield from attributes_of(operand)
    elif isinstance(expression, dict):
        for operator, operands in expression.items():
            if operator == "var":
                name = operands[0] if isinstance(operands, list) and operands else operands
                if isinstance(name, str):
                    yield name
            else:
                yield from attributes_of(operands)
