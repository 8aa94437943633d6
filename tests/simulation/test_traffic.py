"""Simulated counters are what a Prometheus would show."""

from datetime import timedelta

import pytest

from rolloutctl.core.exposure import split
from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.errors import Unavailable
from rolloutctl.simulation.draws import Draws
from rolloutctl.simulation.faults import parse_fault
from rolloutctl.simulation.healthy import find_healthy
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.streams import streams_of
from rolloutctl.simulation.traffic import Climate, Traffic
from rolloutctl.simulation.virtual import EPOCH, VirtualClock, VirtualSource
from worlds.rehearsals import COMPARED, EVERY_KIND, HEAD, STEADY, given_of

TOTAL = 'requests_total{model="b"}'
BAD = 'requests_total{model="b",status="500"}'
CONTROL = 'requests_total{model="a"}'
HISTOGRAM = 'seconds_bucket{model="b"}'


class World:
    """Traffic of a playbook, its source, and somebody who sets weights."""

    def __init__(self, given, *faults, shape=Shape.STEADY, seed="s"):
        self.streams = streams_of(given.playbook, given.kinds.gates)
        climate = Climate(requests_per_s=50.0, shape=shape)
        self.healthy = find_healthy(
            given.playbook, given.kinds, self.streams, answers={}, climate=climate
        )
        self.traffic = Traffic(
            self.streams,
            self.healthy.numbers,
            climate=climate,
            faults=[parse_fault(text, given.playbook.gates) for text in faults],
            draws=Draws(seed),
        )
        self.source = VirtualSource(self.traffic, VirtualClock(EPOCH))

    def ask(self, text, second):
        query = Query(kind=QueryKind.COUNTERS, text=text)
        return self.source.query(query, EPOCH + timedelta(seconds=second))

    def number(self, text, second):
        return sum(sample.value for sample in self.ask(text, second).samples)


@pytest.mark.parametrize("shape", list(Shape))
def test_counters_never_fall_whatever_the_weight_does(tmp_path, shape):
    """Every series of every text, look after look, also after a rollback."""
    world = World(given_of(STEADY, tmp_path), "errors=20% after 5m", shape=shape)
    last = {}

    for look in range(200):
        if look % 25 == 0:
            world.traffic.expose("llm", split((look * 37) % 10_000), look * 30.0)
        for text in world.streams.places:
            for sample in world.ask(text, look * 30.0).samples:
                assert sample.value >= last.get((text, sample.labels), 0.0)
                last[text, sample.labels] = sample.value
    assert last


def test_control_is_counted_from_the_first_look_and_the_canary_from_its_first_request(tmp_path):
    """Control was served before the rollout; no gate may find it missing at second 0."""
    world = World(given_of(COMPARED, tmp_path))

    assert world.ask(CONTROL, 0.0).state is DataState.OK
    assert world.ask(TOTAL, 0.0).state is DataState.EMPTY


def test_each_arm_gets_its_share_of_the_requests(tmp_path):
    """5 % of 50 requests a second for an hour, and the rest for control."""
    world = World(given_of(COMPARED, tmp_path))
    world.traffic.expose("llm", split(500), 0.0)

    assert world.number(TOTAL, 3_600.0) == pytest.approx(9_000, rel=0.05)
    assert world.number(CONTROL, 3_600.0) == pytest.approx(171_000, rel=0.01)


def test_bad_requests_are_a_part_of_all(tmp_path):
    """The share that is healthy, until the fault; never more than all."""
    world = World(given_of(STEADY, tmp_path), "errors=30% after 1h")
    world.traffic.expose("llm", split(5_000), 0.0)

    assert world.number(BAD, 3_600.0) / world.number(TOTAL, 3_600.0) == pytest.approx(
        0.005, rel=0.2
    )
    bad, total = world.number(BAD, 3_600.0), world.number(TOTAL, 3_600.0)
    later_bad, later = world.number(BAD, 7_200.0) - bad, world.number(TOTAL, 7_200.0) - total
    assert later_bad / later == pytest.approx(0.30, rel=0.05)


def test_a_histogram_is_cumulative_and_ends_with_everything(tmp_path):
    """As the exposition format has it."""
    world = World(given_of(STEADY, tmp_path))
    world.traffic.expose("llm", split(5_000), 0.0)

    samples = world.ask(HISTOGRAM, 600.0).samples

    counts = [sample.value for sample in samples]
    assert counts == sorted(counts)
    assert samples[-1].labels == (("le", "+Inf"),)
    assert ("le", "3") in [sample.labels[0] for sample in samples]  # the gate's own limit


