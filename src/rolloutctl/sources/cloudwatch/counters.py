"""Counters made of sums: what was counted since 1 January (UTC), a metric.

Every gate that counts takes differences of growing numbers, as Prometheus has them. CloudWatch
has sums a period. Added up since a time that is the same for everybody they grow, also while
nobody looks. It is the beginning of the year because CloudWatch keeps 455 days; at New Year
counters start anew, as with a restart, and what came just before is not counted. The days
that are over are asked for as days, once a day and process; today by the minute.

SAFETY: a sum of a period may still grow when late points come in, but never shrinks. An answer
in which it does (CloudWatch is eventually consistent) would look like a restarted counter, and
the whole year would count as new. So a counter is never told smaller than it was, for as long
as the process lives.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rolloutctl.core.measurement import DataState, Measurement, Sample
from rolloutctl.core.units import format_duration
from rolloutctl.sources.cloudwatch.answers import doubt_of, floor_time, silent
from rolloutctl.sources.cloudwatch.api import Row
from rolloutctl.sources.cloudwatch.metric import Metric
from rolloutctl.sources.cloudwatch.spec import CloudWatchSpec

DAY_S = 86_400.0
REGION_LABEL = "region"
#: Metrics whose counts are remembered; more of them are read, but may shrink.
REMEMBERED_MAX = 2_000

_Key = tuple[str, Metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is read: whole periods from `start` to `end`; what is counted today: from `origin`."""

    start: datetime
    origin: datetime
    end: datetime

    @property
    def year(self) -> datetime:
        """Since when is counted."""
        return self.origin.replace(month=1, day=1)


def span_of(spec: CloudWatchSpec, at: datetime) -> Span:
    """The day of the newest whole period, and before it as far back as data may be old."""
    end = floor_time(at - timedelta(seconds=spec.offset_s), spec.period_s)
    origin = floor_time(end - timedelta(seconds=spec.period_s), DAY_S)
    recent = floor_time(at - timedelta(seconds=spec.staleness_s), spec.period_s)
    return Span(start=min(origin, recent), origin=origin, end=end)


@dataclass(slots=True)
class Memory:
    """By region and metric: the days that are over, and how high it was counted."""

    days: dict[_Key, tuple[datetime, float]] = field(default_factory=dict)
    highest: dict[_Key, tuple[Span, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, key: _Key, span: Span) -> float | None:
        """What was counted this year before today; None if it was not asked for yet."""
        origin, total = self.days.get(key, (None, 0.0))
        if span.origin == span.year:
            return 0.0
        return total if origin == span.origin else None

    def keep_before(self, key: _Key, span: Span, total: float) -> None:
        """Remembers that, until the day is over."""
        with self.lock:
            if len(self.days) >= REMEMBERED_MAX:
                self.days.clear()
            self.days[key] = (span.origin, total)

    def grown(self, key: _Key, span: Span, total: float) -> float:
        """The total, or what it was before if that was more."""
        with self.lock:
            known, highest = self.highest.get(key, (span, total))
            if span.end < known.end:
                return total  # a look into the past
            if known.year == span.year:
                total = max(total, highest)
            if key in self.highest or len(self.highest) < REMEMBERED_MAX:
                self.highest[key] = (span, total)
            return total


def queries_of(
    spec: CloudWatchSpec, metrics: Sequence[Metric]
) -> tuple[list[dict[str, Any]], dict[Metric, str]]:
    """The entries of one call, and the id of each metric and each witness (Any: the SDK's)."""
    asked = dict.fromkeys(metrics)
    for metric in metrics:
        witness = witness_of(spec, metric)
        if witness is not None:
            asked[witness] = None
    ids = {metric: f"m{index}" for index, metric in enumerate(asked)}
    return [
        metric.as_query(id_, period_s=spec.period_s, account=spec.account)
        for metric, id_ in ids.items()
    ], ids


def witness_of(spec: CloudWatchSpec, metric: Metric) -> Metric | None:
    """The metric whose data makes a zero of this one's silence, if the playbook names one."""
    name = spec.zero_where.get(metric.name)
    if name is None:
        return None
    return Metric(
        namespace=metric.namespace, name=name, dimensions=metric.dimensions, stat=metric.stat
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One region's answer to one question."""

    region: str
    rows: Mapping[str, Row]
    ids: Mapping[Metric, str]


class Counting:
    """Turns the rows of all regions into one measurement."""

    def __init__(self, spec: CloudWatchSpec, memory: Memory) -> None:
        self._spec = spec
        self._memory = memory

    def measure(
        self, metrics: Sequence[Metric], answers: Sequence[Answered], span: Span, at: datetime
    ) -> Measurement:
        """One sample a metric and region; no data where one of them says nothing of now."""
        samples, newest_all = [], []
        for answered in answers:
            for metric in metrics:
                row = answered.rows.get(answered.ids[metric])
                newest = self._alive(metric, answered, at)
                if isinstance(newest, Measurement) or row is None:
                    return newest if isinstance(newest, Measurement) else silent("no row", at)
                newest_all.append(newest)
                key = (answered.region, metric)
                before = self._memory.before(key, span)
                if before is None:
                    return silent(f"the days before today are not known of {metric}", at)
                today = [value for time, value in row.points.items() if time >= span.origin]
                region = (REGION_LABEL, answered.region)
                labels = (*metric.dimensions, region) if len(answers) > 1 else metric.dimensions
                # fsum: exact, so that one more point never makes the sum smaller.
                value = self._memory.grown(key, span, math.fsum((before, *today)))
                samples.append(Sample(labels=tuple(sorted(labels)), value=value))
        return Measurement(at=min(newest_all), state=DataState.OK, samples=tuple(samples))

    def _alive(self, metric: Metric, answered: Answered, at: datetime) -> datetime | Measurement:
        """When the newest data ends that proves the metric alive, or why it is no data."""
        row = answered.rows.get(answered.ids[metric])
        what = f"{metric} in {answered.region}"
        if doubt := doubt_of(row, what):
            return silent(doubt, at)
        witness = witness_of(self._spec, metric)
        witnessed = answered.rows.get(answered.ids[witness]) if witness is not None else None
        if witness is not None and (doubt := doubt_of(witnessed, witness)):
            return silent(doubt, at)
        times = [one for each in (row, witnessed) if each is not None for one in each.points]
        if not times:
            return silent(self._nothing(metric, witness, what), at, row)
        ended = max(times) + timedelta(seconds=self._spec.period_s)
        age_s = (at - ended).total_seconds()
        if age_s <= self._spec.staleness_s:
            return ended
        limit = format_duration(self._spec.staleness_s)
        age = f"the newest datapoint is {format_duration(age_s)} old; the limit is {limit}"
        return silent(f"{what}: {age}", ended)

    def _nothing(self, metric: Metric, witness: Metric | None, what: str) -> str:
        if witness is not None:
            return f"no datapoints of {what}, nor of {witness.name}"
        return (
            f"no datapoints of {what}; if it has none while all is well, write "
            f"zero_where: {{{metric.name}: …}} in the source"
        )
