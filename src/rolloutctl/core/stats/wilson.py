"""The Wilson score interval of a share: right near 0 % and 100 %, where others are not.

Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
Inference", Journal of the American Statistical Association 22 (1927), 209-212:
(p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n).
"""

from __future__ import annotations

import math

#: Two-sided 99.9 %: the 0.9995 quantile of the normal distribution (R: qnorm(0.9995)).
Z_999 = 3.290526731491896


def wilson_interval(count: float, total: float, *, z: float = Z_999) -> tuple[float, float]:
    """Shares that are compatible with seeing `count` of `total`.

    Args:
        count: how many had the property, 0..total.
        total: how many were asked, at least 1.
        z: normal quantile of the wanted confidence.

    Returns:
        The lower and upper end, within 0..1; exactly 0 and 1 at the edges, so that an
        intended share of 0 holds only if nobody had the property.

    Raises:
        ValueError: no trials, or a count outside of them.
    """
    if not (total >= 1 and 0 <= count <= total):
        raise ValueError(f"{count} of {total} is not a share")
    share = count / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    lower = 0.0 if count == 0 else max(0.0, (centre - spread) / scale)
    upper = 1.0 if count == total else min(1.0, (centre + spread) / scale)
    return lower, upper