def test_an_arm_without_traffic_has_no_series(tmp_path):
    """Nobody counts what never happened: no zero that could be taken for health."""
    world = World(given_of(STEADY, tmp_path))

    assert world.ask(TOTAL, 600.0).state is DataState.EMPTY
    assert world.ask("other_total", 600.0).state is DataState.EMPTY
    assert world.source.unknown == {"other_total": None}


def test_mirrored_requests_are_the_canarys_unless_labels_tell_them_apart(tmp_path):
    """10 % mirrored: counted under the canary's labels, or under the shadow's own."""
    plain = World(given_of(STEADY, tmp_path))
    plain.traffic.expose("llm", split(0, shadow_bp=1_000), 0.0)
    labelled = STEADY.replace(
        'model="${canary.labels.model}"',
        'model="${canary.labels.model}",mode="${canary.labels.mode}"',
    ).replace("labels: {model: b}", "labels: {model: b, mode: live}")
    told = World(given_of(labelled, tmp_path))
    told.traffic.expose("llm", split(0, shadow_bp=1_000), 0.0)

    assert plain.number(TOTAL, 600.0) == pytest.approx(3_000, rel=0.1)
    assert told.ask('requests_total{model="b",mode="live"}', 600.0).state is DataState.EMPTY
    assert told.number('requests_total{model="b",mode="shadow"}', 600.0) == pytest.approx(
        3_000, rel=0.1
    )


def test_a_silent_source_has_no_series_and_a_broken_one_raises(tmp_path):
    """For as long as the fault lasts."""
    silent = World(given_of(STEADY, tmp_path), "errors=no-data at 0% after 5m for 5m")
    silent.traffic.expose("llm", split(5_000), 0.0)
    broken = World(given_of(STEADY, tmp_path), "errors=error at 0%")
    broken.traffic.expose("llm", split(5_000), 0.0)

    states = [silent.ask(BAD, second).state for second in (240.0, 301.0, 599.0, 601.0)]

    assert states == [DataState.OK, DataState.EMPTY, DataState.EMPTY, DataState.OK]
    with pytest.raises(Unavailable, match="planted"):
        broken.ask(BAD, 60.0)


def test_healthy_numbers_leave_room_below_the_gates_limits(tmp_path):
    """A gate that fails above 200 ms would object to half a second; so would a canary."""
    strict = STEADY.replace('"> 3s"', '"> 200ms"').replace('"> 5%"', '"> 0.3%"')
    world = World(given_of(strict, tmp_path))

    numbers = {slot.gates[0]: world.healthy.numbers[n] for n, slot in world.streams.slots.items()}

    assert numbers["p99"] <= 0.2 / 1.5
    assert numbers["errors"] <= 0.003 / 1.5


def test_every_kind_of_gate_finds_its_counters(tmp_path):
    """By the keys of their specs; what a budget spends is what another gate adds up."""
    world = World(given_of(EVERY_KIND, tmp_path))
    world.traffic.expose("llm", split(5_000), 0.0)

    stream = {place.stream for place in world.streams.places.values()}
    named = {slot.gates: slot.role.value for slot in world.streams.slots.values()}

    assert stream == {"worse", "slow", "thumbs", "users"}
    assert named == {
        ("worse",): "bad",
        ("slow",): "histogram",
        ("cost", "money"): "sum",
        ("thumbs",): "bad",
    }
    each = world.number('usd_total{model="b"}', 3_600.0) / world.number(TOTAL, 3_600.0)
    assert each == pytest.approx(0.01, rel=0.05)
    assert ("le", "2") in [sample.labels[0] for sample in world.ask(HISTOGRAM, 3_600.0).samples]
    assert world.number('users_total{model="b"}', 3_600.0) == pytest.approx(90_000, rel=0.05)


def test_an_expression_is_answered_healthy_and_that_is_said(tmp_path):
    """What cannot be modelled is stated."""
    text = (
        HEAD
        + """
gates:
  success: {kind: threshold, source: app, query: 'avg(ok)', fail: "< 0.95"}
steps:
  - {canary: 5%, hold: 10m, gates: [success]}
"""
    )
    world = World(given_of(text, tmp_path), "success=0.5 at 0% after 5m")
    world.traffic.expose("llm", split(500), 0.0)
    query = Query(kind=QueryKind.EXPRESSION, text="avg(ok)")

    numbers = [
        world.source.query(query, EPOCH + timedelta(seconds=second)).samples[0].value
        for second in (60.0, 301.0)
    ]

    assert numbers == [pytest.approx(0.975), 0.5]
    assert "--answer success=VALUE" in world.healthy.doubts[0]
