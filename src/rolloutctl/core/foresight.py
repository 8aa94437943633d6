"""Answers at many looks at once, and what a gate can say of them all; data only.

A simulation knows what a source will answer. A kind of gate that has a method

    foresee(spec, evidence, ahead, context) -> Foreseen | None

says at how many of those looks, from the first on, `assess` would certainly pass, and what
evidence it would leave: the same to the last bit, without the sentences that nobody reads.
It is optional, pure, and never used where something is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from rolloutctl.core.json_types import Json


class Track(NamedTuple):
    """One series of an answer: its labels, and its value at each look, a float."""

    labels: tuple[tuple[str, str], ...]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Looks an interval apart, after one that passed; every answer is usable at each.

    Attributes:
        first: when the first of them is.
        interval: between two of them.
        count: how many.
        answers: the series of each of the gate's queries, in their order.
    """

    first: datetime
    interval: timedelta
    count: int
    answers: tuple[tuple[Track, ...], ...]

    def at(self, index: int) -> datetime:
        """When look `index` is."""
        return self.first + index * self.interval


class Foreseen(NamedTuple):
    """The first `looks` of those ahead pass, and leave `evidence`."""

    looks: int
    evidence: Json
