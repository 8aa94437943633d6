"""A sliding window of disjoint counts, and what it looks like as JSON evidence.

Times are seconds since the epoch: a window is read and written at every judgement, and
formatted times were most of what a judgement cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

#: No tick is finer than this part of the window: shorter neighbours are added up. Two
#: neighbours then always span more than one part, so at most twice as many are kept.
TICKS_MAX = 120


class Tick(NamedTuple):
    """Events counted between two readings, by name ("bad", "total", a bucket's bound)."""

    start_s: float
    end_s: float
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Ticks in time order, none overlapping another."""

    ticks: tuple[Tick, ...] = ()

    def add(self, tick: Tick, *, window_s: float) -> Window:
        """The window with one more tick; bounded whatever the interval."""
        if self.ticks and tick.end_s - self.ticks[-1].start_s <= window_s / TICKS_MAX:
            last = self.ticks[-1]
            tick = Tick(last.start_s, tick.end_s, _sum((last.counts, tick.counts)))
            return Window(ticks=(*self.ticks[:-1], tick))
        return Window(ticks=(*self.ticks, tick))

    def recent(self, now_s: float, *, window_s: float) -> Window:
        """Only the ticks that reach into the last `window_s`; each of them counts whole."""
        oldest_s = now_s - window_s
        if not self.ticks or self.ticks[0].end_s > oldest_s:
            return self
        return Window(ticks=tuple([tick for tick in self.ticks if tick.end_s > oldest_s]))

    def totals(self) -> dict[str, float]:
        """Events by name over all ticks."""
        return _sum([tick.counts for tick in self.ticks])

    def to_json(self) -> list[Any]:  # Any: JSON rows of mixed type
        """Rows of [start, end, counts]."""
        return [[start_s, end_s, counts] for start_s, end_s, counts in self.ticks]

    @staticmethod
    def from_json(rows: list[Any]) -> Window:  # Any: JSON rows of mixed type
        """The reverse of `to_json`."""
        return Window(ticks=tuple([Tick(*row) for row in rows]))


def _sum(counts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Adds counts by name, in their order."""
    names = counts[0].keys() if counts else ()
    if not [1 for some in counts if some.keys() != names]:  # nearly always; a third of the time
        return {name: sum([some[name] for some in counts]) for name in names}
    totals: dict[str, float] = {}
    for some in counts:
        for name, count in some.items():
            totals[name] = totals.get(name, 0.0) + count
    return totals
