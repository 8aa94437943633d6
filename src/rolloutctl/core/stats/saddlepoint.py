"""The sum of Fisher's noncentral hypergeometric distribution, at any traffic alike fast.

Z(ψ) = Σ_x C(n1, x)·C(n0, k-x)·ψ^x is the coefficient of t^k in (1+ψt)^n1·(1+t)^n0, so it
needs no loop over x: the saddlepoint approximation with two correction terms gives it from
the cumulants of two binomial counts. Source: H. Daniels, "Saddlepoint Approximations in
Statistics", Annals of Mathematical Statistics 25 (1954), 631-650; the second term as in
R. Butler, Saddlepoint Approximations with Applications (2007), 2.2.

Where x may take more than 64 values, ln Z(ψ)/Z(ψ0) is off by less than 5e-6 for odds ratios
from 1/20 to 32, and by less than 5e-8 for those from 1/3 to 3. The worst is the smallest such
table, 64 events in each arm and 64 of them bad (measured against the sum, see the tests): in a
day of looks every 30 s, evidence is off by less than 1.5 % at the very worst.
"""

from __future__ import annotations

import math


def log_total(all0: int, all1: int, *, bad: int, odds: float) -> float:
    """The logarithm of Z.

    Args:
        all0: events of control.
        all1: events of the canary.
        bad: bad events of both; more than 0 and fewer than all.
        odds: ψ, above 0.
    """
    tilt = _tilt(all0, all1, bad=bad, odds=odds)
    # A bad event of the canary has the chance strength/(1 + strength), one of control
    # tilt/(1 + tilt). Written out for both arms: a judgement asks eight times.
    strength = odds * tilt
    skew1, pq1 = (1 - strength) / (1 + strength), strength / ((1 + strength) * (1 + strength))
    skew0, pq0 = (1 - tilt) / (1 + tilt), tilt / ((1 + tilt) * (1 + tilt))
    variance1, variance0 = all1 * pq1, all0 * pq0
    third1, third0 = variance1 * skew1, variance0 * skew0
    k2 = variance1 + variance0
    k3 = third1 + third0
    k4 = variance1 * (1 - 6 * pq1) + variance0 * (1 - 6 * pq0)
    k5 = third1 * (1 - 12 * pq1) + third0 * (1 - 12 * pq0)
    k6 = variance1 * (1 - pq1 * (30 - 120 * pq1)) + variance0 * (1 - pq0 * (30 - 120 * pq0))
    square, cube = k2 * k2, k2 * k2 * k2
    skewness, excess = k3 * k3 / cube, k4 / square
    first = excess / 8 - 5 * skewness / 24
    second = (
        (7 * k3 * k5 / k2 - k6) / (48 * cube)
        + 35 * excess * excess / 384
        - 35 * skewness * excess / 64
        + 385 * skewness * skewness / 1152
    )
    # ln(1 + first + second), to the order that both have.
    correction = first + second - first * first / 2
    peak = all1 * math.log1p(strength) + all0 * math.log1p(tilt)
    return peak - bad * math.log(tilt) - math.log(2 * math.pi * k2) / 2 + correction


def _tilt(all0: int, all1: int, *, bad: int, odds: float) -> float:
    """The t at which `bad` bad events are expected: n1ψt/(1+ψt) + n0t/(1+t) = k.

    The positive root of (N-k)ψt² + (n1ψ + n0 - k(1+ψ))t - k = 0, in the form that does not
    subtract like from like.
    """
    square = (all0 + all1 - bad) * odds
    linear = all1 * odds + all0 - bad * (1 + odds)
    root = math.sqrt(linear * linear + 4 * square * bad)
    return 2 * bad / (linear + root) if linear > 0 else (root - linear) / (2 * square)
