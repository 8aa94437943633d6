"""How many of how many: what the methods for shares are given, and what they answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

#: (how many had the property, how many there were) of one arm.
Counted: TypeAlias = tuple[float, float]


class Side(StrEnum):
    """Which difference counts as one: the canary's share against control's."""

    TWO_SIDED = "two-sided"
    GREATER = "greater"  # the canary's is larger
    LESS = "less"  # the canary's is smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """What a test of a fixed sample says.

    Attributes:
        statistic: the test's own number; infinite only where the method says so.
        p_value: the chance of at least so large a difference if there is none, 0..1.
    """

    statistic: float
    p_value: float


def check(counted: Counted) -> Counted:
    """The same, if it is a share of at least one.

    Raises:
        ValueError: nothing was counted, more than all, less than none, or no number.
    """
    count, total = counted
    # Written so that a NaN, which is not at least anything, is refused too.
    if not (0 <= count <= total and 0 < total < math.inf):
        raise ValueError(f"{count} of {total} is not a share")
    return counted
