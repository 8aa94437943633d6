"""The chi-square distribution's upper tail, in closed form for whole degrees of freedom.

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions (1964), 26.4.4 (odd)
and 26.4.5 (even). Every term is positive, so no digits are lost.
"""

from __future__ import annotations

import math

#: More groups than that are no experiment.
FREEDOM_MAX = 10_000


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(X > statistic) for `freedom` degrees of freedom.

    Args:
        statistic: at least 0; infinite gives 0.
        freedom: 1..`FREEDOM_MAX`.

    Raises:
        ValueError: a negative statistic, NaN, or degrees of freedom out of range.
    """
    if not statistic >= 0 or not 1 <= freedom <= FREEDOM_MAX:
        raise ValueError(f"chi-square {statistic} with {freedom} degrees of freedom")
    half = statistic / 2
    if half == 0:
        return 1.0
    if math.isinf(half):
        return 0.0
    log_half = math.log(half)
    is_odd = freedom % 2
    shift = 0.5 if is_odd else 0.0
    tail = math.erfc(math.sqrt(half)) if is_odd else 0.0
    tail += math.fsum(
        math.exp((term + shift) * log_half - half - math.lgamma(term + shift + 1))
        for term in range(freedom // 2)
    )
    return min(1.0, tail)
