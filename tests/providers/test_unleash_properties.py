"""Any configuration of a flag: what is written is what was wanted, and goes back exactly."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rolloutctl.core.exposure import Condition, split
from rolloutctl.errors import Rejected
from rolloutctl.providers.unleash.configuration import parse_configuration
from rolloutctl.providers.unleash.place import Arms, Payload
from rolloutctl.providers.unleash.reading import fingerprint_of
from rolloutctl.providers.unleash.serving import AUDIENCE, INCLUDE, OWN, has_stranger, served
from rolloutctl.providers.unleash.shaping import shaped
from rolloutctl.providers.unleash.weighing import Maker, killed
from rolloutctl.providers.unleash.writing import calls_between
from servers.fake_unleash import FakeUnleash

SWITCH = Arms("off", "on")
MODELS = Arms("gpt-4", "claude")
MAKER = Maker("llm", "userId", Payload(control="old", canary="new"))
FLAG, PLACE = "llm", "development"

_constraints = st.sampled_from(
    [
        [],
        [{"contextName": "region", "operator": "IN", "values": ["eu"]}],
        [{"contextName": "beta", "operator": "NOT_IN", "values": ["true"]}],
        [{"contextName": "n", "operator": "NUM_GT", "value": "5"}],
    ]
)
_variants = st.dictionaries(
    st.sampled_from(["gpt-4", "claude", "mini"]), st.integers(0, 500), max_size=3
).map(
    lambda weights: [
        {"name": name, "weight": weight, "weightType": "fix" if index else "variable"}
        for index, (name, weight) in enumerate(weights.items())
    ]
)
_strategies = st.builds(
    lambda name, title, disabled, rollout, constraints, variants, segments: {
        "name": name,
        "title": title,
        "disabled": disabled,
        "parameters": {"rollout": rollout, "stickiness": "userId", "groupId": "g"},
        "constraints": constraints,
        "segments": segments,
        "variants": variants,
    },
    st.sampled_from(["flexibleRollout", "flexibleRollout", "flexibleRollout", "default"]),
    st.sampled_from([None, None, "mine", OWN, INCLUDE, AUDIENCE]),
    st.booleans(),
    st.sampled_from(["0", "0", "5", "100", "100", "100", "101", "abc"]),
    _constraints,
    _variants,
    st.sampled_from([[], [], [3]]),
)
_exposures = st.builds(
    lambda bp, audience, include: split(bp, audience=audience, include=include),
    st.sampled_from([0, 10, 50, 100, 500, 2_500, 10_000]),
    st.sampled_from(
        [None, None, (Condition(attribute="region", values=("eu", "us")),)],
    ),
    st.sampled_from(
        [
            None,
            None,
            (Condition(attribute="tier", values=("gold",)),),
            (Condition(attribute="segment", values=(7,)),),
        ]
    ),
)
_starts = st.tuples(st.booleans(), st.lists(_strategies, max_size=4), _variants)
_arms = st.sampled_from([SWITCH, MODELS])


def _server(start):
    """A fake whose flag is in the wanted state, as near as Unleash lets it be."""
    enabled, strategies, legacy = start
    fake = FakeUnleash()
    fake._create(FLAG)
    place = fake.flags[FLAG][PLACE]
    place["variants"] = legacy if sum(each["weight"] for each in legacy) == 1000 else []
    for each in strategies:
        fake._add(place, json.loads(json.dumps(each)))
    place["enabled"] = enabled and any(not each["disabled"] for each in place["strategies"])
    return fake


def _read(fake):
    return parse_configuration(fake.flags[FLAG][PLACE], FLAG)


def _send(fake, calls):
    for call in calls:
        body = json.loads(json.dumps(call.body)) if call.body is not None else None
        fake._environment(call.method, FLAG, PLACE, call.path, body)


@given(_starts, _arms, st.lists(_exposures, min_size=1, max_size=3))
def test_what_is_written_serves_what_was_wanted_and_goes_back_exactly(start, arms, steps):
    """From any start, over any steps that are accepted, and back to the very fields."""
    fake = _server(start)
    point = _read(fake)
    taken = 0
    for wanted in steps:
        found = _read(fake)
        try:
            target = shaped(found, wanted, arms, maker=MAKER)
        except Rejected:
            continue
        taken += 1

        _send(fake, calls_between(found, target))

        assert served(_read(fake), arms).exposure(0) == wanted
        assert fingerprint_of([_read(fake)]) == fingerprint_of([target])
    assume(taken)

    _send(fake, calls_between(_read(fake), point))

    # A strategy with one of our titles may have been removed: it is another one then.
    assert fingerprint_of([_read(fake)]) == fingerprint_of([point])


@given(_starts, _arms, _exposures)
def test_what_is_served_already_is_not_written_again(start, arms, wanted):
    """An idempotent write is no write."""
    found = _read(_server(start))
    try:
        once = shaped(found, wanted, arms, maker=MAKER)
    except Rejected:
        return

    assert shaped(once, wanted, arms, maker=MAKER) == once


@given(_starts)
def test_a_kill_of_variants_leaves_control_only_and_turns_nothing_on(start):
    """From any state; a second kill changes nothing."""
    fake = _server(start)
    found = _read(fake)

    target = killed(found, MODELS.control, MAKER.payload)
    _send(fake, calls_between(found, target))

    after = _read(fake)
    assert served(after, MODELS).exposure(0) is not None
    assert served(after, MODELS).exposure(0).is_zero
    assert not any(has_stranger(after.variants_of(each), "gpt-4") for each in after.active)
    assert after.enabled == found.enabled
    assert [each.disabled for each in after.strategies] == [
        each.disabled for each in found.strategies
    ]
    assert killed(after, MODELS.control, MAKER.payload) == after


@given(_starts)
def test_a_kill_of_a_plain_flag_is_zero_from_any_state(start):
    """Off is the control of a plain flag."""
    fake = _server(start)

    fake._environment("POST", FLAG, PLACE, "/off", None)

    assert served(_read(fake), SWITCH).exposure(0).is_zero


@given(_starts, _arms)
def test_a_strategy_that_somebody_removed_is_made_again(start, arms):
    """Ids differ then; the configuration does not."""
    fake = _server(start)
    point = _read(fake)
    place = fake.flags[FLAG][PLACE]
    assume(place["strategies"])
    fake._environment("DELETE", FLAG, PLACE, f"/strategies/{place['strategies'][0]['id']}", None)

    for _ in range(2):
        _send(fake, calls_between(_read(fake), point))

        assert fingerprint_of([_read(fake)]) == fingerprint_of([point])
    assert served(_read(fake), arms) == served(point, arms)


def test_an_environment_cannot_be_turned_on_without_a_strategy():
    """Unleash would add one at 100 % by itself."""
    fake = _server((False, [], []))
    empty = _read(fake)
    on = parse_configuration({"enabled": True, "strategies": [], "variants": []}, FLAG)

    with pytest.raises(Rejected, match="adds one at 100%"):
        calls_between(empty, on)
