"""The sequential check of a split goes on through a ramp."""

from __future__ import annotations

from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.core.stats.sample_ratio import begin_ratio, fold_units


def test_a_ramp_is_no_mismatch_and_too_many_is_one():
    """The weight of a look is that look's: 1 %, 50 % and 99 % add up to nothing wrong."""
    process = begin_ratio(300)
    for weight in (0.01, 0.5, 0.99):
        for _ in range(100):
            canary = round(1_000 * weight)
            process = fold_units(process, control=1_000 - canary, canary=canary, weight=weight)

    assert e_value(process) < 1
    for _ in range(20):
        process = fold_units(process, control=0, canary=100, weight=0.5)
    assert e_value(process) > 1_000
