"""Fisher's exact test that two shares are the same.

Given how many have the property among both arms, how many of them are the canary's is
hypergeometric. Two-sided: the probability of every table that is at most as likely as the
one seen. Source: R. A. Fisher, "The Logic of Inductive Inference", Journal of the Royal
Statistical Society 98 (1935), 39-82; tables count as equally likely within a relative
1e-7, as in R's fisher.test and in scipy.

Exact but conservative: at a nominal 5 % it errs in 2.5 to 4.5 %. For counts too small for
chi-square.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from rolloutctl.core.stats.counted import Counted, Side, Significance, check

#: Relative difference within which two tables are equally likely.
_SAME = 1e-7
#: A chance so much smaller than the sum so far no longer counts, nor do those beyond it.
_NEGLIGIBLE = 1e-18


def fisher_test(control: Counted, canary: Counted, *, side: Side = Side.TWO_SIDED) -> Significance:
    """Does the canary's share differ from control's? The statistic is the odds ratio.

    The odds ratio is 1 where nobody or everybody has the property, and infinite where
    only the canary has it, or all of the canary.

    Raises:
        ValueError: an arm without anybody in it, or counts that are not whole.
    """
    for number in (*check(control), *check(canary)):
        if number != int(number):
            raise ValueError(f"Fisher's test counts whole events, not {number}")
    tables = _Tables(
        total0=int(control[1]), total1=int(canary[1]), count=int(control[0] + canary[0])
    )
    seen = int(canary[0])
    match side:
        case Side.GREATER:
            p_value = tables.at_least(seen)
        case Side.LESS:
            p_value = tables.at_most(seen)
        case Side.TWO_SIDED:
            p_value = tables.at_most_as_likely(seen)
        case _:
            assert_never(side)
    return Significance(statistic=_odds_ratio(control, canary), p_value=min(1.0, p_value))


def _odds_ratio(control: Counted, canary: Counted) -> float:
    above = canary[0] * (control[1] - control[0])
    below = control[0] * (canary[1] - canary[0])
    if below == 0:
        return math.inf if above > 0 else 1.0
    return above / below


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """All tables with the same margins, told apart by the canary's count.

    Their chances rise up to the mode and fall after it, so ends can be searched, and sums
    that begin at the mode or beyond can stop early.
    """

    total0: int
    total1: int
    count: int

    @property
    def low(self) -> int:
        """The canary's smallest possible count."""
        return max(0, self.count - self.total0)

    @property
    def high(self) -> int:
        """The canary's largest possible count."""
        return min(self.count, self.total1)

    @property
    def mode(self) -> int:
        """The canary's likeliest count."""
        return (self.count + 1) * (self.total1 + 1) // (self.total0 + self.total1 + 2)

    def log_chance(self, canary_count: int) -> float:
        """Logarithm of one table's probability."""
        mine = _log_choose(self.total1, canary_count)
        return (
            mine
            + _log_choose(self.total0, self.count - canary_count)
            - _log_choose(self.total0 + self.total1, self.count)
        )

    def at_least(self, seen: int) -> float:
        """The chance that the canary counts `seen` or more."""
        if seen > self.mode:
            return self._sum(range(seen, self.high + 1))
        return 1 - self._sum(range(seen - 1, self.low - 1, -1))

    def at_most(self, seen: int) -> float:
        """The chance that the canary counts `seen` or fewer."""
        if seen < self.mode:
            return self._sum(range(seen, self.low - 1, -1))
        return 1 - self._sum(range(seen + 1, self.high + 1))

    def at_most_as_likely(self, seen: int) -> float:
        """The chance of all tables that are at most as likely as the one with `seen`."""
        limit = self.log_chance(seen) + math.log1p(_SAME)
        rising, falling = range(self.low, self.mode + 1), range(self.mode, self.high + 1)
        below = bisect_left(rising, x=True, key=lambda one: self.log_chance(one) > limit)
        above = bisect_left(falling, x=True, key=lambda one: self.log_chance(one) <= limit)
        left = range(self.low + below - 1, self.low - 1, -1)
        right = range(max(self.mode + above, self.low + below), self.high + 1)
        return self._sum(left) + self._sum(right)

    def _sum(self, falling: Iterable[int]) -> float:
        """The chance of tables given from the likeliest to the least likely."""
        total = 0.0
        for one in falling:
            chance = math.exp(self.log_chance(one))
            total += chance
            if chance <= total * _NEGLIGIBLE:
                break
        return total


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
