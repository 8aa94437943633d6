"""What gates say they will see, and what they advise where they are blind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl.core.sight import Outlook
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec, Dependence
from rolloutctl.gates.latency import Latency
from rolloutctl.gates.latency_spec import LatencySpec
from rolloutctl.gates.margin import NO_WORSE, parse_margin
from rolloutctl.gates.sights import share_sight
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec

DOUBLE = parse_margin("2x")


def outlook(*, share=0.05, judged_s=3600.0, mirrored=False, per_s=50.0, bad=0.25):
    return Outlook(
        per_s={"total": per_s, "bad": bad},
        canary_share=share,
        is_mirrored=mirrored,
        judged_s=judged_s,
        error_rate=0.05,
    )


def sight(ahead, *, margin=NO_WORSE, effect=DOUBLE):
    return share_sight(
        ahead,
        bad_per_s=ahead.per_s["bad"],
        total_per_s=ahead.per_s["total"],
        margin=margin,
        effect=effect,
    )


def test_an_hour_at_five_percent_sees_twice_the_failures():
    """0.5 % of 50 requests per second: about half an hour, as simulations have it."""
    seen = sight(outlook())

    assert 20 * 60 < seen.seconds < 40 * 60
    assert seen.effect == "2x the bad events of control"
    assert seen.smallest == "1.71x"
    assert seen.advice == ""


def test_a_short_hold_is_blind_and_told_how_long_or_how_much():
    """Either way would do."""
    seen = sight(outlook(judged_s=600.0))

    assert seen.advice == "hold it 33m after the warm-up or give it 20%"


def test_a_mirrored_canary_is_seen_sooner_than_a_served_one():
    """Control keeps all of its traffic."""
    served, mirrored = sight(outlook(share=0.5)), sight(outlook(share=0.5, mirrored=True))

    assert mirrored.seconds < served.seconds


def test_where_nothing_helps_a_person_is_to_judge():
    """One request an hour shows nothing in a week, at any weight."""
    seen = sight(outlook(per_s=1 / 3600, bad=1 / 360_000, judged_s=600.0))

    assert seen.smallest == ""
    assert seen.advice.startswith("write a larger effect")


def test_without_bad_events_or_traffic_nothing_is_ever_seen():
    """Infinity has no place in a document."""
    assert sight(outlook(bad=0.0)).seconds is None
    assert sight(outlook(per_s=0.0, bad=0.0)).seconds is None


def test_an_effect_within_the_margin_is_never_seen():
    """It is accepted."""
    assert sight(outlook(), margin=parse_margin("3x")).seconds is None


COMPARE = CompareSpec(bad='b{m="${arm.is}"}', total='t{m="${arm.is}"}')


def test_a_comparison_sees_its_effect():
    """2x unless the gate says otherwise."""
    assert Compare().sight(COMPARE, outlook()) == sight(outlook())
    assert Compare().sight(replace(COMPARE, effect="4x"), outlook()).seconds < 600


def test_clustered_events_are_not_foreseen():
    """They are fewer than they look, and nobody knows by how much."""
    spec = replace(COMPARE, dependence=Dependence.CLUSTERED)

    assert Compare().sight(spec, outlook()) is None


def test_of_several_bounds_the_one_that_sees_first_is_told():
    """1 s is crossed by 10 %, 5 s by 0.1 %; each has half of the error rate."""
    spec = LatencySpec(histogram='h{m="${arm.is}"}', above=("1s", "5s"))
    buckets = {"inf": 50.0, "1.0": 45.0, "5.0": 49.95}

    both = Latency().sight(spec, replace(outlook(), per_s=buckets))
    alone = Latency().sight(replace(spec, above="1s"), replace(outlook(), per_s=buckets))

    assert both.effect == "2x as many slow requests"
    assert alone.seconds < both.seconds < 1.5 * alone.seconds


def test_without_buckets_a_latency_cannot_be_foreseen():
    """A stated traffic says nothing of how long requests take."""
    spec = LatencySpec(histogram='h{m="${arm.is}"}', above="1s")

    assert Latency().sight(spec, outlook()) is None


@pytest.mark.parametrize("effect", ["1x", "lots"])
def test_an_effect_that_is_none_is_a_problem(effect):
    """In both kinds."""
    latency = LatencySpec(histogram='h{m="${arm.is}"}', above="1s", effect=effect)

    for found in (
        Compare().problems(replace(COMPARE, effect=effect)),
        Latency().problems(latency),
    ):
        assert [key for key, _, _ in found] == ["effect"]


def threshold(**changes):
    fields = {"bad": "b", "total": "t", "window_s": 300.0, "fail": "> 5%"} | changes
    return Threshold(), ThresholdSpec(**fields)


def test_a_window_with_enough_bad_events_at_the_limit_can_tell():
    """50/s at 25 % for 5 minutes and 5 %: 187 bad events."""
    kind, spec = threshold()
    seen = kind.sight(spec, outlook(share=0.25))

    assert (seen.seconds, seen.smallest, seen.advice) == (300.0, "> 5%", "")


def test_a_window_with_too_few_is_told_what_to_write():
    """A longer window, or a higher limit."""
    kind, spec = threshold(fail="> 1%", for_s=600.0)
    seen = kind.sight(spec, outlook())

    assert seen.seconds == 600.0
    assert seen.smallest == ""
    assert "holds 7.5 bad events at the limit, below 20" in seen.advice
    assert 'write window: 14m or fail: "> 3%"' in seen.advice


def test_with_hardly_any_traffic_no_threshold_on_a_share_can_tell():
    """Neither way out is one."""
    kind, spec = threshold(fail="> 1%")
    seen = kind.sight(spec, outlook(per_s=0.001))

    assert seen.advice.endswith("compare with control instead")
    assert kind.sight(spec, outlook(per_s=0.0)).seconds is None


@pytest.mark.parametrize(
    "changes",
    [
        {"bad": "", "total": "", "query": "up", "window_s": 0.0},
        {"fail": "", "pass_": "< 1%"},
        {"fail": "< 1%"},
    ],
)
def test_other_thresholds_cannot_be_foreseen(changes):
    """Nothing is known of what an expression, or a limit from below, will see."""
    kind, spec = threshold(**changes)

    assert kind.sight(spec, outlook()) is None
