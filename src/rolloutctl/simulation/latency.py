"""Response times: lognormal, counted into the buckets of a classic histogram."""

from __future__ import annotations

import math
from itertools import pairwise

#: Default buckets of Prometheus' client libraries (client_golang `DefBuckets`), seconds.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Standard deviation of the logarithm: p99 is five times the median.
LOG_SD = 0.7
#: The 0.99 quantile of the normal distribution (R: qnorm(0.99)).
_Z_99 = 2.3263478740408408
_SQRT_2 = math.sqrt(2.0)


def bucket_shares(p99_s: float, bounds_s: tuple[float, ...]) -> tuple[float, ...]:
    """The share of requests in each bucket, the last one above every bound; sums to 1.

    Args:
        p99_s: 99 % of the requests are faster than this, in seconds.
        bounds_s: ascending upper bounds.
    """
    log_median = math.log(p99_s) - _Z_99 * LOG_SD
    below = [
        math.erfc(-(math.log(bound) - log_median) / (LOG_SD * _SQRT_2)) / 2 for bound in bounds_s
    ]
    edges = (0.0, *below, 1.0)
    return tuple(high - low for low, high in pairwise(edges))
