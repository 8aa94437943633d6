"""Numbers as people write them, taken out of texts and options, in base units."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNITS = {"%": 0.01, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "pp": 0.01, "": 1.0}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(%|ms|pp|s|m|h)?(?![\w.])")


def parse_number(text: str) -> float:
    """Parses "3%", "900ms", "0.03" to 0.03, 0.9, 0.03. Raises `ValueError`."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError("a number, with %, ms, s or m behind it if it has a unit")
    return float(match.group(1)) * _UNITS[match.group(2) or ""]


def numbers_in(value: object) -> list[float]:
    """Every number in a text, a number, or a list of them."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, str):
        return [float(n) * _UNITS[unit or ""] for n, unit in _NUMBER.findall(value)]
    if isinstance(value, Iterable):
        return [number for one in value for number in numbers_in(one)]
    return []
