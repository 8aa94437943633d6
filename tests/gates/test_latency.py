"""Slow requests of the canary against control's: counted at bucket bounds, never guessed."""

from __future__ import annotations

import json

import pytest

from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.latency import Latency
from rolloutctl.gates.latency_spec import BOUNDS_MAX, LatencySpec
from worlds.two_arms import TwoArms, context_at, counter, reading_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
NO_DATA, ERROR = Outcome.NO_DATA, Outcome.ERROR
BUCKETS = 'seconds_bucket{model="${arm.labels.model}"}'
SPEC = LatencySpec(histogram=BUCKETS, above="2.5s")
SEVERAL = LatencySpec(histogram=BUCKETS, above=("500ms", "2.5s"))
LAYOUT = ("0.5", "1", "2.5", "+Inf")


class Service(TwoArms):
    """Requests by bucket: (below 0.5, below 1, below 2.5, above)."""

    def __init__(self, spec=SPEC, *, layouts=(LAYOUT, LAYOUT), **context):
        super().__init__(Latency(), spec, **context)
        self.layouts = layouts
        self.counts = ([0] * len(layouts[0]), [0] * len(layouts[1]))

    def serve(self, control, canary, **more):
        """Requests are added, then looked at."""
        shown = []
        for counts, new, layout in zip(self.counts, (control, canary), self.layouts, strict=True):
            for place, count in enumerate(new):
                counts[place] += count
            sums = [sum(counts[: place + 1]) for place in range(len(counts))]
            shown.append([counter(one, le=le) for one, le in zip(sums, layout, strict=True)])
        return self.read(*shown, **more)

    @property
    def numbers(self):
        return dict(self.verdict.numbers)


FAST, FAST_SMALL = (500, 300, 190, 10), (100, 60, 38, 2)
SLOW_SMALL = (100, 50, 30, 20)


def test_a_canary_as_fast_as_control_passes_and_shows_its_quantiles():
    """p50 and p99 of both arms stand beside the counts."""
    service = Service()
    service.serve((0,) * 4, (0,) * 4)

    outcomes = [service.serve(FAST, FAST_SMALL) for _ in range(3)]

    assert outcomes == [INCONCLUSIVE, INCONCLUSIVE, PASS]
    assert service.numbers["canary_p50"] == 0.5
    assert service.numbers["control_p99"] == pytest.approx(2.5)
    assert "p50 0.5 vs 0.5, p99 2.5 vs 2.5" in service.verdict.because
    assert "above 2.5: canary 1% of 600, control 1% of 3,000" in service.verdict.because


def test_a_slow_canary_fails_at_once():
    """Ten times as many slow requests are evidence at any count."""
    service = Service()
    service.serve((0,) * 4, (0,) * 4)

    assert service.serve(FAST, SLOW_SMALL) is FAIL
    assert service.numbers["canary_above"] == 20
    assert "above 2.5: canary 10% of 200" in service.verdict.because
    assert "p99 above 2.5 vs 2.5" in service.verdict.because


def test_evidence_of_several_bounds_is_their_mean():
    """A mean of e-values is one: each bound alone, added and halved, is the whole."""
    found = {}
    for name, above in (("low", "500ms"), ("high", "2.5s"), ("both", ("500ms", "2.5s"))):
        service = Service(LatencySpec(histogram=BUCKETS, above=above), error_rate=1e-9)
        service.serve((0,) * 4, (0,) * 4)
        service.serve(FAST, (90, 65, 39, 6))
        found[name] = service.numbers["evidence"]

    assert found["both"] == pytest.approx((found["low"] + found["high"]) / 2, rel=1e-12)


def test_a_strict_pass_needs_every_bound():
    """The least evidence counts, not the mean."""
    spec = LatencySpec(histogram=BUCKETS, above=("500ms", "2.5s"), margin="2x", strict=True)
    service = Service(spec, min_sample=10.0)
    service.serve((0,) * 4, (0,) * 4)

    early = service.serve(FAST, FAST_SMALL)
    for _ in range(60):
        late = service.serve(FAST, FAST_SMALL)

    assert (early, late) == (INCONCLUSIVE, PASS)


def test_a_bound_that_is_no_buckets_is_an_error_that_lists_them():
    """A quantile between two bounds would be a guess."""
    service = Service(LatencySpec(histogram=BUCKETS, above="2s"))
    service.serve((0,) * 4, (0,) * 4)

    assert service.serve(FAST, FAST_SMALL) is ERROR
    assert "no bucket ends at 2; there are: 0.5, 1, 2.5" in service.verdict.because


