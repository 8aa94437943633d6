"""The drive that leaps decides what the complete engine decides, on the very same evidence."""

from dataclasses import replace

import pytest

from rolloutctl.core import events as ev
from rolloutctl.simulation.draws import Draws
from rolloutctl.simulation.faults import parse_fault
from rolloutctl.simulation.scenario import play, prepare
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.traffic import Climate
from worlds.rehearsals import HEAD, STEADY, given_of

#: Everything that can be foreseen: a comparison, bounds, a share, a quantile, an expression.
SEEN = (
    HEAD
    + """
gates:
  errors:
    kind: compare
    source: app
    bad: 'requests_total{model="${arm.labels.model}",status="500"}'
    total: 'requests_total{model="${arm.labels.model}"}'
    margin: MARGIN
  slow:
    kind: latency
    source: app
    histogram: 'seconds_bucket{model="${arm.labels.model}"}'
    above: [250ms, 1s]
    margin: 1.25x
    min_sample: 200
  limit:
    kind: threshold
    source: app
    bad: 'requests_total{model="${canary.labels.model}",status="500"}'
    total: 'requests_total{model="${canary.labels.model}"}'
    window: 10m
    fail: "> 20%"
    min_sample: 100
  alive:
    kind: threshold
    source: app
    query: 'up{job="app"}'
    fail: "< 1"
guardrails: [alive]
steps:
  - {canary: 5%, hold: 35m, gates: [errors, slow]}
  - {canary: 50%, hold: 50m, gates: [errors, slow, limit], confirm: true}
  - {canary: 100%, hold: 20m, gates: [limit]}
"""
)


def both(text, folder, *, seed, fault="", rate=50.0, shape=Shape.STEADY, answers=None):
    """The same run by the complete engine and by leaps."""
    given = given_of(text, folder)
    climate = Climate(requests_per_s=rate, shape=shape)
    scenario = prepare(given, answers=answers or {}, climate=climate)
    if fault:
        scenario = replace(scenario, faults=(parse_fault(fault, given.playbook.gates),))
    return play(scenario, seed), play(scenario, seed, leaping=True)


def judgements(played):
    return sum(isinstance(one.event, ev.GateJudged) for one in played.rehearsed.records)


def assert_same(whole, quick):
    assert quick.rehearsed.story == whole.rehearsed.story
    assert quick.rehearsed.state.gates == whole.rehearsed.state.gates
    assert quick.rehearsed.ended_at == whole.rehearsed.ended_at
    assert quick.rehearsed.exit_code == whole.rehearsed.exit_code
    assert (quick.requests, quick.harm) == (whole.requests, whole.harm)
    assert (quick.exposures, quick.began_s) == (whole.exposures, whole.began_s)


@pytest.mark.long
@pytest.mark.parametrize("seed", ["1", "2", "3"])
@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize("margin", ["1.25x", "+0.5pp"])
def test_seed_by_seed_it_ends_with_the_same_evidence(tmp_path, seed, shape, margin):
    """In every kind of traffic, and with both kinds of margin."""
    whole, quick = both(SEEN.replace("MARGIN", margin), tmp_path, seed=seed, shape=shape)

    assert_same(whole, quick)
    assert judgements(quick) < judgements(whole)


@pytest.mark.parametrize(
    "fault",
    [
        "errors=2x at 5% after 20m",
        "errors=1.5x at 50% after 20m",
        "slow=2x at 50% after 30m",
        "errors=no-data at 50% after 31m for 3m",
        "slow=error at 5% after 11m for 2m",
        "alive=0 at 50% after 40m",
        "traffic=0 at 50% after 20m for 7m",
    ],
)
def test_harm_and_silence_are_met_at_the_same_look(tmp_path, fault):
    """Whatever turns in the middle of a leap."""
    whole, quick = both(SEEN.replace("MARGIN", "1.25x"), tmp_path, seed="7", fault=fault)

    assert_same(whole, quick)


@pytest.mark.parametrize(
    ("rate", "answers"),
    [
        (2.5, {}),  # looks without an event
        (5.0, {"errors": "12%"}),  # frequent: the exact form
        (50.0, {"errors": "9%"}),  # the same by the saddlepoint
        (2_000.0, {"errors": "0.1%"}),
    ],
)
def test_rare_and_frequent_events_are_folded_alike(tmp_path, rate, answers):
    """Whatever form of the evidence a tick is given."""
    whole, quick = both(
        SEEN.replace("MARGIN", "1.25x"), tmp_path, seed="3", rate=rate, answers=answers
    )

    assert_same(whole, quick)


def test_counted_windows_are_leapt_over_too(tmp_path):
    """A share, a quantile and a mean over ten minutes."""
    whole, quick = both(STEADY, tmp_path, seed="5")

    assert_same(whole, quick)


def test_numbers_drawn_together_are_those_drawn_one_by_one():
    """A mean of zero takes nothing from chance, one beyond the tables a normal number."""
    means = (3.5, 0.0, 1_000.0, 0.2, 1e6)

    for row in (means, means[2:4]):
        one, many = Draws("a"), Draws("a")
        assert many.row(row)() == [one.poisson(mean) for mean in row]
        assert many.uniform() == one.uniform()
