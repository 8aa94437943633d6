"""What one population of one stream counts in an interval: the draws, prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add

from rolloutctl.simulation.draws import Draws, Expected
from rolloutctl.simulation.latency import bucket_shares
from rolloutctl.simulation.shapes import SESSION_CORRELATION, SESSION_REQUESTS, Level
from rolloutctl.simulation.streams import Role, Slot

#: Standard deviation of the logarithm of what a request costs: p99 is ten times the median.
COST_LOG_SD = 1.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Means of everything that an interval brings; `draw` lets it happen.

    Attributes:
        count: where it is added.
        parts: slots of the kinds of requests that are told apart.
        means: of the other requests, and of each of these kinds.
        goods: slots that count whatever is not in `parts`.
        sums: (slot, mean of one request).
        histograms: (slot, mean of each bucket).
        is_clustered: requests come in sessions, some of which share one fate.
    """

    count: Count
    parts: tuple[str, ...]
    means: tuple[float, ...]
    goods: tuple[str, ...]
    sums: tuple[tuple[str, float], ...]
    histograms: tuple[tuple[str, tuple[float, ...]], ...]
    is_clustered: bool

    def draw(self, draws: Draws | Expected) -> None:
        """Adds one interval's requests to the count."""
        all_of = (_Sessions(draws) if self.is_clustered else draws).poissons
        by_slot = self.count.by_slot
        rest, *numbers = all_of(self.means)
        total = rest
        for slot, number in zip(self.parts, numbers, strict=True):
            by_slot[slot] += number
            total += number
        for slot in self.goods:
            by_slot[slot] += rest
        for slot, mean in self.sums:
            by_slot[slot] += draws.sum_of(total, mean=mean, log_sd=COST_LOG_SD)  # type: ignore[arg-type]  # whole numbers where drawn, means where expected
        for slot, means in self.histograms:
            buckets = self.count.buckets[slot]
            buckets[:] = map(add, buckets, all_of(means))
        self.count.total += total


class _Sessions:
    """Draws where a part of the requests comes in sessions with one fate for all.

    Of two requests of a session the outcomes then correlate by `SESSION_CORRELATION`.
    """

    def __init__(self, draws: Draws | Expected) -> None:
        self._draws = draws

    def poisson(self, mean: float) -> float:
        together = self._draws.poisson(mean * SESSION_CORRELATION / SESSION_REQUESTS)
        return SESSION_REQUESTS * together + self._draws.poisson(mean * (1 - SESSION_CORRELATION))

    def poissons(self, means: Sequence[float]) -> list[float]:
        return [self.poisson(mean) for mean in means]


def arrivals(
    count: Count,
    slots: Sequence[Slot],
    numbers: Mapping[str, float],
    *,
    requests: float,
    level: Level,
    is_clustered: bool = False,
) -> Arrivals:
    """Prepares an interval.

    Args:
        count: where it is counted; gets a place for every slot.
        slots: of the stream.
        numbers: each slot's share, mean or p99.
        requests: mean number of requests in the interval.
        level: what multiplies the shares of bad requests.
        is_clustered: requests come in sessions.
    """
    bads = [slot for slot in slots if slot.role is Role.BAD]
    goods = [slot for slot in slots if slot.role is Role.GOOD]
    if bads:
        shares = {slot.name: min(1.0, numbers[slot.name] * level.errors) for slot in bads}
    else:
        missed = {slot.name: min(1.0, (1 - numbers[slot.name]) * level.errors) for slot in goods}
        shares = {name: 1 - share for name, share in missed.items()}
    whole = max(1.0, sum(shares.values()))
    for slot in slots:
        if slot.role is Role.HISTOGRAM:
            count.buckets.setdefault(slot.name, [0] * (len(slot.bounds_s) + 1))
        else:
            count.by_slot.setdefault(slot.name, 0)
    return Arrivals(
        count=count,
        parts=tuple(shares),
        means=(
            requests * (1 - sum(shares.values()) / whole),
            *(requests * share / whole for share in shares.values()),
        ),
        goods=tuple(slot.name for slot in goods if bads),
        sums=tuple((s.name, numbers[s.name]) for s in slots if s.role is Role.SUM),
        histograms=tuple(
            (s.name, tuple(requests * one for one in bucket_shares(numbers[s.name], s.bounds_s)))
            for s in slots
            if s.role is Role.HISTOGRAM
        ),
        is_clustered=is_clustered,
    )
