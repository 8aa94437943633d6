"""Random schedules against the invariants of docs/safety.md; scripts/model-test runs more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolloutctl.core.playbook import OnDrift
from worlds.dials import VERBS, WEATHER, Dials, dials_of
from worlds.model import run
from worlds.model_driver import hint, shrink, tally

#: Seeds of one chunk; the chunks run side by side.
CHUNK = 1_000
CHUNKS = 20
EXAMPLES = 2_000
#: Schedules that a million found: kills that overlap, and drivers that sleep through one.
FOUND = (241596, 266106, 362341, 485629, 609190, 650617, 794461, 814477, 851991, 888473)

SPANS = st.integers(min_value=0, max_value=240).map(float)
DIALS = st.builds(
    Dials,
    seed=st.integers(min_value=0, max_value=1_000_000),
    targets=st.integers(min_value=1, max_value=2),
    conditional=st.booleans(),
    canary_before_bp=st.sampled_from((0, 300)),
    drivers=st.integers(min_value=1, max_value=2),
    latency_s=st.sampled_from((0.0, 0.05, 1.0)),
    fault_rate=st.sampled_from((0.0, 0.05, 0.2, 0.5)),
    crashes=st.integers(min_value=0, max_value=4),
    stalls=st.integers(min_value=0, max_value=4),
    journal_faults=st.integers(min_value=0, max_value=2),
    confirm=st.booleans(),
    on_drift=st.sampled_from(OnDrift),
    run_s=st.sampled_from((0.0, 1.0, 20.0, 50.0)),
    run_fails=st.booleans(),
    run_again=st.booleans(),
    acts=st.lists(st.tuples(SPANS, st.sampled_from(VERBS)), max_size=5).map(sorted).map(tuple),
    weather=st.lists(st.tuples(SPANS, st.sampled_from(WEATHER)), max_size=2).map(sorted).map(tuple),
)


@pytest.mark.crash
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_seeded_schedule_breaks_an_invariant(chunk):
    """Operators, crashes, stalls, faults and racing drivers, counted by seed."""
    counts = tally(range(chunk * CHUNK, (chunk + 1) * CHUNK))

    assert not counts.failed, f"{counts.failed[0]}\n{hint(counts.failed[0][0])}"
    assert counts.events > CHUNK
    assert {"succeeded", "rolled-back", "killed", "paused"} <= set(counts.ended)


@pytest.mark.crash
@settings(
    max_examples=EXAMPLES // 4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(dials=DIALS)
@pytest.mark.parametrize("verb", ["", "kill", "rollback", "override"])
def test_no_generated_schedule_breaks_an_invariant(verb, dials):
    """The same, made small by Hypothesis when it fails; a quarter each with a verb for sure."""
    if verb:
        dials = replace(dials, acts=tuple(sorted([*dials.acts, (40.0, verb)])))

    assert not run(dials)


@pytest.mark.parametrize("seed", FOUND)
def test_what_a_million_schedules_found_holds(seed):
    """Each was one in a hundred thousand."""
    assert not run(dials_of(seed))


def test_the_same_seed_is_the_same_schedule():
    """Otherwise a failing seed would prove nothing."""
    first, second = [], []

    run(dials_of(5), trace=first)
    run(dials_of(5), trace=second)

    assert first
    assert first == second


def test_a_failing_schedule_is_made_small():
    """The hint keeps what the failure needs and drops the rest."""
    wild = next(
        dials
        for dials in map(dials_of, range(10_000))
        if dials.crashes and len({verb for _, verb in dials.acts} & {"kill"}) == 1
    )

    small = shrink(wild, lambda dials: any(verb == "kill" for _, verb in dials.acts))

    assert [verb for _, verb in small.acts] == ["kill"]
    assert (small.crashes, small.stalls, small.weather) == (0, 0, ())
