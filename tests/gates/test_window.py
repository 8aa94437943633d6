"""The sliding window of disjoint counts."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.gates.window import TICKS_MAX, Tick, Window

START_S = 1_772_366_400.0


def tick(start_s, end_s, **counts):
    return Tick(START_S + start_s, START_S + end_s, counts)


def test_counts_leave_with_the_window():
    """A tick counts whole while it reaches into the window, then not at all."""
    window = Window()
    for n in range(10):
        window = window.add(tick(30 * n, 30 * n + 30, total=1.0), window_s=60)

    recent = window.recent(START_S + 300, window_s=60)

    assert recent.totals() == {"total": 2.0}


def test_names_are_added_up_apart():
    """A name missing in a tick counts 0 there."""
    window = Window().add(tick(0, 30, a=1.0), window_s=60).add(tick(30, 60, b=2.0), window_s=60)

    assert window.totals() == {"a": 1.0, "b": 2.0}


def test_ticks_too_fine_for_the_window_are_added_up():
    """They become one, from the start of the first to the end of the last."""
    window = Window().add(tick(0, 1, a=1.0), window_s=3600).add(tick(1, 2, a=2.0), window_s=3600)

    assert window.ticks == (tick(0, 2, a=3.0),)


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=400))
def test_a_window_is_bounded_and_loses_nothing(steps_s):
    """Whatever the interval, few ticks hold all counts."""
    window, now_s = Window(), 0.0
    for step_s in steps_s:
        window = window.add(tick(now_s, now_s + step_s, total=1.0), window_s=60)
        now_s += step_s
    everything = window.totals()
    recent = window.recent(START_S + now_s, window_s=60)

    assert everything == {"total": float(len(steps_s))}
    # Two neighbours together are longer than the finest tick, so there are at most
    # twice as many as that, and one at each end.
    assert len(recent.ticks) <= 2 * TICKS_MAX + 2
    assert all(a.end_s <= b.start_s for a, b in zip(window.ticks, window.ticks[1:], strict=False))


def test_a_window_survives_json():
    """What the journal carries is what was counted."""
    window = Window().add(tick(0, 30, bad=1.0, total=9.5), window_s=60)

    assert Window.from_json(json.loads(json.dumps(window.to_json()))) == window
