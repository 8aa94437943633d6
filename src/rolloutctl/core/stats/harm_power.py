"""How long `harm_process` needs to see a harm, and the smallest harm it can see in a time.

Log evidence grows at every bad event, like a random walk. With n0 and n1 events per second,
a share p of bad ones in control and a canary that is θ times as bad, it gains per second on
average (the expectation of the gain L of `harm_process`, at its own θ)

    D = n1·θp·ln(θ/θ0) - (n0·p + n1·θp)·ln((1 + w(θ-1)) / (1 + w(θ0-1))),   w = n1/(n0+n1)

with a variance per second V, in which each bad event (Poisson) adds its gain squared. The
limit is reached with a probability of `power` at the time T where the mean is ahead of it
by as many standard deviations:

    D·T - z(power)·sqrt(V·T) = ln(1/alpha) + ln(number of grid points)

(Both halves of the prior gain from a harm that is there from the start, so they cost
nothing.) A normal approximation of Wald's sequential analysis (A. Wald, "Sequential Tests of
Statistical Hypotheses", Annals of Mathematical Statistics 16 (1945), 117-186). Beside
simulations it is right to 5 % or up to 25 % too long, never too short by more; a test holds
it to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from rolloutctl.core.stats.harm_process import GRID

#: What it costs to spread the evidence over the grid.
_LOG_PRIOR = math.log(len(GRID))
#: The largest factor looked for: beyond it a canary is broken altogether.
FACTOR_MAX = 1_000.0
#: Halvings of the interval in which the smallest factor is looked for: to 1 part in 10^6.
_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the two arms see.

    Attributes:
        control_per_s: events of control per second.
        canary_per_s: events of the canary per second.
        bad_share: control's share of bad events, 0..1.
    """

    control_per_s: float
    canary_per_s: float
    bad_share: float


def seconds_to_see(
    traffic: Traffic,
    factor: float,
    *,
    error_rate: float,
    tolerated: float = 1.0,
    power: float = 0.8,
) -> float:
    """Seconds until a canary `factor` times as bad as control is failed.

    Args:
        traffic: what the arms see.
        factor: how many times control's share of bad events is the canary's.
        error_rate: alpha of the gate.
        tolerated: the margin as a factor.
        power: the probability of having failed it by then.

    Returns:
        Infinity where it is never seen: no traffic, no bad events, or a harm that is
        within the margin.
    """
    if traffic.canary_per_s <= 0 or traffic.control_per_s <= 0 or factor <= tolerated:
        return math.inf
    share = traffic.canary_per_s / (traffic.canary_per_s + traffic.control_per_s)
    bad0 = traffic.control_per_s * traffic.bad_share
    bad1 = traffic.canary_per_s * min(1.0, traffic.bad_share * factor)
    ratio = math.log1p(share * (factor - 1)) - math.log1p(share * (tolerated - 1))
    mine = math.log(factor / tolerated) - ratio  # gain of a bad event of the canary
    drift = bad1 * mine - bad0 * ratio
    if drift <= 0:
        return math.inf
    variance = bad1 * mine**2 + bad0 * ratio**2
    needed = math.log(1 / error_rate) + _LOG_PRIOR
    ahead = NormalDist().inv_cdf(power) * math.sqrt(variance)
    # D·T - z·sqrt(V)·sqrt(T) - needed = 0, a quadratic in sqrt(T).
    root = (ahead + math.sqrt(ahead**2 + 4 * drift * needed)) / (2 * drift)
    return root**2


def smallest_factor(
    traffic: Traffic,
    within_s: float,
    *,
    error_rate: float,
    tolerated: float = 1.0,
    power: float = 0.8,
) -> float:
    """The smallest factor seen within so many seconds; infinity where not even a broken one is.

    Args and meaning as in `seconds_to_see`; the time falls as the factor grows.
    """

    def is_seen(factor: float) -> bool:
        needed_s = seconds_to_see(
            traffic, factor, error_rate=error_rate, tolerated=tolerated, power=power
        )
        return needed_s <= within_s

    high = min(FACTOR_MAX, 1 / traffic.bad_share) if traffic.bad_share > 0 else FACTOR_MAX
    if not is_seen(high):
        return math.inf
    low = tolerated
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high
