"""From raw counters to events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.core.measurement import Sample
from rolloutctl.gates import counters
from rolloutctl.gates.counters import Counters, difference, points_of

START_S = 1_772_366_400.0
HORIZON_S = 300.0


def samples(**numbers):
    return [Sample(labels=(("pod", pod),), value=float(n)) for pod, n in numbers.items()]


def run(*readings, every_s=30.0):
    """Events between the readings, one after another."""
    known, events = None, []
    for index, reading in enumerate(readings):
        known, counts = difference(
            known,
            points_of("total", reading),
            now_s=START_S + index * every_s,
            horizon_s=HORIZON_S,
        )
        events.append(None if counts is None else counts.get("total", 0.0))
    return events


@pytest.mark.parametrize(
    ("claim", "readings", "events"),
    [
        ("the first is a start", [samples(a=1000)], [None]),
        ("growth counts", [samples(a=1000), samples(a=1010)], [None, 10]),
        ("a reset counts from 0", [samples(a=1000), samples(a=7)], [None, 7]),
        ("a new series counts from 0", [samples(a=1), samples(a=1, b=5)], [None, 5]),
        ("a vanished one adds nothing", [samples(a=1, b=5), samples(a=4)], [None, 3]),
        (
            "one that comes back goes on",
            [samples(a=1, b=5), samples(a=1), samples(a=1, b=9)],
            [None, 0, 4],
        ),
        (
            "one that comes back reset counts from 0",
            [samples(a=1, b=5), samples(a=1), samples(a=1), samples(a=1, b=2)],
            [None, 0, 0, 2],
        ),
    ],
)
def test_only_what_happened_in_between_is_counted(claim, readings, events):
    """The rules of the module, one by one."""
    assert run(*readings) == events, claim


def test_a_series_back_after_the_horizon_starts_anew():
    """Its delta would count events from outside the window."""
    gone = [samples(a=1)] * 10

    events = run(samples(a=1, b=5), *gone, samples(a=1, b=900), samples(a=1, b=901), every_s=60.0)

    assert events[-2:] == [0, 1]


@pytest.mark.parametrize("later_s", [301.0, -1.0])
def test_a_reading_too_long_ago_or_in_the_future_is_no_start(later_s):
    """The counters are taken up anew."""
    known = Counters(read_at_s=START_S, last={})

    _, counts = difference(
        known,
        points_of("total", samples(a=5)),
        now_s=START_S + later_s,
        horizon_s=HORIZON_S,
    )

    assert counts is None


def test_the_buckets_of_one_histogram_reset_together():
    """A bucket that looks grown after a restart has started from 0 like the others."""

    def buckets(pod, small, all_):
        return [
            Sample(labels=(("le", "+Inf"), ("pod", pod)), value=all_),
            Sample(labels=(("le", "1"), ("pod", pod)), value=small),
        ]

    before = [*buckets("a", 10, 100), *buckets("b", 50, 50)]
    after = [*buckets("a", 15, 15), *buckets("b", 51, 52)]
    known, _ = difference(
        None, points_of("h", before, by_bound=True), now_s=START_S, horizon_s=HORIZON_S
    )
    _, counts = difference(
        known,
        points_of("h", after, by_bound=True),
        now_s=START_S + 30,
        horizon_s=HORIZON_S,
    )

    assert counts == {"+Inf": 15 + 2, "1": 15 + 1}


def test_vanished_series_are_forgotten_after_a_day_and_beyond_the_limit(monkeypatch):
    """Evidence stays bounded however many pods come and go."""
    monkeypatch.setattr(counters, "SERIES_MAX", 2)
    old = START_S - counters.FORGET_S - 1
    known = Counters(
        read_at_s=START_S,
        last={"x": 1.0, "y": 1.0},
        gone={"old": (1.0, old), "recent": (1.0, START_S)},
    )

    later, _ = difference(known, [], now_s=START_S + 30, horizon_s=HORIZON_S)

    assert set(later.gone) == {"x", "y"}


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 1000), max_size=3),
        min_size=2,
        max_size=12,
    )
)
def test_events_are_never_negative_nor_more_than_the_counters_show(readings):
    """Whatever the counters do."""
    rows = [samples(**reading) for reading in readings]

    for reading, count in list(zip(readings, run(*rows), strict=True))[1:]:
        assert 0 <= count <= sum(reading.values())


@given(st.lists(st.integers(0, 100), min_size=1, max_size=10))
def test_disjoint_events_add_up_to_the_growth(growth):
    """Nothing is counted twice, nothing is lost."""
    totals = [sum(growth[: n + 1]) for n in range(len(growth))]

    events = run(samples(a=0), *(samples(a=total) for total in totals))

    assert sum(events[1:]) == totals[-1]
