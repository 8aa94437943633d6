"""Quantities as people write them, and the types that ask the decoder for them.

A spec field annotated `WeightBp` is written `5%` in a playbook and holds 500; a bare
number where a unit is needed is an error. `key()` names a field's YAML key when it
is not the field's own name (`window_s` is written `window`).
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any


class Unit(StrEnum):
    """The unit a decoded field is written in."""

    WEIGHT = "weight"  # "5%", "0.5%", "100%" -> int basis points
    DURATION = "duration"  # "90s", "10m", "24h", "7d", "1h30m", "500ms" -> float seconds
    FACTOR = "factor"  # "1.25x" -> float
    SHARE = "share"  # "5%" -> float 0.05, not bounded to basis points
    POINTS = "points"  # "+5pp", "-2pp" -> float 0.05
    NAME = "name"  # keeps its source text: off, 0.10, 1e3 and null are names


WeightBp = Annotated[int, Unit.WEIGHT]
DurationS = Annotated[float, Unit.DURATION]
Factor = Annotated[float, Unit.FACTOR]
Share = Annotated[float, Unit.SHARE]
Points = Annotated[float, Unit.POINTS]
#: Text taken as written, whatever YAML would make of it.
Name = Annotated[str, Unit.NAME]


def key(name: str, *, doc: str = "", **arguments: Any) -> Any:
    """A dataclass field written under `name` in YAML; `doc` goes into the schema."""
    return field(metadata={"key": name, "doc": doc}, **arguments)


def doc(text: str, **arguments: Any) -> Any:
    """A dataclass field with a description for the schema."""
    return field(metadata={"doc": text}, **arguments)


# Compiled at first use (`re` keeps them): the kill switch imports this file and parses none.
_WEIGHT = r"(\d+(?:\.\d+)?)\s*%"
_SHARE = r"(\d+(?:\.\d+)?)\s*%"
_FACTOR = r"(\d+(?:\.\d+)?)x"
_POINTS = r"([+-]\d+(?:\.\d+)?)\s*pp"
_DURATION = r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+"
_DURATION_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
#: What each unit looks like, for the published schema; `NAME` is any text.
PATTERNS = {
    Unit.WEIGHT: _WEIGHT,
    Unit.DURATION: _DURATION,
    Unit.FACTOR: _FACTOR,
    Unit.SHARE: _SHARE,
    Unit.POINTS: _POINTS,
}
#: Ten years; anything longer is a typing error, and still fits a timedelta.
DURATION_MAX_S = 10 * 365 * 86400.0


def parse_weight(text: str) -> int:
    """Parses "5%" to basis points. Raises `ValueError` with what to write instead."""
    match = re.fullmatch(_WEIGHT, text.strip())
    if not match:
        raise ValueError("a weight is a percentage such as 5% or 0.5%")
    bp = round(float(match.group(1)) * 100)
    if bp > 10_000:  # noqa: PLR2004 - FULL_BP, without importing it
        raise ValueError("a weight is at most 100%")
    if abs(bp - float(match.group(1)) * 100) > 1e-6:  # noqa: PLR2004 - float rounding only
        raise ValueError("the finest weight is 0.01%")
    return bp


def parse_duration(text: str) -> float:
    """Parses "1h30m" to seconds. Raises `ValueError` with what to write instead."""
    stripped = text.strip()
    if not re.fullmatch(_DURATION, stripped):
        raise ValueError("a duration is a number with a unit such as 90s, 10m, 24h or 7d")
    seconds = sum(float(n) * _SECONDS[unit] for n, unit in re.findall(_DURATION_PART, stripped))
    if seconds > DURATION_MAX_S:
        raise ValueError("a duration is at most 10 years")
    return seconds


def parse_factor(text: str) -> float:
    """Parses "1.25x". Raises `ValueError` with what to write instead."""
    match = re.fullmatch(_FACTOR, text.strip())
    if not match:
        raise ValueError("a factor is a number with x such as 1.25x")
    return float(match.group(1))


def parse_share(text: str) -> float:
    """Parses "5%" to 0.05. Raises `ValueError` with what to write instead."""
    match = re.fullmatch(_SHARE, text.strip())
    if not match:
        raise ValueError("a share is a percentage such as 5%")
    return float(match.group(1)) / 100.0


def parse_points(text: str) -> float:
    """Parses "+5pp" to 0.05. Raises `ValueError` with what to write instead."""
    match = re.fullmatch(_POINTS, text.strip())
    if not match:
        raise ValueError("a difference is signed percentage points such as +5pp or -2pp")
    return float(match.group(1)) / 100.0


@lru_cache(maxsize=1024)
def format_duration(seconds: float) -> str:
    """Formats seconds as people write them: 5400 -> "1h30m", 0.5 -> "500ms"."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds > 0 else "0s"
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
