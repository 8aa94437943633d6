"""Cost per request on many days at once: the batch-means confidence sequence, and a z test.

Costs are lognormal with sigma 1, 50 requests a second, 5 % of them the canary's. The
canary's are drawn one by one, control's sum of about 1,425 a look as a gamma variable of
the same mean and variance.
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from many_days import DAY_LOOKS, LOOK_S, Z_95, Watched

from rolloutctl.core.stats.batch_means import BatchMeans, estimate, fold_batch, half_width

ALPHA = 0.05
#: Looks before which nothing is said, and after which the bound is tightest.
BURN_IN, BEST_AT = 20, 60
EVENTS0, EVENTS1 = 1_425, 75
#: E(X²)/E(X)² of a lognormal cost with sigma 1, whose mean is made 1.
SQUARE = math.e
#: Factor of the canary's cost, and the mean minutes of an earlier simulation.
PUBLISHED_MIN = {1.1: 13.6, 1.2: 10.0}
SLOWER_MAX = 1.2


def watch_means(factor: float, runs: int, seed: int) -> tuple[Watched, Watched]:
    """When the confidence sequence, and a peeked z test, first call the canary dearer."""
    rng = np.random.default_rng(seed)
    first, first_z = np.full(runs, math.inf), np.full(runs, math.inf)
    weight = EVENTS0 * EVENTS1 / (EVENTS0 + EVENTS1)
    sums = np.zeros((3, runs))  # of the differences, their squares, the canary's squares
    shipped = BatchMeans()
    for look in range(1, DAY_LOOKS + 1):
        costs = factor * rng.lognormal(-0.5, 1.0, (runs, EVENTS1))
        # Var of a mean of n costs is (e - 1)/n.
        shape = EVENTS0 / (SQUARE - 1)
        difference = costs.mean(axis=1) - rng.gamma(shape, 1 / shape, runs)
        sums += (difference, difference**2, (costs**2).mean(axis=1))
        shipped = fold_batch(shipped, difference=(-1.0) ** look, weight=weight)
        if look > BURN_IN:
            centre = sums[0] / look
            spread = np.sqrt((sums[1] / look - centre**2) / (look - 1))
            first[(centre > _widths(shipped) * spread) & np.isinf(first)] = look
        variance = np.maximum(sums[2] / look - factor**2, 0) / EVENTS1 + (SQUARE - 1) / EVENTS0
        first_z[(sums[0] > Z_95 * np.sqrt(variance * look)) & np.isinf(first_z)] = look
        if np.isfinite(first).all() and np.isfinite(first_z).all():
            break
    return Watched(first=first), Watched(first=first_z)


def _widths(shipped: BatchMeans) -> float:
    """The shipped half-width in standard errors: it depends on the number of batches alone."""
    _, variance = estimate(shipped)
    return half_width(shipped, alpha=ALPHA, best_at=BEST_AT) / math.sqrt(variance)


def means(runs: int) -> bool:
    """Prints false alarms and minutes to detection; False if a promise is broken."""
    factors = [1.0, *PUBLISHED_MIN]
    with ProcessPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(watch_means, factors, [runs] * len(factors), range(len(factors))))
    print(f"\nCost per request, lognormal, a look every {LOOK_S} s for 24 h, {runs} runs\n")
    print(f"{'':28}{'aborts, healthy':>16}", end="")
    print("".join(f"{f'+{factor - 1:.0%}, min':>12}" for factor in PUBLISHED_MIN))
    for index, name in enumerate(("batch-means sequence, 5 %", "z test at every look")):
        print(f"{name:28}{found[0][index].share:16.1%}", end="")
        print("".join(f"{one[index].mean_minutes():12.1f}" for one in found[1:]))
    is_fast = all(
        one[0].mean_minutes() <= limit * SLOWER_MAX
        for limit, one in zip(PUBLISHED_MIN.values(), found[1:], strict=True)
    )
    return is_fast and found[0][0].share <= ALPHA
