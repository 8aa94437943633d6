"""Events survive the journal whole, or are refused with a reason."""

import dataclasses
import json
import types
import typing
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import FULL_BP, Condition, Exposure
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.errors import JournalUnavailable
from rolloutctl.store import codec
from rolloutctl.store.shape import AnyJson

GOLDEN = Path(__file__).parent / "golden_events_v1.ndjson"
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
conditions = st.builds(
    Condition,
    attribute=st.text(),
    values=st.lists(st.text() | st.integers() | finite | st.booleans()).map(tuple),
)
cohorts = st.none() | st.lists(conditions, min_size=1, max_size=2).map(tuple)
exposures = st.builds(
    lambda bp, **rest: Exposure(weights=(("control", FULL_BP - bp), ("canary", bp)), **rest),
    st.integers(0, FULL_BP),
    shadow_bp=st.integers(0, FULL_BP),
    audience=cohorts,
    include=cohorts,
)
KNOWN = {
    str: st.text(st.characters(), max_size=10),
    int: st.integers(),
    float: finite,
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    AnyJson: json_values,
    Exposure: exposures,
    Condition: conditions,
}


def values_of(hint):
    """Hypothesis values for a type hint, so that a new field is tested unasked."""
    if hint in KNOWN:
        return KNOWN[hint]
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint, localns={"Json": AnyJson})
        return st.builds(
            hint, **{f.name: values_of(hints[f.name]) for f in dataclasses.fields(hint)}
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is types.NoneType:
        return st.none()
    if origin in {typing.Union, types.UnionType}:
        return st.one_of([values_of(argument) for argument in arguments])
    assert origin is tuple, hint
    if arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    return st.tuples(*[values_of(argument) for argument in arguments])


@pytest.mark.parametrize("kind", sorted(codec.EVENTS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_event_survives_its_journey(kind, data):
    """An event through JSON text and back is equal, and its text is the same again."""
    event = data.draw(values_of(codec.EVENTS[kind]))

    text = codec.event_to_text(event)

    assert codec.event_from_text(text) == event
    assert codec.event_to_text(codec.event_from_text(text)) == text
    assert text.isascii()


def test_every_class_of_events_is_an_event_or_part_of_one():
    """A class added to core/events.py and forgotten in the union is noticed."""
    parts = {"Actor", "RestorePoint", "GateRecord", "Recorded"}
    classes = {
        name
        for name, cls in vars(ev).items()
        if dataclasses.is_dataclass(cls) and cls.__module__ == ev.__name__
    }

    assert classes - parts == set(codec.EVENTS)


def test_the_first_version_stays_readable():
    """Every event as version 1 wrote it is still read; the file only grows."""
    lines = GOLDEN.read_text().splitlines()

    kinds = {type(codec.event_from_text(line)).__name__ for line in lines}

    assert kinds == set(codec.EVENTS), "add one line for the new event; never change a line"


def test_times_are_rfc_3339_utc_with_microseconds():
    """Times of any zone are written as UTC, six digits, and sort as text."""
    plus_two = timezone(timedelta(hours=2))
    event = ev.HoldExtended(step=0, until=AT.astimezone(plus_two), because="")

    data = codec.event_to_json(event)

    assert data == {
        "kind": "HoldExtended",
        "v": 1,
        "step": 0,
        "until": "2026-01-02T03:04:05.678901Z",
        "because": "",
    }
    assert codec.event_from_json(data) == event


def gate_judged(*, evidence=None, number=1.0, at=AT):
    verdict = Verdict(outcome=Outcome.PASS, because="", numbers=(("observed", number),))
    record = ev.GateRecord(verdict=verdict, measured=verdict, evidence=evidence, judged_at=at)
    return ev.GateJudged(gate="g", step=0, record=record, readings=())


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (
            gate_judged(number=float("nan")),
            "GateJudged.record: GateRecord.verdict: Verdict.numbers",
        ),
        (gate_judged(number=float("inf")), "numbers: expected a finite number, found inf"),
        (gate_judged(number=10**400), "numbers: "),
        (gate_judged(evidence={"a": [1.0, float("nan")]}), "GateRecord.evidence"),
        (gate_judged(evidence={1: 2}), "GateRecord.evidence: expected text"),
        (gate_judged(evidence={"a": AT}), "evidence: datetime is not JSON"),
        (gate_judged(at=AT.replace(tzinfo=None)), "judged_at"),
        (ev.StepEntered(step=True, because=""), "StepEntered.step: expected a whole number"),
        (ev.StepEntered(step=1, because=None), "StepEntered.because: expected text"),
        (ev.PromoteRefused(gates=["a"], because=""), "PromoteRefused.gates: expected a tuple"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(event, field):
    """NaN, infinities, naive times and wrong types are refused, naming the field."""
    with pytest.raises(ValueError) as caught:
        codec.event_to_json(event)

    assert field in str(caught.value)


def test_evidence_that_never_ends_is_refused():
    """JSON nested in itself is an error, not a crash of the interpreter."""
    endless = []
    endless.append(endless)

    with pytest.raises(ValueError, match="nested deeper"):
        codec.event_to_json(gate_judged(evidence=endless))


def test_the_order_of_a_snapshots_keys_is_kept():
    """A snapshot comes back as it was, not sorted: a restore writes it exactly."""
    event = gate_judged(evidence={"b": 1, "a": {"d": 1, "c": 2}})

    back = codec.event_from_text(codec.event_to_text(event))

    assert json.dumps(back.record.evidence) == '{"b": 1, "a": {"d": 1, "c": 2}}'


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Teleported"},
        {"v": 2},
        {"warp": 9},
        {"cause": "boredom"},
        {"actor": {"name": "a", "terminal": "", "pid": 1, "badge": "x"}},
    ],
)
def test_what_a_newer_version_wrote_is_refused(change):
    """Unknown kinds, versions, fields and words stop the reader; nothing is skipped."""
    actor = ev.Actor(name="a")
    event = ev.RollbackStarted(cause=ev.Cause.GATE, because="", actor=actor)
    data = codec.event_to_json(event) | change

    with pytest.raises(JournalUnavailable) as caught:
        codec.event_from_json(data)

    assert "written by a newer rolloutctl" in caught.value.message
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"kind":"StepEntered","v":1}',
        '{"kind":"StepEntered","v":0,"step":1,"because":""}',
        '{"kind":"StepEntered","v":"1","step":1,"because":""}',
        '{"kind":"StepEntered","v":1,"step":"1","because":""}',
        '{"kind":"StepEntered","v":1,"step":1,"because":null}',
        '{"kind":["StepEntered"],"v":1}',
        '{"kind":"HoldExtended","v":1,"step":1,"until":"2026-01-02","because":""}',
        "[" * 100_000,
    ],
)
def test_damage_is_told_not_thrown(text):
    """Whatever stands in a damaged journal, the answer is `JournalUnavailable`."""
    with pytest.raises(JournalUnavailable):
        codec.event_from_text(text)


