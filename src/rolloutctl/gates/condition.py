"""`pass` and `fail` conditions of a threshold: parse `"< 0.95"`, hold it against a value."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rolloutctl.core.units import parse_duration, parse_share

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(r"(<=|>=|==|!=|<|>)\s*(\S.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
#: Digits of a limit: as many as people write.
_LIMIT_DIGITS = 7
#: Digits of a measured number, below and from 1 on; more where rounding would move it
#: across the limit: no message reads "observed 0.95 < 0.95".
_SMALL_DIGITS, _DIGITS = 2, 3
#: From here on whole numbers are shown, never an exponent.
_WHOLE_FROM = 1_000
#: Parsed texts kept in memory: a playbook has a few, and asks for them at every tick.
_TEXTS_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison with a limit. `unit` is "%", "s" or "": how people wrote the limit.

    `limit` is in base units whatever was written: 95% is 0.95, 100ms is 0.1 (seconds).
    """

    sign: str
    limit: float
    unit: str = ""

    def __hash__(self) -> int:
        """Of the limit alone: its texts are looked up at every judgement."""
        return hash(self.limit)

    def __str__(self) -> str:
        return _written(self)

    def holds(self, number: float) -> bool:
        """Does it hold for this number? Never for a NaN."""
        return not math.isnan(number) and _OPERATORS[self.sign](number, self.limit)

    def holds_above(self, bound: float) -> bool | None:
        """Does it hold for a number known only to be above `bound`? None: cannot be said."""
        return self.holds(math.inf) if self.limit <= bound else None

    def show(self, number: float) -> str:
        """Formats a measured number in the unit of the limit, rounded for people.

        Rounding never hides on which side of the limit the number is.
        """
        scaled, limit = self._in_unit(number), _limit_shown(self)
        if not math.isfinite(scaled):
            return f"{scaled}{self._unit}"
        digits = _SMALL_DIGITS if abs(scaled) < 1 else _DIGITS
        shown, side = _rounded(scaled, digits), _side(scaled, limit)
        while _side(shown, limit) != side:
            digits += 1  # ends: 17 digits are the number itself
            shown = _rounded(scaled, digits)
        return f"{_text(shown)}{self._unit}"

    @property
    def _unit(self) -> str:
        return "ms" if self._is_short else self.unit

    @property
    def _is_short(self) -> bool:
        """Durations against a limit below a second are told in milliseconds."""
        return self.unit == "s" and 0 < self.limit < 1

    def _in_unit(self, number: float) -> float:
        """In the unit that the limit is told in."""
        factor = 100 if self.unit == "%" else 1000 if self._is_short else 1
        return float(f"{number * factor:.15g}")  # 0.07 * 100 is 7.000000000000001


@lru_cache(maxsize=_TEXTS_MAX)
def _written(condition: Condition) -> str:
    return f"{condition.sign} {_limit_shown(condition):.{_LIMIT_DIGITS}g}{condition._unit}"  # noqa: SLF001 - its own file


@lru_cache(maxsize=_TEXTS_MAX)
def _limit_shown(condition: Condition) -> float:
    return condition._in_unit(condition.limit)  # noqa: SLF001 - its own file


def _rounded(number: float, digits: int) -> float:
    if abs(number) >= _WHOLE_FROM and digits <= _DIGITS:
        return float(round(number))
    return float(f"{number:.{digits}g}")


def _side(number: float, limit: float) -> int:
    return (number > limit) - (number < limit)


def _text(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number!r}"  # noqa: PLR2004 - exact integers end near there


@lru_cache(maxsize=_TEXTS_MAX)
def parse_condition(text: str) -> Condition:
    """Parses "> 0.99", "<= 95%", "> 2.5s". Raises `ValueError` with what to write instead."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise ValueError('a condition is < <= > >= == or != and a number, such as "< 0.95"')
    sign, limit = match.group(1), match.group(2)
    if _NUMBER.fullmatch(limit):
        number = float(limit)
        if not math.isfinite(number):
            raise ValueError("the limit of a condition is a finite number")
        return Condition(sign=sign, limit=number)
    for parse, unit in ((parse_share, "%"), (parse_duration, "s")):
        try:
            return Condition(sign=sign, limit=parse(limit), unit=unit)
        except ValueError:
            continue
    raise ValueError(f"{limit!r} is not a number such as 0.95, 95%, 2.5s or 100ms")


def common_value(first: Condition, second: Condition) -> float | None:
    """A number for which both conditions hold, or None.

    Each holds on a union of intervals that end at its limit, so trying both ends, both
    limits and the middle between them finds a common number if there is one.
    """
    middle = first.limit / 2 + second.limit / 2
    for number in (first.limit, second.limit, middle, -math.inf, math.inf):
        if first.holds(number) and second.holds(number):
            return number
    return None
