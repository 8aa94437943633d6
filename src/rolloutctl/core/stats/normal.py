"""The normal distribution: tail and quantile."""

from __future__ import annotations

import math

_SQRT_2 = math.sqrt(2.0)


def normal_tail(z: float) -> float:
    """P(Z > z) = erfc(z/√2)/2; keeps its digits far out, where 1 - cdf has none left."""
    return math.erfc(z / _SQRT_2) / 2


def normal_quantile(share: float) -> float:
    """The z below which `share` of the distribution lies; `share` within 0..1, ends excluded.

    M. Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), 477-484, as the standard
    library has it (about 16 digits). Raises `ValueError` outside of 0..1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a quantile is asked of a share between 0 and 1, not of {share}")
    from statistics import NormalDist  # noqa: PLC0415 - costs 10 ms; only plans ask for it

    return NormalDist().inv_cdf(share)
