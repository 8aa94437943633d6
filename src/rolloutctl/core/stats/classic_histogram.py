"""Classic histograms: quantiles of cumulative buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Relative error forgiven when bucket counts should not fall: sums of floats.
_ROUNDING = 1e-9
#: One finite bucket and +Inf.
_BUCKETS_MIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile, or the highest finite bound if it lies above that (`is_above`)."""

    bound: float
    is_above: bool = False


def quantile_of(buckets: Mapping[float, float], share: float) -> Quantile | str:
    """The quantile by linear interpolation within its bucket; a text says why not.

    The same arithmetic as PromQL's `histogram_quantile` on classic buckets
    (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile):
    the lowest bucket starts at 0 if its bound is positive. Two deliberate differences: above
    the highest finite bound PromQL answers that bound, this says that it is above; and
    counts that fall from one bucket to the next are refused rather than smoothed.

    Args:
        buckets: upper bound -> events at or below it in the window, +Inf included.
        share: within 0..1, ends excluded.
    """
    bounds = sorted(buckets)
    if len(bounds) < _BUCKETS_MIN or bounds[-1] != math.inf:
        return "a histogram needs a finite bucket and the +Inf bucket"
    if buckets[math.inf] <= 0:
        return "the histogram counted no events"
    counts = [buckets[bound] for bound in bounds]
    for index in range(1, len(counts)):
        if counts[index] < counts[index - 1] * (1 - _ROUNDING):
            return (
                f"bucket le={bounds[index]:g} counts {counts[index]:g}, fewer than "
                f"{counts[index - 1]:g} in le={bounds[index - 1]:g}: not one histogram"
            )
    rank = share * counts[-1]
    index = next(index for index, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return Quantile(bound=bounds[-2], is_above=True)
    return Quantile(bound=_interpolate(bounds, counts, index=index, rank=rank))


def _interpolate(bounds: list[float], counts: list[float], *, index: int, rank: float) -> float:
    """The place of `rank` within bucket `index`, as if its events were spread evenly."""
    if index == 0:
        return bounds[0] if bounds[0] <= 0 else bounds[0] * (rank / counts[0])
    within = (rank - counts[index - 1]) / (counts[index] - counts[index - 1])
    return bounds[index - 1] + (bounds[index] - bounds[index - 1]) * within
