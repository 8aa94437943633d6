"""Units against weights, at every look: by hand, and the error rate that it states."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.core.stats.sample_ratio import TILTS, begin_ratio, fold_units


def test_one_look_is_the_likelihood_ratio_written_out():
    """Six of ten units at a weight of one half."""
    process = fold_units(begin_ratio(1), control=4, canary=6, weight=0.5)

    ratios = [(t / (1 + t) / 0.5) ** 6 * (1 / (1 + t) / 0.5) ** 4 for t in TILTS]
    assert e_value(process) == pytest.approx(math.fsum(ratios) / len(TILTS), rel=1e-12)


def test_no_new_units_are_no_evidence():
    """The process itself comes back."""
    process = begin_ratio(120)

    assert fold_units(process, control=0, canary=0, weight=0.05) is process


@pytest.mark.parametrize(
    ("control", "canary", "weight"),
    [(-1, 1, 0.5), (1, -1, 0.5), (1, 1, 0), (1, 1, 1), (math.nan, 1, 0.5), (1, math.inf, 0.5)],
)
def test_what_is_no_split_is_refused(control, canary, weight):
    """An arm without weight is judged elsewhere."""
    with pytest.raises(ValueError, match="not a split"):
        fold_units(begin_ratio(1), control=control, canary=canary, weight=weight)


def detected(share, *, runs, looks=720, units=400):
    """The part of days in which a split at 5 % with a true `share` is called wrong."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(runs):
        process = begin_ratio(looks)
        for canary in rng.binomial(units, share, size=looks):
            process = fold_units(
                process, control=float(units - canary), canary=float(canary), weight=0.05
            )
            if e_value(process) >= 1000:
                found += 1
                break
    return found / runs


def test_a_right_split_is_called_wrong_in_at_most_one_of_a_thousand_days():
    """None of a hundred, looked at 720 times each."""
    assert detected(0.05, runs=100) <= 0.01


def test_a_wrong_split_is_found():
    """4.5 % where 5 % are meant."""
    assert detected(0.045, runs=10) == 1.0
