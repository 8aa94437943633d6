"""Whatever a flag's environment says: the kill and the restore reach what they promise."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.launchdarkly_worlds import ENVIRONMENT, FLAG, rollout, targeted
from rolloutctl.core.exposure import Condition, split
from rolloutctl.errors import Rejected
from rolloutctl.providers.launchdarkly.configuration import parse_flag, parse_snapshot
from rolloutctl.providers.launchdarkly.killing import killed
from rolloutctl.providers.launchdarkly.place import Arms
from rolloutctl.providers.launchdarkly.reading import fingerprint_of
from rolloutctl.providers.launchdarkly.serving import AUDIENCE, INCLUDE, served
from rolloutctl.providers.launchdarkly.shaping import Maker, shaped
from rolloutctl.providers.launchdarkly.writing import instructions_between
from servers.fake_launchdarkly import FakeLaunchDarkly
from servers.launchdarkly_patches import as_sdks_see, patched

ARMS = Arms(f"{FLAG}-0", f"{FLAG}-1")
COHORT = (Condition(attribute="region", values=("eu",)),)
REGIONS = ("eu", "us", "asia")
NAMES = ("one", "two", "three", INCLUDE, AUDIENCE)
EXAMPLES = 150

weights = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
    lambda cuts: (min(cuts), max(cuts) - min(cuts), 100 - max(cuts))
)
serves = st.one_of(
    st.integers(0, 2).map(lambda index: {"variation": index}),
    weights.map(lambda found: rollout(*(each * 1_000 for each in found))),
)


@st.composite
def rules(draw):
    """Rules with ids that are the same whenever the name is, so that restores find them."""
    made = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4)):
        clause = {
            "_id": f"clause-of-{name}",
            "contextKind": "user",
            "attribute": "region",
            "op": "in",
            "values": draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True)),
            "negate": draw(st.booleans()),
        }
        made.append(
            {
                "_id": f"id-of-{name}",
                "description": name,
                "trackEvents": draw(st.booleans()),
                "clauses": [clause],
                **draw(serves),
            }
        )
    return made


@st.composite
def environments(draw):
    """What people can make of an environment, prerequisites and disabled rules aside."""
    keys = draw(st.lists(st.sampled_from(["c-0", "c-1", "c-2", "c-3"]), unique=True))
    return {
        "on": draw(st.booleans()),
        "offVariation": draw(st.integers(0, 2)),
        "fallthrough": draw(serves),
        "rules": draw(rules()),
        "targets": [targeted(draw(st.integers(0, 2)), key) for key in keys],
        "contextTargets": draw(
            st.sampled_from([[], [targeted(1, "acme", kind="organization")]]),
        ),
    }


def _flag(own):
    fake = FakeLaunchDarkly()
    fake.add_flag(FLAG, ["gpt-4", "claude", "mini"])
    document = fake.flags[FLAG]
    document["environments"][ENVIRONMENT].update(copy.deepcopy(own))
    return document, parse_flag(document, ENVIRONMENT)


def _written(document, flag, wanted):
    """The flag after the patch that makes it `wanted`."""
    instructions = instructions_between(flag, flag.found, wanted, lambda *_: "")
    if instructions:
        document, _ = patched(document, ENVIRONMENT, instructions)
    return document, parse_flag(document, ENVIRONMENT)


def _dealt(document):
    """What the real SDK's evaluator gives to people of every region."""
    from ldclient import Context  # noqa: PLC0415 - 100 ms
    from ldclient.impl.evaluator import Evaluator  # noqa: PLC0415 - same
    from ldclient.impl.events.types import EventFactory  # noqa: PLC0415 - same
    from ldclient.impl.model import FeatureFlag  # noqa: PLC0415 - same

    seen = FeatureFlag(as_sdks_see(document, ENVIRONMENT))
    evaluator = Evaluator(lambda _: None, lambda _: None, lambda _: None)
    factory = EventFactory(with_reasons=False)
    contexts = [
        Context.builder(f"c-{index}").set("region", region).build()
        for index in range(12)
        for region in REGIONS
    ]
    contexts.append(Context.create("acme", "organization"))
    return {evaluator.evaluate(seen, each, factory).detail.variation_index for each in contexts}


@given(own=environments())
@settings(max_examples=EXAMPLES, deadline=None)
def test_after_a_kill_the_real_sdk_serves_control_to_everybody(own):
    """And that is what is read; twice is once; nothing is turned on."""
    document, flag = _flag(own)

    document, after = _written(document, flag, killed(flag.found, ARMS.control))

    assert _dealt(document) == {0}
    seen = served(after, after.found, ARMS, kind="user", strict=True).exposure(0)
    assert seen is not None
    assert seen.is_zero
    assert after.found.on == flag.found.on
    again = killed(after.found, ARMS.control)
    assert instructions_between(after, after.found, again, lambda *_: "") == []


@given(own=environments(), other=environments())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_restore_from_any_state_to_any_other_is_exact(own, other):
    """By one patch, whatever somebody made of rules, targets and switches meanwhile."""
    _, point = _flag(own)
    document, flag = _flag(other)
    snapshot = parse_snapshot(point.found.as_json(with_ids=True), "the restore point")
    assert snapshot == point.found

    _, after = _written(document, flag, snapshot)

    assert fingerprint_of([after.found]) == fingerprint_of([point.found])


exposures = st.builds(
    lambda bp, audience, include: split(bp, audience=audience, include=include),
    st.integers(0, 10_000),
    st.sampled_from([None, COHORT]),
    st.sampled_from([None, COHORT]),
)


@given(own=environments(), wanted=exposures)
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_written_is_what_is_then_read_or_it_is_refused(own, wanted):
    """Never rounded, never half; others' rules and targets stay as they are."""
    document, flag = _flag(own)
    try:
        shape = shaped(flag, wanted, ARMS, Maker("user"))
    except Rejected:
        return

    _, after = _written(document, flag, shape)

    seen = served(after, after.found, ARMS, kind="user", strict=False).exposure(0)
    is_off_and_zero = not after.found.on and wanted.is_zero
    assert seen == wanted or (is_off_and_zero and seen is not None and seen.is_zero)
    ours = {INCLUDE, AUDIENCE}
    left = [each for each in after.found.rules if each.description not in ours]
    assert left == [each for each in flag.found.rules if each.description not in ours]
    assert after.found.targets == flag.found.targets
