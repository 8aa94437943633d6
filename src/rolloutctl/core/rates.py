"""How often something happened, from a counter's past; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolloutctl.core.measurement import Series

#: The label that tells a histogram's buckets apart.
_BOUND = "le"


def rates_per_s(named: Sequence[tuple[str, Series]]) -> Mapping[str, float]:
    """Events per second by name; series with a bucket's bound are named by the bound.

    A counter below its last value was reset: all it shows has happened since. Names
    without two rows in time are left out: nothing is known of them.
    """
    found: dict[str, float] = {}
    for name, series in named:
        rows = [(at, samples) for at, samples in series.rows if samples]
        if len(rows) < 2:  # noqa: PLR2004 - a difference needs two
            continue
        passed_s = (rows[-1][0] - rows[0][0]).total_seconds()
        for key, events in _events(name, series).items():
            found[key] = found.get(key, 0.0) + events / passed_s
    return found


def _events(name: str, series: Series) -> dict[str, float]:
    last: dict[tuple[tuple[str, str], ...], float] = {}
    events: dict[str, float] = {}
    for _, samples in series.rows:
        for sample in samples:
            key = _key(name, sample.labels)
            before = last.get(sample.labels)
            if before is not None:
                grown = sample.value - before
                events[key] = events.get(key, 0.0) + (grown if grown >= 0 else sample.value)
            else:
                events.setdefault(key, 0.0)
            last[sample.labels] = sample.value
    return events


def _key(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    bound = dict(labels).get(_BOUND)
    if bound is None:
        return name
    try:
        return str(float(bound))
    except ValueError:
        return name
