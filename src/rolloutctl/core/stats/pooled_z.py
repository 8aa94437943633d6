"""The z test that two shares are the same, with the pooled variance.

z = (p1 - p0) / √(p̂(1-p̂)(1/n0 + 1/n1)), p̂ = (x0+x1)/(n0+n1). Source: J. Fleiss, B. Levin
and M. Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), section 3.1.

For ONE look at a planned size. Looked at every 30 s for a day, "p < 0.05" fails 57 % of
healthy canaries. One-sided it errs too often where the canary is small (7.1 % of nominal
5 % at 2,850 : 150 requests and a share of 0.5 %).
"""

from __future__ import annotations

import math
from typing import assert_never

from rolloutctl.core.stats.counted import Counted, Side, Significance, check
from rolloutctl.core.stats.normal import normal_tail


def pooled_z_test(
    control: Counted, canary: Counted, *, side: Side = Side.TWO_SIDED
) -> Significance:
    """Does the canary's share differ from control's?

    Where nobody or everybody has the property the shares do not differ: z 0, and p 1
    (two-sided) or 0.5.

    Raises:
        ValueError: an arm without anybody in it, or counts that are none.
    """
    (count0, total0), (count1, total1) = check(control), check(canary)
    share = (count0 + count1) / (total0 + total1)
    variance = share * (1 - share) * (1 / total0 + 1 / total1)
    z = 0.0 if variance == 0 else (count1 / total1 - count0 / total0) / math.sqrt(variance)
    return Significance(statistic=z, p_value=_p_value(z, side))


def _p_value(z: float, side: Side) -> float:
    match side:
        case Side.TWO_SIDED:
            return 2 * normal_tail(abs(z))
        case Side.GREATER:
            return normal_tail(z)
        case Side.LESS:
            return normal_tail(-z)
        case _:
            assert_never(side)