def test_a_bare_number_is_a_bound_in_the_histograms_own_unit():
    """Histograms of milliseconds or tokens have no seconds."""
    assert LatencySpec(histogram=BUCKETS, above=("2500", "100ms")).bounds() == (2500.0, 0.1)


def test_arms_with_different_buckets_are_an_error():
    """One library's defaults against another's compare nothing."""
    service = Service(layouts=(LAYOUT, ("0.5", "2", "2.5", "+Inf")))
    service.serve((0,) * 4, (0,) * 4)

    assert service.serve(FAST, FAST_SMALL) is ERROR
    assert "different buckets; of one only: 1, 2" in service.verdict.because


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (("0.5", "1", "2.5", "5"), "no +Inf bucket"),
        (("0.5", "1", "2.5", "x"), "numeric le"),
        (("+Inf", "1", "2.5", "0.5"), "not one histogram"),
    ],
)
def test_what_is_no_histogram_is_an_error(layout, words):
    """Never a pass."""
    service = Service(LatencySpec(histogram=BUCKETS, above="500ms"), layouts=(layout, layout))
    service.serve((0,) * 4, (0,) * 4)

    assert service.serve(FAST, FAST_SMALL) is ERROR
    assert words in service.verdict.because


def test_an_unhealthy_control_holds():
    """Both slow: the environment is at fault."""
    service = Service(LatencySpec(histogram=BUCKETS, above="2.5s", control_max=0.2))
    service.serve((0,) * 4, (0,) * 4)

    assert service.serve((0, 0, 500, 500), (0, 0, 300, 300)) is INCONCLUSIVE
    assert "control_max 20%" in service.verdict.because


def test_an_arm_without_requests_shows_none_and_is_no_data_after_ten_looks():
    """Quantiles of nothing are left out."""
    service = Service()
    service.serve((0,) * 4, (0,) * 4)

    outcomes = [service.serve(FAST, (0,) * 4) for _ in range(10)]

    assert outcomes == [INCONCLUSIVE] * 9 + [NO_DATA]
    assert "canary_p50" not in service.numbers


def test_nothing_at_all_is_told_as_nothing():
    """Two idle arms have no quantile."""
    service = Service()
    service.serve((0,) * 4, (0,) * 4)
    service.serve((0,) * 4, (0,) * 4)

    assert "no requests" in service.verdict.because


def test_missing_answers_and_readings_are_never_judged():
    """Neither ever passes."""
    queries = Latency().queries(SPEC, context_at(30))
    readings = [reading_of(query, "down") for query in queries]

    assert [query.text for query in queries] == [
        'seconds_bucket{model="gpt"}',
        'seconds_bucket{model="so\\"net"}',
    ]
    assert Latency().assess(SPEC, None, readings, context_at(30))[1].outcome is ERROR
    assert Latency().assess(SPEC, None, readings[:1], context_at(30))[1].outcome is ERROR


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"histogram": "rate(x[5m])"}, "histogram", "raw counters"),
        ({"histogram": "x_bucket"}, "histogram", "both arms the same"),
        ({"above": "soon"}, "above", "cannot read"),
        ({"above": "inf"}, "above", "cannot read"),
        ({"above": ()}, "above", "0 bounds"),
        ({"above": tuple(map(str, range(BOUNDS_MAX + 1)))}, "above", "17 bounds"),
        ({"above": ("1s", "1")}, "above", "twice"),
        ({"margin": "lots"}, "margin", "cannot read"),
        ({"strict": True}, "strict", "not worse at all"),
    ],
)
def test_a_spec_that_cannot_work_is_a_problem(changes, where, words):
    """Each says where and what to write instead."""
    [(key, message, fix)] = Latency().problems(
        LatencySpec(**{"histogram": BUCKETS, "above": "1s"} | changes)
    )

    assert key == where
    assert words in message
    assert fix


def test_a_sound_spec_has_no_problems_and_says_what_it_asks():
    """Counters only, by key."""
    assert Latency().problems(SEVERAL) == ()
    assert Latency().texts(SEVERAL) == {"histogram": BUCKETS}
    assert Latency().query_kinds(SEVERAL) == {"counters"}


def test_the_same_looks_give_the_same_evidence_bit_for_bit():
    """Through JSON or not."""
    found = []
    for _ in range(2):
        service = Service(SEVERAL)
        for look in range(30):
            service.serve((500, 300, 190, look % 7), (100, 60, 38, look % 3))
        found.append(json.dumps(service.evidence))

    assert found[0] == found[1]
