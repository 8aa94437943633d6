"""Past answers, page by page: Prometheus gives at most 11,000 points a series at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rolloutctl.core.measurement import Query, QueryKind, Sample, Series
from rolloutctl.errors import Rejected
from rolloutctl.sources.prometheus.api import PrometheusApi
from rolloutctl.sources.prometheus.readings import read_rows

#: Steps asked for at once; the server refuses more than 11,000 points a series.
PAGE_STEPS_MAX = 10_000
#: Steps of one history: two months at 30 s.
STEPS_MAX = 200_000
#: The finest step; scrapes are rarely closer.
STEP_MIN_S = 1.0


def fetch_history(
    api: PrometheusApi, query: Query, start: datetime, *, end: datetime, step_s: float
) -> Series:
    """One row for each step from `start` to `end`, empty where there was no number.

    Raises `Rejected` if there are too many steps or an expression has several series.
    """
    if step_s < STEP_MIN_S or not math.isfinite(step_s):
        raise Rejected(f"a step of {step_s:g} s; the finest is {STEP_MIN_S:g} s")
    if end < start:
        raise Rejected(f"the history would end at {end} before it starts at {start}")
    steps = int((end - start).total_seconds() / step_s + 1e-9) + 1
    if steps > STEPS_MAX:
        raise Rejected(
            f"a history of {steps} steps; the limit is {STEPS_MAX}",
            hint="take a coarser step or a shorter time",
        )
    rows: list[list[Sample]] = [[] for _ in range(steps)]
    for first in range(0, steps, PAGE_STEPS_MAX):
        count = min(PAGE_STEPS_MAX, steps - first)
        begin = start + timedelta(seconds=first * step_s)
        finish = begin + timedelta(seconds=(count - 1) * step_s)
        answer = api.range(query.text, begin, finish, step_s=step_s)
        series = read_rows(answer)
        if query.kind is QueryKind.EXPRESSION and len(series) > 1:
            raise Rejected(
                f"the expression answers with {len(series)} series instead of one",
                hint="aggregate them: sum(…) or max(…)",
            )
        for labels, values in series:
            for index, value in _finite(values, begin, step_s=step_s, count=count):
                rows[first + index].append(Sample(labels=labels, value=value))
    return Series(
        query=query,
        rows=tuple(
            (
                (start + timedelta(seconds=index * step_s)).astimezone(UTC),
                tuple(sorted(samples, key=lambda sample: sample.labels)),
            )
            for index, samples in enumerate(rows)
        ),
    )


def _finite(
    values: list[tuple[float, float]], begin: datetime, *, step_s: float, count: int
) -> Iterator[tuple[int, float]]:
    """(step's index, value) of each number; the server keeps milliseconds, hence rounding."""
    begin_s = begin.timestamp()
    for at_s, value in values:
        index = round((at_s - begin_s) / step_s)
        if 0 <= index < count and math.isfinite(value):
            yield index, value
