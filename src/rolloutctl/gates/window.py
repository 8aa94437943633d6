"""A sliding window of disjoint counts, and what it looks like as JSON evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

#: No tick is finer than this part of the window: shorter neighbours are added up. Two
#: neighbours then always span more than one part, so at most twice as many are kept.
TICKS_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Events counted between two readings, by name ("bad", "total", a bucket's bound)."""

    start: datetime
    end: datetime
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Ticks in time order, none overlapping another."""

    ticks: tuple[Tick, ...] = ()

    def add(self, tick: Tick, *, window_s: float) -> Window:
        """The window with one more tick; bounded whatever the interval."""
        finest = timedelta(seconds=window_s / TICKS_MAX)
        if self.ticks and tick.end - self.ticks[-1].start <= finest:
            last = self.ticks[-1]
            tick = Tick(start=last.start, end=tick.end, counts=_sum(last.counts, tick.counts))
            return Window(ticks=(*self.ticks[:-1], tick))
        return Window(ticks=(*self.ticks, tick))

    def recent(self, now: datetime, *, window_s: float) -> Window:
        """Only the ticks that reach into the last `window_s`; each of them counts whole."""
        oldest = now - timedelta(seconds=window_s)
        return Window(ticks=tuple(tick for tick in self.ticks if tick.end > oldest))

    def totals(self) -> dict[str, float]:
        """Events by name over all ticks."""
        totals: dict[str, float] = {}
        for tick in self.ticks:
            totals = _sum(totals, tick.counts)
        return totals

    def to_json(self) -> list[Any]:  # Any: JSON rows of mixed type
        """Rows of [start, end, counts]."""
        return [[t.start.isoformat(), t.end.isoformat(), dict(t.counts)] for t in self.ticks]

    @staticmethod
    def from_json(rows: list[Any]) -> Window:  # Any: JSON rows of mixed type
        """The reverse of `to_json`."""
        return Window(
            ticks=tuple(
                Tick(
                    start=datetime.fromisoformat(start),
                    end=datetime.fromisoformat(end),
                    counts=counts,
                )
                for start, end, counts in rows
            )
        )


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Adds counts by name."""
    names = dict.fromkeys((*first, *second))
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in names}
