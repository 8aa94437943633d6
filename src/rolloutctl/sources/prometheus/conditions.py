"""An alerting expression as an answer: how many series it returns, and what it rests on.

An alerting expression answers nothing while all is well, and nothing when its data is gone.
So for each selector in it the server is asked whether it has any fresh sample; which of them
may have none is the gate's matter. Selectors with `offset` or `@` ask for the past on purpose
and are left out, as in freshness.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rolloutctl.core.measurement import SELECTOR_LABEL, DataState, Measurement, Sample
from rolloutctl.errors import Rejected
from rolloutctl.sources.prometheus.freshness import INDEX_LABEL, UsedSelector
from rolloutctl.sources.prometheus.readings import Point, shown_labels

#: Selectors that are looked after; an expression with more is refused.
SELECTORS_MAX = 32
#: Series named in a message.
SERIES_SHOWN_MAX = 3


def measure_series(points: Sequence[Point], at: datetime) -> Measurement:
    """The answer where there are series, some of them named in `detail`."""
    shown = [f"{shown_labels(one.labels)} {one.value:.3g}" for one in points]
    more = f" and {len(shown) - SERIES_SHOWN_MAX} more" if len(shown) > SERIES_SHOWN_MAX else ""
    return Measurement(
        at=at,
        state=DataState.OK,
        samples=(Sample(labels=(), value=float(len(points))),),
        detail=", ".join(shown[:SERIES_SHOWN_MAX]) + more,
    )


def build_presence(selectors: Sequence[UsedSelector], *, staleness_s: float) -> str:
    """An expression with one series for each selector that has a fresh sample; may be "".

    Raises `Rejected` for more selectors than are looked after.
    """
    if len(selectors) > SELECTORS_MAX:
        raise Rejected(
            f"the expression has {len(selectors)} selectors; at most {SELECTORS_MAX} are "
            "looked after, and a missing one would look like a healthy one",
            hint="make recording rules of its parts",
        )
    parts = []
    for index, one in enumerate(selectors):
        if one.range_s:
            window_ms = max(round(min(one.range_s, staleness_s) * 1000), 1)
            fresh = f"count(count_over_time({one.text}[{window_ms}ms]))"
        else:
            fresh = f"count((time() - timestamp({one.text})) <= {staleness_s:g})"
        parts.append(f'label_replace({fresh}, "{INDEX_LABEL}", "{index}", "", "")')
    return " or ".join(parts)


def measure_none(
    selectors: Sequence[UsedSelector], present: Sequence[Point], at: datetime
) -> Measurement:
    """The answer where there is no series: which selectors have fresh data all the same."""
    found = {dict(point.labels).get(INDEX_LABEL, "") for point in present}
    fresh: dict[str, bool] = {}
    for index, one in enumerate(selectors):
        fresh[one.text] = fresh.get(one.text, True) and str(index) in found
    samples = [
        Sample(labels=((SELECTOR_LABEL, text),), value=float(is_fresh))
        for text, is_fresh in fresh.items()
    ]
    none = Sample(labels=(), value=0.0)
    return Measurement(at=at, state=DataState.OK, samples=(none, *samples))
