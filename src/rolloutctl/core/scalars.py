"""What one scalar of a playbook means: YAML 1.2's core rules, and ours for units.

The type that a field asks for decides, never the look of the text: `off`, `0.10` and
`null` stay names where a name is wanted. `yes`, `no`, `on` and `off` are never booleans.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin

from rolloutctl.core.report import listed, quoted, suggestion
from rolloutctl.core.units import (
    Unit,
    parse_duration,
    parse_factor,
    parse_points,
    parse_share,
    parse_weight,
)

#: Longer texts are no number and no quantity; also keeps float() from overflowing.
NUMBER_MAX_CHARS = 32
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
#: Numbers to YAML 1.2 readers, but nothing anybody should write in a playbook.
_ODD_NUMBER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False")}
_BOOLEANS["FALSE"] = False


class MisreadError(ValueError):
    """A text that is not what the field wants; `fix` says what to write."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Quantity:
    """How one unit is parsed, described, and suggested for a bare number."""

    def __init__(self, parse: Callable[[str], float], wanted: str, example: str) -> None:
        self.parse = parse
        self.wanted = wanted
        self.example = example


_QUANTITIES = {
    Unit.WEIGHT: Quantity(parse_weight, "a weight such as 5%", "{}%"),
    Unit.DURATION: Quantity(parse_duration, "a duration such as 90s, 10m or 24h", "{}s"),
    Unit.FACTOR: Quantity(parse_factor, "a factor such as 1.25x", "{}x"),
    Unit.SHARE: Quantity(parse_share, "a share such as 5%", "{}%"),
    Unit.POINTS: Quantity(parse_points, "a difference such as +5pp", "+{}pp"),
}


def is_null(text: str, *, plain: bool) -> bool:
    """Nothing, `~` or `null`, written without quotes."""
    return plain and text in _NULLS


def is_ambiguous(text: str) -> bool:
    """Would the unquoted text be something else than a string?"""
    return bool(
        text in _NULLS
        or text in _BOOLEANS
        or _NUMBER.fullmatch(text)
        or _ODD_NUMBER.fullmatch(text)
    )


def read(text: str, hint: Any, *, plain: bool, shown: str) -> object:  # Any: a type hint
    """Reads a scalar as the type `hint` asks for.

    Args:
        text: the text, references replaced.
        hint: str, int, float, bool, a StrEnum, a Literal of strings, or an Annotated unit.
        plain: written without quotes.
        shown: the text as a message may show it, values of the environment left out.

    Raises:
        MisreadError: when the text is not that; TypeError: when the hint is not supported.
    """
    unit = unit_of(hint)
    if unit is Unit.NAME:
        return _name(text, plain=plain)
    if is_null(text, plain=plain):
        raise MisreadError("has no value", f"write {expectation(hint)}, or remove the key")
    if unit is not None:
        return _quantity(text, unit)
    if hint is str:
        return text
    if hint is bool:
        return _boolean(text, plain=plain, shown=shown)
    if hint is int or hint is float:
        return _number(text, whole=hint is int, plain=plain, shown=shown)
    choices = choices_of(hint)
    if text not in choices:
        close = suggestion(text, choices)
        fix = f"did you mean {close}?" if close else f"write one of: {listed(choices)}"
        message = f"'{quoted(shown)}' is not one of: {listed(choices)}"
        raise MisreadError(message, fix)
    return hint(text) if isinstance(hint, type) else text


def read_free(text: str, *, plain: bool) -> str | int | float | bool:
    """Reads a scalar whose type only the text itself tells (values of a cohort).

    Raises:
        MisreadError: for null and for numbers in hexadecimal, octal, infinity and the like.
    """
    if not plain:
        return text
    if text in _NULLS or _ODD_NUMBER.fullmatch(text):
        raise MisreadError("is not a value to compare with", "put it in quotes if a text is meant")
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) and len(text) <= NUMBER_MAX_CHARS:
        return int(text)
    if _NUMBER.fullmatch(text):
        return _finite(text)
    return text


def unit_of(hint: Any) -> Unit | None:  # Any: a type hint
    """The unit that an annotated hint carries, or None."""
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Unit)), None)


def choices_of(hint: Any) -> tuple[str, ...]:  # Any: a type hint
    """The texts a closed set allows. Raises `TypeError` for any other hint."""
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return tuple(member.value for member in hint)
    if get_origin(hint) is Literal:
        return tuple(str(choice) for choice in get_args(hint))
    raise TypeError(f"a spec field cannot have the type {hint!r}; see core/decode.py")


def expectation(hint: Any) -> str:  # Any: a type hint
    """What to write for a scalar type, in a few words."""
    unit = unit_of(hint)
    if unit is not None:
        return "a name" if unit is Unit.NAME else _QUANTITIES[unit].wanted
    simple = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    return simple.get(hint) or f"one of: {listed(choices_of(hint))}"


def _name(text: str, *, plain: bool) -> str:
    if text == "":
        raise (
            MisreadError("has no value", 'write a name, or "" if the empty text is meant')
            if plain
            else MisreadError("is empty", "write a name")
        )
    return text


def _boolean(text: str, *, plain: bool, shown: str) -> bool:
    if plain and text in _BOOLEANS:
        return _BOOLEANS[text]
    fix = f"write {text.lower()} without quotes" if text in _BOOLEANS else "write true or false"
    raise MisreadError(f"'{quoted(shown)}' is not true or false", fix)


def _number(text: str, *, whole: bool, plain: bool, shown: str) -> int | float:
    pattern = _INTEGER if whole else _NUMBER
    wanted = "a whole number" if whole else "a number"
    if not pattern.fullmatch(text) or len(text) > NUMBER_MAX_CHARS:
        raise MisreadError(f"'{quoted(shown)}' is not {wanted}", f"write {wanted} such as 3")
    if not plain:
        raise MisreadError(f"is a text, not {wanted}", f"write {shown} without quotes")
    return int(text) if whole else _finite(text)


def _finite(text: str) -> float:
    value = float(text) if len(text) <= NUMBER_MAX_CHARS else math.inf
    if not math.isfinite(value):
        raise MisreadError("is too large a number", "write a finite number")
    return value


def _quantity(text: str, unit: Unit) -> float:
    quantity = _QUANTITIES[unit]
    if _NUMBER.fullmatch(text):
        written = quantity.example.format(text.lstrip("+"))
        raise MisreadError(f"is a bare number; {quantity.wanted} is needed", f"write {written}")
    if len(text) > NUMBER_MAX_CHARS or not text.isascii():
        raise MisreadError(f"is not {quantity.wanted}", f"write {quantity.wanted}")
    try:
        return quantity.parse(text)
    except ValueError as error:
        raise MisreadError(str(error), f"write {quantity.wanted}") from error
