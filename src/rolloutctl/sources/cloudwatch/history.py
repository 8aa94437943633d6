"""The past as gates ask for it: counters since the beginning, and values of expressions.

CloudWatch keeps minutes for 15 days, five minutes for 63, hours for 455;
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rolloutctl.clock import SystemClock
from rolloutctl.core.measurement import Sample
from rolloutctl.errors import Rejected
from rolloutctl.sources.cloudwatch.answers import doubt_of, newest_value
from rolloutctl.sources.cloudwatch.api import POINTS_MAX, Row
from rolloutctl.sources.cloudwatch.counters import REGION_LABEL
from rolloutctl.sources.cloudwatch.expression import RESULT_ID, MetricMath
from rolloutctl.sources.cloudwatch.metric import Metric

_DAY_S = 86_400.0
#: (age in seconds up to which, the finest period that is kept)
_KEPT = ((15 * _DAY_S, 60.0), (63 * _DAY_S, 300.0), (455 * _DAY_S, 3_600.0))
_Rows = tuple[tuple[datetime, tuple[Sample, ...]], ...]


def history_period_s(start: datetime, end: datetime) -> float:
    """The finest period that CloudWatch still has of `start`. Raises `Rejected`."""
    age_s = (SystemClock().now() - start).total_seconds()
    for limit_s, period_s in _KEPT:
        if age_s < limit_s:
            points = (end - start).total_seconds() / period_s
            if points > POINTS_MAX:
                raise Rejected(f"{points:.0f} points a metric; the limit is {POINTS_MAX}")
            return period_s
    raise Rejected("CloudWatch keeps nothing older than 455 days")


def counted_rows(
    metrics: Sequence[Metric],
    by_region: Mapping[str, Mapping[str, Row]],
    start: datetime,
    *,
    end: datetime,
    step_s: float,
    period_s: float,
) -> _Rows:
    """What was counted up to each time, one sample a metric and region that has points."""
    running: dict[tuple[tuple[str, str], ...], deque[tuple[datetime, float]]] = {}
    for region, rows in by_region.items():
        for index, metric in enumerate(metrics):
            row = _whole(rows.get(f"m{index}"), metric)
            extra = ((REGION_LABEL, region),) if len(by_region) > 1 else ()
            labels = tuple(sorted((*metric.dimensions, *extra)))
            ended = timedelta(seconds=period_s)
            points = deque((at + ended, value) for at, value in sorted(row.points.items()))
            if points:
                running[labels] = points
    sums = dict.fromkeys(running, 0.0)
    found = []
    for at in _times(start, end, step_s):
        for labels, points in running.items():
            while points and points[0][0] <= at:
                sums[labels] += points.popleft()[1]
        if sums:
            row_samples = tuple(Sample(labels=one, value=value) for one, value in sums.items())
            found.append((at, row_samples))
    return tuple(found)


def math_rows(
    math_: MetricMath,
    rows: Mapping[str, Row],
    start: datetime,
    *,
    end: datetime,
    step_s: float,
) -> _Rows:
    """The value of the last whole window at each time; a gap has no row."""
    names = [f"m{index}" for index in range(len(math_.metrics))]
    result = math_.text if math_.text in names else RESULT_ID
    values = _whole(rows.get(result), "the expression").points
    seen = {id_: rows[id_].points for id_ in names if id_ in rows}
    sound = {at: one for at, one in values.items() if newest_value(math_, {at: one}, seen)}
    window = timedelta(seconds=math_.window_s)
    ahead, newest, found = deque(sorted(sound)), None, []
    for at in _times(start, end, step_s):
        while ahead and ahead[0] + window <= at:
            newest = ahead.popleft()
        if newest is not None and at < newest + 2 * window:
            found.append((at, (Sample(labels=(), value=sound[newest]),)))
    return tuple(found)


def _whole(row: Row | None, what: object) -> Row:
    doubt = doubt_of(row, what)
    if doubt or row is None:
        raise Rejected(f"its past cannot be read: {doubt}")
    return row


def _times(start: datetime, end: datetime, step_s: float) -> Iterator[datetime]:
    at = start
    while at <= end:
        yield at
        at += timedelta(seconds=step_s)
