"""The exact form where bad events are frequent: the rate that it states, and what it gains."""

from __future__ import annotations

import math
import random

from rolloutctl.core.stats.exact_gains import exact_gains
from rolloutctl.core.stats.harm_process import GRID, begin, e_value, fold_gains, fold_tick


def reached(*, harm, exact, runs=150, looks=60, limit=20.0):
    """How many runs reach the limit; 40 votes a look, a fifth of them bad, 10 % canary."""
    rng = random.Random(77)  # noqa: S311 - a seeded simulation
    found = 0
    for _ in range(runs):
        process = begin(looks)
        for _ in range(looks):
            control = (sum(rng.random() < 0.2 for _ in range(36)), 36)
            canary = (sum(rng.random() < 0.2 * harm for _ in range(4)), 4)
            if exact:
                gains = exact_gains(control=control, canary=canary, tolerated_odds=1, grid=GRID)
                process = fold_gains(process, gains)
            else:
                process = fold_tick(process, control=control, canary=canary)
            if e_value(process) >= limit:
                found += 1
                break
    return found


def test_the_stated_error_rate_is_kept_where_a_fifth_is_bad():
    """At alpha 5 %, a look after every tick: at most 5 % and three sigma of 150 runs."""
    assert reached(harm=1.0, exact=True) <= 150 * 0.05 + 3 * math.sqrt(150 * 0.05 * 0.95)


def test_the_twin_sees_more_where_a_fifth_is_bad():
    """Of the same runs with 1.75 times the bad votes it finds more."""
    assert reached(harm=1.75, exact=True) > reached(harm=1.75, exact=False) > 0
