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
#: Seven digits tell 0.9499999 from 0.95, so that no message reads "observed 0.95 < 0.95".
_DIGITS = ".7g"
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

    def __str__(self) -> str:
        return f"{self.sign} {self.show(self.limit)}"

    def holds(self, number: float) -> bool:
        """Does it hold for this number? Never for a NaN."""
        return not math.isnan(number) and _OPERATORS[self.sign](number, self.limit)

    def holds_above(self, bound: float) -> bool | None:
        """Does it hold for a number known only to be above `bound`? None: cannot be said."""
        return self.holds(math.inf) if self.limit <= bound else None

    def show(self, number: float) -> str:
        """Formats a number in the unit of the limit."""
        scaled = number * 100 if self.unit == "%" else number
        return f"{scaled:{_DIGITS}}{self.unit}"


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
