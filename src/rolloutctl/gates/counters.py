"""Raw counters to disjoint deltas: resets, new series, series that come and go.

The rules (as Prometheus' `increase` has them, without its extrapolation):

* A counter below its last value was reset: all it shows has happened since. The buckets of
  one histogram reset together, as soon as one of them falls.
* A series not seen before counts from 0, because the one before was read and did not have
  it: a first error makes a series whose first value is 1. Only the first reading of all
  is a mere starting point.
* A vanished series adds nothing; what it added before stays. Its last value is remembered,
  so that it is not counted from 0 when it comes back. Back after longer than `horizon_s`
  it starts anew: its delta would count events from outside the window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from rolloutctl.core.measurement import Sample
from rolloutctl.gates.readings import SERIES_MAX

#: How long a vanished series is remembered.
FORGET_S = 86_400.0
#: The label that tells a histogram's buckets apart.
BOUND_LABEL = "le"
#: 64 bits: among thousands of series the chance of two alike is below 1e-12.
_ID_BYTES = 8
#: Short names kept in memory: the same series come back at every tick.
_IDS_MAX = 16_384


class Point(NamedTuple):
    """One series' value, ready to be differenced.

    `name` is what its delta adds to; `group` are the series that reset together.
    """

    name: str
    series: str
    group: str
    number: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The values last seen, by series, and those of vanished series with when.

    `read_at_s`, as all times here, is in seconds since the epoch.
    """

    read_at_s: float
    last: Mapping[str, float]
    gone: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def points_of(name: str, samples: Sequence[Sample], *, by_bound: bool = False) -> list[Point]:
    """The points of one answer; with `by_bound` they are named by their bucket's bound."""
    if by_bound:
        return [Point(*_identify(name, sample.labels), sample.value) for sample in samples]
    points = []
    for sample in samples:
        _, series, group = _identify(name, sample.labels)
        points.append(Point(name, series, group, sample.value))
    return points


def difference(
    previous: Counters | None, points: Sequence[Point], *, now_s: float, horizon_s: float
) -> tuple[Counters, dict[str, float] | None]:
    """The counters to remember, and the events since the last reading by name.

    None instead of events when there is nothing to compare with: the first reading, or
    the last one longer than `horizon_s` ago or dated in the future.
    """
    last = {series: number for _, series, _, number in points}
    if previous is None or not 0 <= now_s - previous.read_at_s <= horizon_s:
        return Counters(read_at_s=now_s, last=last), None
    if not previous.gone and previous.last.keys() == last.keys():
        counts = _steady(previous.last, points)
        if counts is not None:
            return Counters(read_at_s=now_s, last=last), counts
    starts = {point.series: _start(point, previous, since_s=now_s - horizon_s) for point in points}
    resets = {point.group for point in points if point.number < (starts[point.series] or 0.0)}
    counts = {}
    for point in points:
        start = starts[point.series]
        if start is None:
            delta = 0.0
        else:
            delta = point.number if point.group in resets else point.number - start
        counts[point.name] = counts.get(point.name, 0.0) + delta
    gone = _vanished(previous, last, now_s=now_s)
    return Counters(read_at_s=now_s, last=last, gone=gone), counts


def _steady(last: Mapping[str, float], points: Sequence[Point]) -> dict[str, float] | None:
    """The events by name when nothing came, went or was reset; None otherwise.

    Nearly every look is like this; it gives what the general way gives.
    """
    counts: dict[str, float] = {}
    for name, series, _, number in points:
        delta = number - last[series]
        if delta < 0:
            return None
        counts[name] = counts.get(name, 0.0) + delta
    return counts


def _start(point: Point, previous: Counters, *, since_s: float) -> float | None:
    """Where a series counts from; None if only from now on."""
    if point.series in previous.last:
        return previous.last[point.series]
    if point.series not in previous.gone:
        return 0.0
    number, seen_at_s = previous.gone[point.series]
    return number if seen_at_s >= since_s else None


def _vanished(
    previous: Counters, last: Mapping[str, float], *, now_s: float
) -> dict[str, tuple[float, float]]:
    """Series not seen now, newest first, neither older nor more than we remember."""
    left = {
        series: (number, previous.read_at_s)
        for series, number in previous.last.items()
        if series not in last
    }
    oldest_s = now_s - FORGET_S
    left |= {
        series: (number, seen_at_s)
        for series, (number, seen_at_s) in previous.gone.items()
        if series not in last and seen_at_s >= oldest_s
    }
    return dict(islice(left.items(), SERIES_MAX))


@lru_cache(maxsize=_IDS_MAX)
def _identify(name: str, labels: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    """A series' bucket bound ("" without one), its short name and that of its group.

    Short, because label texts would make evidence many times larger.
    """
    bound = dict(labels).get(BOUND_LABEL, "")
    others = tuple(pair for pair in labels if pair[0] != BOUND_LABEL)
    return bound, _digest(name, labels), _digest(name, others)


def _digest(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    """A short name for a set of labels."""
    text = repr((name, sorted(labels)))
    return hashlib.blake2b(text.encode(), digest_size=_ID_BYTES).hexdigest()
