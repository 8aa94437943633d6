"""Whether a unit's context satisfies a rule, evaluated by us; pure.

AWS's Agent is the only program that knows: the hash of `split` is not published. Here it is
SHA-256, so the shares come out the same, and which units they are does not. A value that is
missing, or of another type, satisfies no comparison: the Agent's own choice is not documented.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping

from rolloutctl.providers.appconfig.rule_language import Call, Key, Literal, Operand, is_literal

Context = Mapping[str, Literal]
_ALL_PERCENT = 100


def is_met(rule: Call, context: Context, *, seed: str) -> bool:
    """Does the unit satisfy the rule?

    Args:
        rule: the parsed rule.
        context: what the application says of the unit.
        seed: what `split` is seeded with where the rule names no seed: the flag's key.

    Raises:
        ValueError: an operator, or operands, that are not evaluated here.
    """
    if rule.operator in {"and", "or"}:
        found = [_condition(each, context, seed) for each in rule.operands]
        return all(found) if rule.operator == "and" else any(found)
    if rule.operator == "not" and len(rule.operands) == 1:
        return not _condition(rule.operands[0], context, seed)
    if rule.operator == "split":
        return _is_in_split(rule, context, seed)
    if rule.operator == "exists":
        return _text(rule, "key", 0) in context
    if rule.operator == "matches":
        given = _value(_named(rule, "in", 0), context)
        return isinstance(given, str) and _has_match(_text(rule, "pattern", 1), given)
    return _compare(rule, context)


def keys_of(rule: Call) -> Iterator[str]:
    """The context values that a rule reads, as often as it does."""
    for each in (*rule.operands, *rule.named.values()):
        if isinstance(each, Key):
            yield each.name
        elif isinstance(each, Call):
            yield from keys_of(each)
    if rule.operator == "exists":
        yield _text(rule, "key", 0)


def _condition(found: Operand, context: Context, seed: str) -> bool:
    if isinstance(found, Call):
        return is_met(found, context, seed=seed)
    if isinstance(found, bool):
        return found
    raise ValueError(f"{found!r} is neither true nor false")


_COMPARED: Mapping[str, Callable[[Literal, Literal], bool]] = {
    "eq": lambda given, wanted: given == wanted,
    "gt": lambda given, wanted: given > wanted,  # type: ignore[operator] # of one type, see below
    "gte": lambda given, wanted: given >= wanted,  # type: ignore[operator] # as above
    "lt": lambda given, wanted: given < wanted,  # type: ignore[operator] # as above
    "lte": lambda given, wanted: given <= wanted,  # type: ignore[operator] # as above
    "begins_with": lambda given, wanted: str(given).startswith(str(wanted)),
    "ends_with": lambda given, wanted: str(given).endswith(str(wanted)),
    "contains": lambda given, wanted: str(wanted) in str(given),
}


def _compare(rule: Call, context: Context) -> bool:
    """Operators of two operands by place: a context value, and a constant or a list."""
    if len(rule.operands) != 2 or rule.named:  # noqa: PLR2004 - what is compared with what
        raise ValueError(f"({rule.operator} …) is not evaluated here")
    left, right = rule.operands
    given = _value(left, context)
    if rule.operator == "in" and isinstance(right, tuple):
        return given is not None and any(_is_same(given, each) for each in right)
    compared = _COMPARED.get(rule.operator)
    wanted = _value(right, context)
    if compared is None:
        raise ValueError(f"({rule.operator} …) is not evaluated here")
    if given is None or wanted is None or _kind(given) is not _kind(wanted):
        return False
    return compared(given, wanted)


def _is_same(given: Literal, wanted: Literal) -> bool:
    return _kind(given) is _kind(wanted) and given == wanted


def _kind(found: Literal) -> type:
    """To Python a truth value is a number; to AppConfig it is not."""
    if isinstance(found, bool):
        return bool
    return str if isinstance(found, str) else float


def _value(found: Operand, context: Context) -> Literal | None:
    if isinstance(found, Key):
        return context.get(found.name)
    if is_literal(found):
        return found
    raise ValueError(f"{found!r} is not evaluated here")


def _named(rule: Call, name: str, place: int) -> Operand:
    if name in rule.named:
        return rule.named[name]
    if place < len(rule.operands):
        return rule.operands[place]
    raise ValueError(f"({rule.operator} …) lacks {name}::")


def _text(rule: Call, name: str, place: int) -> str:
    found = _named(rule, name, place)
    if not isinstance(found, str):
        raise ValueError(f"{name}:: of ({rule.operator} …) is no text")  # noqa: TRY004 - text
    return found


def _has_match(pattern: str, given: str) -> bool:
    try:
        return re.search(pattern, given) is not None
    except re.error as error:
        raise ValueError(f"pattern {pattern!r}: {error}") from error


def _is_in_split(rule: Call, context: Context, seed: str) -> bool:
    percent = _named(rule, "pct", 0)
    given = _value(_named(rule, "by", 1), context)
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        raise ValueError("pct:: of (split …) is no number")  # noqa: TRY004 - text from outside
    seed = _text(rule, "seed", 2) if "seed" in rule.named else seed
    return given is not None and _place(f"{seed}\0{given}") < percent


def _place(text: str) -> float:
    """Where a unit stands within 0..100, evenly spread."""
    digest = hashlib.sha256(text.encode()).digest()[:8]
    return int.from_bytes(digest, "big") / 2**64 * _ALL_PERCENT
