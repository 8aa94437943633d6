"""What one population of one stream counts in an interval: the draws, prepared once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add
from typing import NamedTuple

from rolloutctl.simulation.draws import Draws, Expected
from rolloutctl.simulation.latency import bucket_shares
from rolloutctl.simulation.shapes import SESSION_CORRELATION, SESSION_REQUESTS
from rolloutctl.simulation.streams import Role, Slot

#: Standard deviation of the logarithm of what a request costs: p99 is ten times the median.
COST_LOG_SD = 1.0
#: Kinds of intervals whose means are kept: levels come back in every run.
_MEANS_MAX = 16_384


@dataclass(slots=True, kw_only=True)
class Count:
    """What one population of one stream has counted so far: raw counters, never falling.

    Attributes:
        total: all requests.
        by_slot: bad (or good) requests, and sums, by slot.
        buckets: requests in each bucket (not cumulative), the last above every bound.
    """

    total: float = 0
    by_slot: dict[str, float] = field(default_factory=dict)
    buckets: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, slots: Iterable[Slot]) -> Count:
        """Nothing counted yet, with a place for every slot."""
        count = cls()
        count.prepare(slots)
        return count

    def prepare(self, slots: Iterable[Slot]) -> None:
        """Gets a place for every slot."""
        for slot in slots:
            if slot.role is Role.HISTOGRAM:
                self.buckets.setdefault(slot.name, [0] * (len(slot.bounds_s) + 1))
            else:
                self.by_slot.setdefault(slot.name, 0)

    def copied(self) -> Count:
        """Its numbers as they are now."""
        buckets = {slot: list(row) for slot, row in self.buckets.items()}
        return Count(total=self.total, by_slot=dict(self.by_slot), buckets=buckets)

    def become(self, other: Count) -> None:
        """Counts as many as `other`; a slot that it does not know has counted nothing."""
        self.total = other.total
        for slot in self.by_slot:
            self.by_slot[slot] = other.by_slot.get(slot, 0)
        for slot, row in self.buckets.items():
            row[:] = other.buckets.get(slot) or [0] * len(row)


class Arrivals(NamedTuple):
    """Means of everything that an interval brings; `draw` lets it happen.

    Attributes:
        counted: where it is added.
        parts: slots of the kinds of requests that are told apart.
        kinds: draws the other requests, and those of each of these kinds.
        goods: slots that count whatever is not in `parts`.
        sums: (slot, mean of one request).
        histograms: (slot, draws the requests of each bucket).
    """

    counted: Count
    parts: tuple[str, ...]
    kinds: Callable[[], Sequence[float]]
    goods: tuple[str, ...]
    sums: tuple[tuple[str, float], ...]
    histograms: tuple[tuple[str, Callable[[], Sequence[float]]], ...]

    def draw(self, draws: Draws | Expected) -> None:
        """Adds one interval's requests to the count."""
        by_slot = self.counted.by_slot
        rest, *numbers = self.kinds()
        total = rest
        for slot, number in zip(self.parts, numbers, strict=True):
            by_slot[slot] += number
            total += number
        for slot in self.goods:
            by_slot[slot] += rest
        for slot, mean in self.sums:
            by_slot[slot] += draws.sum_of(total, mean=mean, log_sd=COST_LOG_SD)  # type: ignore[arg-type]  # whole numbers where drawn, means where expected
        for slot, drawn in self.histograms:
            buckets = self.counted.buckets[slot]
            buckets[:] = map(add, buckets, drawn())
        self.counted.total += total


class _Sessions:
    """Draws where a part of the requests comes in sessions with one fate for all.

    Of two requests of a session the outcomes then correlate by `SESSION_CORRELATION`.
    """

    def __init__(self, draws: Draws | Expected) -> None:
        self._draws = draws

    def poisson(self, mean: float) -> float:
        together = self._draws.poisson(mean * SESSION_CORRELATION / SESSION_REQUESTS)
        return SESSION_REQUESTS * together + self._draws.poisson(mean * (1 - SESSION_CORRELATION))

    def row(self, means: Sequence[float]) -> Callable[[], list[float]]:
        return lambda: [self.poisson(mean) for mean in means]


class _Means(NamedTuple):
    """What an interval brings on average: of the kinds of requests, and of each bucket."""

    parts: tuple[str, ...]
    kinds: tuple[float, ...]
    histograms: tuple[tuple[str, tuple[float, ...]], ...]


def arrivals(
    count: Count,
    numbers: Mapping[Slot, float],
    *,
    requests: float,
    errors: float,
    draws: Draws | Expected,
    is_clustered: bool = False,
) -> Arrivals:
    """Prepares an interval.

    Args:
        count: where it is counted; gets a place for every slot.
        numbers: the share, mean or p99 of each slot of the stream.
        requests: mean number of requests in the interval.
        errors: what multiplies the shares of bad requests.
        draws: where chance comes from.
        is_clustered: requests come in sessions, some of which share one fate.
    """
    count.prepare(numbers)
    means = _means(tuple(numbers.items()), requests=requests, errors=errors)
    row = (_Sessions(draws) if is_clustered else draws).row
    has_bad = any(slot.role is Role.BAD for slot in numbers)
    return Arrivals(
        counted=count,
        parts=means.parts,
        kinds=row(means.kinds),
        goods=tuple(s.name for s in numbers if s.role is Role.GOOD and has_bad),
        sums=tuple((s.name, mean) for s, mean in numbers.items() if s.role is Role.SUM),
        histograms=tuple((name, row(buckets)) for name, buckets in means.histograms),
    )


@lru_cache(maxsize=_MEANS_MAX)
def _means(known: tuple[tuple[Slot, float], ...], *, requests: float, errors: float) -> _Means:
    """The means of an interval: many runs have the same ones."""
    bad = {s.name: min(1.0, n * errors) for s, n in known if s.role is Role.BAD}
    if not bad:  # told by the good ones
        bad = {s.name: 1 - min(1.0, (1 - n) * errors) for s, n in known if s.role is Role.GOOD}
    whole = max(1.0, sum(bad.values()))
    return _Means(
        parts=tuple(bad),
        kinds=(
            requests * (1 - sum(bad.values()) / whole),
            *(requests * share / whole for share in bad.values()),
        ),
        histograms=tuple(
            (s.name, tuple([requests * one for one in bucket_shares(n, s.bounds_s)]))
            for s, n in known
            if s.role is Role.HISTOGRAM
        ),
    )