def test_a_damaged_exposure_is_refused():
    """Weights that do not sum to a whole never come out of a journal."""
    line = next(li for li in GOLDEN.read_text().splitlines() if '"kind":"Expose"' in li)
    data = json.loads(line)
    data["effect"]["exposure"]["weights"][0][1] += 1

    with pytest.raises(JournalUnavailable, match="sum to"):
        codec.event_from_json(data)


def test_older_versions_are_upgraded_step_by_step():
    """Each hook brings an event one version further, from where it was written."""
    upgrades = {
        "StepEntered": (
            lambda data: {"step": data["index"], "why": data["why"]},
            lambda data: {"step": data["step"], "because": data["why"]},
        )
    }
    expected = ev.StepEntered(step=3, because="next")
    first = {"kind": "StepEntered", "v": 1, "index": 3, "why": "next"}
    second = {"kind": "StepEntered", "v": 2, "step": 3, "why": "next"}
    third = codec.event_to_json(expected, upgrades=upgrades)

    assert third["v"] == 3
    for data in (first, second, third):
        assert codec.event_from_json(data, upgrades=upgrades) == expected


def test_a_recorded_event_survives_its_journey():
    """The form that `explain` prints is read back equal."""
    recorded = ev.Recorded(seq=7, at=AT, event=ev.StepEntered(step=1, because="next"))

    data = codec.recorded_to_json(recorded)

    assert data["seq"] == 7
    assert codec.event_from_json(json.loads(json.dumps(data))["event"]) == recorded.event
