"""From rows of points to measurements; whatever is missing or doubtful is no data.

CloudWatch answers "no datapoints" and "there is no such metric" alike, with an empty list.
SAFETY: neither is answered as EMPTY where counters are asked: a gate may take an empty answer
for `bad` as "nothing bad yet", and here only the playbook (`zero_where`) may say that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rolloutctl.core.measurement import DataState, Measurement, Sample
from rolloutctl.core.units import format_duration
from rolloutctl.sources.cloudwatch.api import Row
from rolloutctl.sources.cloudwatch.expression import MetricMath

COMPLETE = "Complete"
_MESSAGES_MAX = 3
_WHY = {
    "Forbidden": "who acts may not read it (cloudwatch:GetMetricData)",
    "InternalError": "CloudWatch failed (InternalError)",
    "PartialData": "CloudWatch told only a part of it (PartialData)",
}


def floor_time(at: datetime, seconds: float) -> datetime:
    """The last whole multiple of `seconds` (since 1970, UTC) that is not after `at`."""
    return datetime.fromtimestamp(math.floor(at.timestamp() / seconds) * seconds, UTC)


def doubt_of(row: Row | None, what: object) -> str:
    """Why a row says nothing, whatever points it has; "" if it does."""
    if row is None:
        return f"CloudWatch did not answer about {what}"
    if row.status == COMPLETE:
        return ""
    why = _WHY.get(row.status, f"CloudWatch says {row.status or 'nothing'} of it")
    return _with_messages(f"{what}: {why}", row)


def silent(detail: str, at: datetime, row: Row | None = None) -> Measurement:
    """No data, with its reason; never the EMPTY that a gate might take for zero."""
    told = _with_messages(detail, row) if row is not None else detail
    return Measurement(at=at, state=DataState.STALE, detail=told)


def measure_math(
    math_: MetricMath, rows: Mapping[str, Row], at: datetime, *, staleness_s: float
) -> Measurement:
    """The newest whole value of an expression, with the metrics under it seen at that time.

    Args:
        math_: what was asked.
        rows: by id: each metric, and RESULT_ID where the expression is more than one metric.
        at: the time of the look.
        staleness_s: an older value is no data; a window's length is added.
    """
    names = {f"m{index}": metric for index, metric in enumerate(math_.metrics)}
    result = math_.text if math_.text in names else "result"
    for id_ in dict.fromkeys([*names, result]):
        doubt = doubt_of(rows.get(id_), names.get(id_, "the expression"))
        if doubt:
            return silent(doubt, at)
    seen = {id_: rows[id_].points for id_ in names}
    value_at = newest_value(math_, rows[result].points, seen)
    if value_at is None:
        return silent(_missing(math_, rows, result), at, rows[result])
    ended = value_at + timedelta(seconds=math_.window_s)
    age_s, limit_s = (at - ended).total_seconds(), staleness_s + math_.window_s
    if age_s > limit_s:
        limit = format_duration(limit_s)
        return silent(f"the newest value is {format_duration(age_s)} old; limit {limit}", ended)
    value = rows[result].points[value_at]
    if not math.isfinite(value):
        detail = f"the value is {value}"
        return Measurement(at=ended, state=DataState.NOT_A_NUMBER, detail=detail)
    sample = Sample(labels=(), value=value)
    return Measurement(at=ended, state=DataState.OK, samples=(sample,))


def newest_value(
    math_: MetricMath,
    values: Mapping[datetime, float],
    seen: Mapping[str, Mapping[datetime, float]],
) -> datetime | None:
    """The newest time with a value that rests on data; None if there is none.

    SAFETY: `FILL(m0, 0)` makes numbers of silence. What is not inside a FILL must have a
    point itself; and where everything is filled, something must have one.
    """
    required = [id_ for id_ in seen if id_ not in math_.may_miss]
    for at in sorted(values, reverse=True):
        present = [id_ for id_ in seen if at in seen[id_]]
        if present and all(id_ in present for id_ in required):
            return at
    return None


def _missing(math_: MetricMath, rows: Mapping[str, Row], result: str) -> str:
    """What is not there, in one sentence."""
    absent = [
        str(metric)
        for index, metric in enumerate(math_.metrics)
        if not rows[f"m{index}"].points and f"m{index}" not in math_.may_miss
    ]
    if absent:
        return f"no datapoints of {', '.join(absent[:_MESSAGES_MAX])}"
    if not any(row.points for row in rows.values()):
        return "no datapoints of any of its metrics"
    if not rows[result].points:
        return "its metrics have datapoints, but the expression has no value (a division by 0?)"
    return "its metrics have no datapoints at the same time"


def _with_messages(text: str, row: Row) -> str:
    told: Sequence[str] = list(dict.fromkeys(row.messages))[:_MESSAGES_MAX]
    return f"{text} ({'; '.join(told)})" if told else text
