"""Recorded series and incidents as CSV: columns are named in the first row."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.core.selector import SelectorError, build_predicate, parse_selector
from rolloutctl.errors import InvalidSettings
from rolloutctl.simulation.recorded import Labels, Track

#: Rows of one file: half a year of twenty series every minute.
ROWS_MAX = 5_000_000
#: Columns that hold the metric's name, in this order.
_METRIC = ("metric", "__name__", "name")
#: Unix times above this are milliseconds.
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A time in which something was wrong with the canary, as people have labelled it."""

    name: str
    start: datetime
    end: datetime


class Recording:
    """The series of one file."""

    def __init__(self, series: Mapping[tuple[str, Labels], Track]) -> None:
        self._series = series

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Its first and last time."""
        first = min(track.times_s[0] for track in self._series.values())
        last = max(track.times_s[-1] for track in self._series.values())
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)

    def tracks(self, query: Query) -> list[Track]:
        """The series that a query selects: by selector, or by its whole text as a metric."""
        whole = [track for (metric, _), track in self._series.items() if metric == query.text]
        if whole or query.kind not in (QueryKind.COUNTERS, QueryKind.EXPRESSION):
            return whole  # an alert's name looks like a metric's, and is none
        try:
            selector = parse_selector(query.text)
            is_selected: Callable[[Mapping[str, str]], bool] = build_predicate(selector)
        except SelectorError:
            if query.kind is QueryKind.COUNTERS:
                raise
            return []  # an expression: nothing here can compute it
        return [
            track
            for (metric, labels), track in self._series.items()
            if metric in ("", selector.metric) and is_selected(dict(labels))
        ]


def read_recording(lines: Iterable[str], *, file: str) -> Recording:
    """Reads `time`, `value`, the metric's name (`metric` or `__name__`), and labels.

    Every other column is a label; an empty cell is a label that the series does not have.
    Times are RFC 3339 or Unix seconds; rows may be in any order.

    Raises:
        InvalidSettings: with the line, if something cannot be read.
    """
    found: dict[tuple[str, Labels], list[tuple[float, float]]] = {}
    for number, row in _rows(lines, file=file, needed=("time", "value")):
        at = _time(row.pop("time"), file=file, line=number).timestamp()
        value = _number(row.pop("value"), file=file, line=number)
        metric = next((row.pop(name) for name in _METRIC if name in row), "")
        labels = tuple(sorted((name, text) for name, text in row.items() if text))
        if math.isfinite(value):
            found.setdefault((metric, labels), []).append((at, value))
    if not found:
        raise InvalidSettings(f"{file}: no numbers in it", hint="columns: time,metric,…,value")
    series = {}
    for key, points in found.items():
        points.sort()
        times, values = zip(*points, strict=True)
        series[key] = Track(labels=key[1], times_s=times, values=values)
    return Recording(series)


def read_incidents(lines: Iterable[str], *, file: str) -> list[Incident]:
    """Reads `start`, `end` and, if there is one, `name`; in the order of their starts.

    Raises:
        InvalidSettings: with the line, if something cannot be read.
    """
    incidents: list[Incident] = []
    for number, row in _rows(lines, file=file, needed=("start", "end")):
        start = _time(row["start"], file=file, line=number)
        end = _time(row["end"], file=file, line=number)
        if end < start:
            raise InvalidSettings(f"{file}:{number}: the incident ends before it starts")
        name = row.get("name", "") or f"incident {len(incidents) + 1}"
        incidents.append(Incident(name=name, start=start, end=end))
    return sorted(incidents, key=lambda one: one.start)


def parse_time(text: str) -> datetime:
    """Parses RFC 3339 ("2026-03-01T12:00:00Z") or Unix seconds. Raises `ValueError`."""
    try:
        number = float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if not math.isfinite(number):
        raise ValueError("not a time")
    seconds = number / 1000 if abs(number) > _MILLISECONDS_FROM else number
    return datetime.fromtimestamp(seconds, UTC)


def _rows(
    lines: Iterable[str], *, file: str, needed: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        missing = [name for name in needed if name not in names]
        if missing:
            raise InvalidSettings(
                f"{file}: no column {', '.join(missing)}; found: {', '.join(names) or 'none'}",
                hint="name the columns in the first row",
            )
        reader.fieldnames = names
        for count, row in enumerate(reader):
            if count >= ROWS_MAX:
                raise InvalidSettings(f"{file}: more than {ROWS_MAX} rows", hint="split the file")
            if None in row or None in row.values():
                raise InvalidSettings(f"{file}:{reader.line_num}: {len(names)} columns expected")
            yield reader.line_num, {name: text.strip() for name, text in row.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file}:{reader.line_num}: not a CSV: {error}") from error


def _time(text: str, *, file: str, line: int) -> datetime:
    try:
        return parse_time(text)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidSettings(
            f"{file}:{line}: {text!r:.80} is no time", hint="write 2026-03-01T12:00:00Z"
        ) from error


def _number(text: str, *, file: str, line: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidSettings(f"{file}:{line}: {text!r:.80} is no number") from error
