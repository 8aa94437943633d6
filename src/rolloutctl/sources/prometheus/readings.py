"""From an answer's JSON to measurements; anything doubtful is not a number to judge by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rolloutctl.core.measurement import DataState, Measurement, Sample
from rolloutctl.credentials import redact
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.sources.prometheus.api import Answer

#: More series than a selector of one application can have: it selects too much.
SERIES_MAX = 5_000
#: Label sets named when an expression is ambiguous.
SERIES_SHOWN_MAX = 5

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of one series; NaN and infinities are still in it."""

    labels: Labels
    at_s: float
    value: float


def measure_expression(answer: Answer, at: datetime) -> Measurement:
    """One number from the answer to an expression. Raises `Rejected` if it is of no use."""
    points = read_points(answer)
    if not points:
        return Measurement(at=at, state=DataState.EMPTY, detail=_join("no such series", answer))
    if len(points) > 1:
        shown = ", ".join(shown_labels(point.labels) for point in points[:SERIES_SHOWN_MAX])
        more = (
            f" and {len(points) - SERIES_SHOWN_MAX} more" if len(points) > SERIES_SHOWN_MAX else ""
        )
        detail = _join(f"{len(points)} series instead of one: {shown}{more}", answer)
        return Measurement(at=at, state=DataState.AMBIGUOUS, detail=detail)
    (point,) = points
    when = datetime.fromtimestamp(point.at_s, UTC)
    if not math.isfinite(point.value):
        detail = _join(f"the value is {point.value}", answer)
        return Measurement(at=when, state=DataState.NOT_A_NUMBER, detail=detail)
    sample = Sample(labels=point.labels, value=point.value)
    return Measurement(at=when, state=DataState.OK, samples=(sample,), detail=answer.warnings)


def read_points(answer: Answer) -> list[Point]:
    """The values of a vector or scalar, in the order of their labels.

    Raises:
        Rejected: the answer is of a type that holds no single numbers.
        Unavailable: the answer has another shape than the API documents.
    """
    if answer.kind == "scalar":
        at_s, value = _pair(answer.result)
        return [Point(labels=(), at_s=at_s, value=value)]
    if answer.kind != "vector":
        raise Rejected(
            f"the query answers with a {answer.kind}, not with one number a series",
            hint="a range such as x[5m] needs a function around it: rate(x[5m])",
        )
    points = [_point(entry) for entry in checked_size(answer.result)]
    return sorted(points, key=lambda point: point.labels)


def read_rows(answer: Answer) -> list[tuple[Labels, list[tuple[float, float]]]]:
    """The series of a matrix, each with its (Unix seconds, value) pairs."""
    if answer.kind != "matrix":
        raise Rejected(f"the query answers with a {answer.kind} over time, not with numbers")
    rows = []
    for entry in checked_size(answer.result):
        values = entry.get("values") if isinstance(entry, dict) else None
        if not isinstance(values, list):
            raise _unusable(entry)
        rows.append((_labels(entry), [_pair(pair) for pair in values]))
    return rows


def checked_size(result: Sequence[Any]) -> Sequence[Any]:
    """The result itself. Raises `Rejected` if there are too many series to judge by."""
    if len(result) > SERIES_MAX:
        raise Rejected(
            f"the query answers with {len(result)} series; the limit is {SERIES_MAX}",
            hint="narrow the selector or aggregate: sum by (…)",
        )
    return result


def shown_labels(labels: Labels) -> str:
    """A label set as PromQL writes it."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"


def _point(entry: object) -> Point:
    if isinstance(entry, dict) and "value" not in entry and "histogram" in entry:
        raise Rejected(
            "the query answers with a native histogram, not with a number",
            hint="take a number of it: histogram_quantile(0.99, …)",
        )
    if not isinstance(entry, dict):
        raise _unusable(entry)
    at_s, value = _pair(entry.get("value"))
    return Point(labels=_labels(entry), at_s=at_s, value=value)


def _labels(entry: Mapping[str, Any]) -> Labels:  # Any: JSON
    metric = entry.get("metric")
    if not isinstance(metric, dict):
        raise _unusable(entry)
    # Labels go into the journal; a server that repeats what it was sent must not fill it.
    return tuple(sorted((str(k), redact(str(v))) for k, v in metric.items() if k != "__name__"))


def _pair(pair: object) -> tuple[float, float]:
    """`[1795377312.6,"0.983"]`; values are texts, also "NaN" and "+Inf"."""
    match pair:
        case [int() | float() as at_s, str() as text]:
            try:
                return float(at_s), float(text)
            except ValueError:
                pass
    raise _unusable(pair)


def _unusable(found: object) -> Unavailable:
    return Unavailable(f"the answer has another shape than Prometheus documents: {found!r:.100}")


def _join(text: str, answer: Answer) -> str:
    return f"{text}; {answer.warnings}" if answer.warnings else text
