"""Evidence of harm: its algebra, its edges, and the error rate that it states."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.stats.harm_process import (
    GRID,
    REVERSE_GRID,
    HarmProcess,
    begin,
    e_value,
    fold_tick,
    fold_ticks,
)

COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda pair: tuple(sorted(pair)))


def after(ticks, *, planned=120, tolerated=1.0, grid=GRID):
    process = begin(planned, grid=grid)
    for control, canary in ticks:
        process = fold_tick(process, control=control, canary=canary, tolerated=tolerated, grid=grid)
    return process


def test_nothing_seen_is_evidence_of_one():
    """An e-value begins at 1."""
    assert e_value(begin(120)) == 1.0
    assert e_value(begin(0)) == 1.0


def test_one_tick_is_the_likelihood_ratio_written_out():
    """By hand: n0 = n1, so a bad event is the canary's with theta / (1 + theta)."""
    process = after([((1, 10), (3, 10))], planned=1)

    ratios = [(f / (1 + f) / 0.5) ** 3 * (1 / (1 + f) / 0.5) for f in GRID]
    assert e_value(process) == pytest.approx(sum(ratios) / len(GRID), rel=1e-12)


def test_the_start_mixture_is_the_mean_over_all_starts():
    """Half the mass on tick 1, the other half spread over the planned ticks."""
    ticks = [((1, 100), (2, 10)), ((0, 90), (1, 10)), ((2, 80), (0, 20)), ((1, 10), (3, 5))]
    planned, expected = 6, []
    for factor in GRID:
        gains = [
            k1 * math.log(factor) - (k0 + k1) * math.log1p(n1 / (n0 + n1) * (factor - 1))
            for (k0, n0), (k1, n1) in ticks
        ]
        starts = [math.exp(sum(gains[start:])) for start in range(len(gains))]
        unstarted = planned - len(ticks)
        expected.append(0.5 * starts[0] + 0.5 * (sum(starts) + unstarted) / planned)

    assert e_value(after(ticks, planned=planned)) == pytest.approx(
        sum(expected) / len(GRID), rel=1e-12
    )


def test_after_the_planned_ticks_no_start_has_mass():
    """The process goes on with the starts it has."""
    ticks = [((1, 100), (1, 100))] * 5

    assert after(ticks, planned=2).ticks == 5
    assert math.isfinite(e_value(after(ticks, planned=2)))


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=20))
def test_any_counts_give_a_finite_positive_value_that_survives_json(ticks):
    """What is carried by the journal comes back bit for bit."""
    process = after(ticks)

    planned, count, start, later = json.loads(json.dumps(process))
    assert HarmProcess(planned, count, tuple(start), tuple(later)) == process
    assert 0 < e_value(process) < math.inf


@pytest.mark.parametrize("tick", [((0, 0), (5, 10)), ((5, 10), (0, 0)), ((0, 0), (0, 0))])
def test_a_tick_with_one_arm_says_nothing(tick):
    """Nothing was compared."""
    assert after([tick]) == begin(120)


def test_all_bad_in_both_arms_is_no_harm():
    """What breaks everybody is not the canary's fault."""
    assert e_value(after([((1000, 1000), (50, 50))] * 100)) < 20


def test_evidence_beyond_a_float_is_cut_off():
    """A broken canary at huge traffic is as sure as it gets, and no overflow."""
    process = after([((0, 10**6), (10**5, 10**5))] * 3)

    assert 1e300 < e_value(process) < math.inf


@pytest.mark.parametrize(
    "tick",
    [
        ((3, 2), (0, 1)),
        ((0, 1), (3, 2)),
        ((-1, 2), (0, 1)),
        ((math.nan, 2), (0, 1)),
        ((0, math.nan), (0, 1)),
        ((0, math.inf), (0, 1)),
    ],
)
def test_what_is_no_share_is_refused(tick):
    """More bad than all, below zero, not a number."""
    with pytest.raises(ValueError, match="are not shares"):
        after([tick])


def rate_of(*, runs, ticks, share, bad, tolerated=1.0, harm=1.0, grid=GRID, limit=20.0):
    """How many runs reach the limit at any tick; 300 events a tick, seeded."""
    rng = random.Random(2026)  # noqa: S311 - a simulation

    def draw(events, rate):
        return sum(rng.random() < rate for _ in range(events))

    canary = round(300 * share)
    reached = 0
    for _ in range(runs):
        process = begin(ticks, grid=grid)
        for _ in range(ticks):
            process = fold_tick(
                process,
                control=(draw(300 - canary, bad), 300 - canary),
                canary=(draw(canary, bad * harm), canary),
                tolerated=tolerated,
                grid=grid,
            )
            if e_value(process) >= limit:
                reached += 1
                break
    return reached / runs


def test_a_harmless_canary_is_found_guilty_no_more_often_than_stated():
    """At alpha 5 %, looked at after every tick; 4 sigma above it would be 13 %."""
    assert rate_of(runs=120, ticks=40, share=0.2, bad=0.02) <= 0.13


def test_a_canary_at_the_margin_is_shown_to_be_within_it_no_more_often_than_stated():
    """The reverse question keeps its 5 % too."""
    found = rate_of(
        runs=120, ticks=40, share=0.2, bad=0.02, tolerated=2.0, harm=2.0, grid=REVERSE_GRID
    )

    assert found <= 0.13


def test_a_harm_is_found():
    """Three times as bad is found within 40 ticks."""
    assert rate_of(runs=20, ticks=40, share=0.2, bad=0.02, harm=3.0) >= 0.95


@given(
    st.lists(st.tuples(COUNTS, COUNTS), max_size=40),
    st.lists(st.tuples(COUNTS, COUNTS), max_size=40),
    st.sampled_from([1.0, 1.25, 3.0]),
    st.integers(1, 60),
)
def test_many_ticks_at_once_are_ticks_one_by_one_to_the_last_bit(before, ticks, tolerated, planned):
    """Also across the end of the plan; and no part of the evidence was ever above its peak."""
    process = after(before, planned=planned, tolerated=tolerated)

    found, peak = fold_ticks(process, ticks, tolerated=tolerated)

    highest = -math.inf
    for control, canary in ticks:
        known = process
        process = fold_tick(process, control=control, canary=canary, tolerated=tolerated)
        if process is not known:
            highest = max(highest, *process.start, *process.later)
    assert found == process
    assert peak == highest
