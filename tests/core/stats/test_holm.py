"""Several comparisons at once."""

from __future__ import annotations

import gc
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from rolloutctl.core.stats.holm import holm


@pytest.fixture(autouse=True, scope="module")
def _frozen():
    """Statsmodels collects all garbage at every call: half a minute where much is loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_correction_agrees_with_statsmodels(p_values):
    """In the order given, ties included."""
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


def test_the_correction_is_that_of_r():
    """p.adjust(c(.01, .02, .03, .04), "holm") is .04 .06 .06 .06."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))


def test_nothing_compared_needs_no_correction():
    """One comparison stays as it is."""
    assert holm([]) == ()
    assert holm([0.03]) == (0.03,)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(wrong):
    """A NaN would sort anywhere."""
    with pytest.raises(ValueError, match="not a p-value"):
        holm([0.5, wrong])


def test_the_chance_of_any_false_finding_is_kept():
    """Of 20,000 families of five with nothing to find, at most 5 % (and noise) find one."""
    chance = random.Random(1979)  # noqa: S311 - a seeded simulation

    found = sum(min(holm([chance.random() for _ in range(5)])) < 0.05 for _ in range(20_000))

    assert found / 20_000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 20_000)
