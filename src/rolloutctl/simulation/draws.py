"""Counts of rare and frequent events, drawn in bulk: exact Poisson numbers by table.

A look at a service counts thousands of requests; drawing each would cost a second a
minute. The number of events in an interval is Poisson, and so is the number of each kind
among them, independently (J. Kingman, Poisson Processes (1993), sections 1.2 and 5.1), so
one draw a kind is enough.

A draw inverts the distribution function: a table a mean, made once, and a binary search.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from random import Random

#: Above this mean the normal approximation with continuity correction is drawn; its largest
#: error in probability is below 0.2 % there (Berry-Esseen, 0.41/√mean).
TABLE_MEAN_MAX = 50_000.0
#: Tables kept: a run meets some dozens of means for each intensity of its traffic.
_TABLES_MAX = 16_384
#: Rows of means kept, such as those of a histogram's buckets.
_ROWS_MAX = 4_096
#: A table reaches so many standard deviations to each side: what is left out has a
#: probability below 1e-14.
_SPREAD = 8.0
_TAIL = 24
#: Up to so many values are drawn one by one; from there on their sum is normal.
_FEW = 12

#: The smallest value, and the distribution function from it on.
Table = tuple[int, tuple[float, ...]]


@lru_cache(maxsize=_TABLES_MAX)
def poisson_table(mean: float) -> Table:
    """The distribution function of a Poisson number, from where it begins to matter."""
    reach = _SPREAD * math.sqrt(mean)
    low, high = max(0, int(mean - reach) - _TAIL), int(mean + reach) + _TAIL
    log_mean = math.log(mean)
    chance = math.exp(low * log_mean - mean - math.lgamma(low + 1))
    if chance == 0.0:  # e^-mean underflows together with a long left tail
        chance = 5e-324
    below, total = [], 0.0
    for count in range(low, high + 1):
        total += chance
        below.append(total)
        chance *= mean / (count + 1)
    return low, tuple([one / total for one in below])


@lru_cache(maxsize=_ROWS_MAX)
def _tables(means: tuple[float, ...]) -> tuple[Table, ...] | None:
    """The tables of several means; None where one of them needs none."""
    if not all(0 < mean <= TABLE_MEAN_MAX for mean in means):
        return None
    return tuple([poisson_table(mean) for mean in means])


class Draws:
    """Random numbers of one run; equal seeds give equal numbers, everywhere."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - a simulation, nothing to guess
        self.uniform = self._random.random
        self.normal = self._random.gauss

    def poisson(self, mean: float) -> int:
        """A Poisson number; `mean` at least 0, finite."""
        if mean <= 0:
            return 0
        if mean > TABLE_MEAN_MAX:
            return max(0, round(mean + math.sqrt(mean) * self.normal(0.0, 1.0)))
        low, below = poisson_table(mean)
        return low + bisect_left(below, self.uniform())

    def row(self, means: tuple[float, ...]) -> Callable[[], list[int]]:
        """Draws one number for each mean, as `poisson` would one by one, again and again."""
        tables = _tables(means)
        if tables is None:
            return lambda: [self.poisson(mean) for mean in means]
        uniform = self.uniform
        return lambda: [low + bisect_left(below, uniform()) for low, below in tables]

    def state(self) -> object:
        """Where chance is now; `go_back` to it repeats what comes after."""
        return self._random.getstate()

    def go_back(self, state: object) -> None:
        """Goes on as from `state`."""
        self._random.setstate(state)  # type: ignore[arg-type]  # as `state` gave it

    def sum_of(self, count: int, *, mean: float, log_sd: float) -> float:
        """The sum of `count` lognormal values; normal from `_FEW` values on (central limit).

        Args:
            count: how many.
            mean: of one value, above 0.
            log_sd: standard deviation of its logarithm.
        """
        if count <= 0 or mean <= 0:
            return 0.0
        if count <= _FEW:
            median = math.log(mean) - log_sd * log_sd / 2
            return math.fsum(math.exp(self.normal(median, log_sd)) for _ in range(count))
        spread = mean * math.sqrt(math.expm1(log_sd * log_sd) * count)
        return max(0.0, count * mean + spread * self.normal(0.0, 1.0))


class Expected:
    """In place of `Draws`: what happens on average, without chance."""

    def uniform(self) -> float:
        """The middle."""
        return 0.5

    def normal(self, mu: float, sigma: float) -> float:
        """The mean."""
        del sigma
        return mu

    def poisson(self, mean: float) -> float:
        """The mean itself."""
        return max(0.0, mean)

    def row(self, means: tuple[float, ...]) -> Callable[[], list[float]]:
        """The means themselves, again and again."""
        return lambda: [max(0.0, mean) for mean in means]

    def state(self) -> object:
        """Without chance there is none."""
        return None

    def go_back(self, state: object) -> None:
        """Nothing to go back to."""

    def sum_of(self, count: float, *, mean: float, log_sd: float) -> float:
        """The mean itself."""
        del log_sd
        return count * mean
