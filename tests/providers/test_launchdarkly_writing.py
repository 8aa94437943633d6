"""Writing a LaunchDarkly flag: cohorts, places, edits by others, restores to the field."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from providers.launchdarkly_worlds import ENVIRONMENT, FLAG, RULE, rollout, rule, targeted
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Conflict, Rejected, Unavailable
from rolloutctl.providers.launchdarkly.adapter import LANDING_S
from rolloutctl.providers.launchdarkly.configuration import Serve
from rolloutctl.providers.launchdarkly.serving import AUDIENCE, INCLUDE
from servers.launchdarkly_patches import as_sdks_see

_ANYBODY = rule("all", {"variation": 2}, attribute="key", values=["rolloutctl-unit-0"])
EU = Condition(attribute="region", values=("eu", "us"))
ACME = Condition(attribute="organization.key", values=("acme",))
BETA = Condition(attribute="beta", values=(True,))
SEGMENT = Condition(attribute="segment", values=("testers",))


def _apply(world, exposure, *, target=None, expect=None, timeout_s=5.0):
    given = target or world.target
    return world.provider.apply(given, exposure, key="k", expect=expect, timeout_s=timeout_s)


def _restore(world, point):
    world.provider.restore(world.target, point.snapshot, key="k", expect=None, timeout_s=5)


def _rules(world):
    return [each["description"] for each in world.own()["rules"]]


def _bodies(world):
    return [json.loads(seen.body) for seen in world.server.seen if seen.method == "PATCH"]


@pytest.mark.parametrize(
    "exposure",
    [
        split(500, audience=(EU,)),
        split(0, include=(BETA,)),
        split(2_500, audience=(ACME, EU), include=(SEGMENT,)),
    ],
)
def test_cohorts_are_rules_of_their_own_and_go_with_the_rollout(launchdarkly, exposure):
    """Before and after everybody else's, which are not touched."""
    world = launchdarkly("models")
    others = [rule("one", {"variation": 0}), rule("two", rollout(100_000, 0, 0))]
    world.fake.edit(FLAG, ENVIRONMENT, rules=others, targets=[targeted(0, "ada")])
    content, point = world.content(), world.provider.observe(world.target)

    _apply(world, exposure)

    assert world.provider.observe(world.target).exposure == exposure
    names = _rules(world)
    assert [each for each in names if not each.startswith("rolloutctl")] == ["one", "two"]
    assert (names[0] == INCLUDE) is (exposure.include is not None)
    assert (names[-1] == AUDIENCE) is (exposure.audience is not None)
    _apply(world, split(500))
    assert _rules(world) == ["one", "two"]
    _restore(world, point)
    assert world.content() == content


def test_an_audience_that_changes_is_another_rule_in_the_same_patch(launchdarkly):
    """Nobody is without a rule in between."""
    world = launchdarkly("models")
    _apply(world, split(500, audience=(EU,)))
    del world.server.seen[:]

    _apply(world, split(500, audience=(BETA,)))

    assert len(_bodies(world)) == 1
    assert _rules(world) == [AUDIENCE]
    assert world.provider.observe(world.target).exposure == split(500, audience=(BETA,))


def test_one_write_is_one_patch_with_a_comment_for_every_variation(launchdarkly):
    """The audit log says which rollout it was, and the order of variations is never left open."""
    world = launchdarkly("models")

    receipt = world.provider.apply(
        world.target, split(1_234), key="r-7:3", expect=None, timeout_s=5
    )

    [body] = _bodies(world)
    assert body["comment"] == "rolloutctl r-7:3: canary 12.34%"
    [instruction] = body["instructions"]
    assert instruction["rolloutWeights"] == {
        f"{FLAG}-0": 87_660,
        f"{FLAG}-1": 12_340,
        f"{FLAG}-2": 0,
    }
    assert instruction["rolloutContextKind"] == "user"
    assert "gpt-4 87.66%, claude 12.34%" in receipt.changed


def test_a_named_rule_is_driven_alone(launchdarkly):
    """The default rule stays with the control."""
    world = launchdarkly("models")
    rules = [rule(RULE, {"variation": 0}, attribute="key", values=["acme"], kind="organization")]
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules)
    target = world.make_target(world.server.url, rule=RULE, context_kind="organization")

    _apply(world, split(2_500), target=target)

    own = world.own()
    assert own["fallthrough"] == {"variation": 0}
    assert own["rules"][0]["rollout"]["contextKind"] == "organization"
    assert world.provider.observe(target).exposure == split(2_500)
    with pytest.raises(Rejected, match="is the audience already"):
        _apply(world, split(500, audience=(EU,)), target=target)


def test_a_rule_that_is_not_there_is_named_with_those_that_are(launchdarkly):
    """Nothing is guessed."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, rules=[rule("beta", {"variation": 0})])
    target = world.make_target(world.server.url, rule="bêta")

    with pytest.raises(Rejected, match="its rules are: 'beta'"):
        _apply(world, split(500), target=target)


def test_an_off_flag_is_turned_on_only_to_give_somebody_the_canary(launchdarkly):
    """And off again by the restore."""
    world = launchdarkly("off")
    content, point = world.content(), world.provider.observe(world.target)

    _apply(world, split(0))
    assert world.content() == content
    _apply(world, split(500))
    assert world.own()["on"] is True
    assert world.provider.observe(world.target).exposure == split(500)
    _restore(world, point)

    assert world.content() == content


def test_a_restore_brings_back_what_somebody_else_took_apart(launchdarkly):
    """Rules in their order, clauses, targets, prerequisites, off variation, on."""
    world = launchdarkly("models")
    rules = [
        rule("one", {"variation": 0}, trackEvents=True),
        rule("two", rollout(90_000, 0, 10_000, kind="organization", bucketBy="tier")),
        rule("three", {"variation": 2}, values=["a", "b"]),
    ]
    world.fake.edit(
        FLAG,
        ENVIRONMENT,
        rules=rules,
        targets=[targeted(0, "ada"), targeted(2, "bob")],
        contextTargets=[targeted(0, "acme", kind="organization")],
        prerequisites=[{"key": "llm-model-shadow", "variation": 1}],
    )
    point = world.provider.observe(world.target)
    changed = [{**rules[2], "description": "3", "variation": 1}, rules[0]]
    changed[0]["clauses"] = rules[0]["clauses"]
    world.fake.edit(
        FLAG,
        ENVIRONMENT,
        on=False,
        offVariation=1,
        fallthrough={"variation": 2},
        rules=changed,
        targets=[targeted(1, "ada", "eve")],
        contextTargets=[],
        prerequisites=[{"key": "another", "variation": 0}],
    )

    _restore(world, point)

    assert world.provider.observe(world.target).fingerprint == point.fingerprint
    assert _rules(world) == ["one", "two", "three"]


def test_rules_that_somebody_only_reordered_keep_their_ids(launchdarkly):
    """Links and experiments hang on them."""
    world = launchdarkly("models")
    rules = [rule(name, {"variation": 0}) for name in ("one", "two", "three")]
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules)
    content, point = world.content(), world.provider.observe(world.target)
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules[::-1])

    _restore(world, point)

    assert world.content() == content


def test_what_no_instruction_writes_is_refused_before_anything_is_sent(launchdarkly):
    """A rule that was disabled, and a rollout with a seed, are brought back by hand."""
    world = launchdarkly("models")
    for lost in (
        rule("one", {"variation": 0}, disabled=True),
        rule("one", rollout(50_000, 50_000, 0, seed=61)),
    ):
        world.fake.edit(FLAG, ENVIRONMENT, rules=[lost])
        point = world.provider.observe(world.target)
        world.fake.edit(FLAG, ENVIRONMENT, rules=[])
        before = world.content()

        with pytest.raises(Rejected) as caught:
            _restore(world, point)

        assert "by hand" in caught.value.hint
        assert world.content() == before


def test_a_restore_point_of_another_shape_is_refused(launchdarkly):
    """A damaged journal must not become a flag."""
    world = launchdarkly("models")

    for snapshot in (None, {}, {"flag": {"on": 1}}, {"flag": 3}):
        with pytest.raises(Rejected):
            world.provider.restore(world.target, snapshot, key="k", expect=None, timeout_s=5)


def test_a_version_that_moved_is_a_conflict_and_nothing_is_written(launchdarkly):
    """The API takes no version: the comparison is ours."""
    world = launchdarkly("models")
    seen = world.provider.observe(world.target)
    world.fake.edit(FLAG, ENVIRONMENT, targets=[targeted(0, "ada")])
    content = world.content()

    with pytest.raises(Conflict):
        _apply(world, split(500), expect=seen.version)

    assert world.content() == content


def test_an_edit_between_read_and_write_is_told(launchdarkly):
    """It cannot be prevented; the version that comes back shows it."""
    world = launchdarkly("models")

    def edited(seen):
        if seen.method == "PATCH":
            world.fake.edit(FLAG, ENVIRONMENT, targets=[targeted(0, "ada")])
        return world.fake(seen)

    world.server.answers = [edited]
    receipt = _apply(world, split(500))

    assert "somebody else edited it in the same moment (version 1 -> 3)" in receipt.untouched
    assert world.provider.observe(world.target).exposure == split(500)


def test_a_rule_that_was_made_twice_on_the_way_serves_the_same_and_is_mended(launchdarkly):
    """A creation is the one instruction that is not idempotent."""
    world = launchdarkly("models")

    def twice(seen):
        if seen.method == "PATCH":
            world.fake(seen)
        return world.fake(seen)

    world.server.answers = [twice]
    wanted = split(500, audience=(EU,), include=(BETA,))
    _apply(world, wanted)
    assert _rules(world).count(AUDIENCE) == 2
    assert world.provider.observe(world.target).exposure == wanted

    world.server.answers = [world.fake]
    _apply(world, split(700, audience=(EU,), include=(BETA,)))

    assert _rules(world) == [INCLUDE, AUDIENCE]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"op": "startsWith"}, "operator startsWith"),
        ({"negate": True}, "not a plain list"),
        ({"values": []}, "not a plain list"),
    ],
)
def test_a_rule_of_ours_that_somebody_edited_is_not_guessed_at(launchdarkly, changes, words):
    """What is served cannot be said then."""
    world = launchdarkly("models")
    _apply(world, split(500, audience=(EU,)))
    rules = json.loads(json.dumps(world.fake.flags[FLAG]["environments"][ENVIRONMENT]["rules"]))
    rules[0]["clauses"][0].update(changes)
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules)

    seen = world.provider.observe(world.target)

    assert seen.exposure is None
    assert words in seen.detail


def test_a_cohort_of_too_many_values_is_a_matter_for_a_segment(launchdarkly):
    """With the way out."""
    world = launchdarkly("models")
    many = (Condition(attribute="key", values=tuple(range(501))),)

    with pytest.raises(Rejected, match="501 values") as caught:
        _apply(world, split(0, include=many))

    assert "segment: KEY" in caught.value.hint


def test_shadow_without_a_shadow_flag_is_refused(launchdarkly):
    """Nothing could be mirrored."""
    world = launchdarkly("models")

    with pytest.raises(Rejected, match="names no shadow flag"):
        _apply(world, split(0, shadow_bp=1_000), target=replace(world.target, shadow=None))


def test_nothing_is_sent_so_late_that_it_might_land_after_its_time(launchdarkly):
    """Whoever looks after the deadline must see the end of it."""
    world = launchdarkly("models")

    with pytest.raises(Unavailable, match="it was not sent") as caught:
        _apply(world, split(500), timeout_s=LANDING_S)

    assert not caught.value.may_have_landed
    assert _bodies(world) == []


def test_none_and_all_are_variations_not_rollouts(launchdarkly):
    """A rollout gives its first variation to contexts that it cannot bucket, even at 0 %."""
    world = launchdarkly("boolean")

    for bp, index in ((10_000, 0), (0, 1)):
        _apply(world, split(500))
        _apply(world, split(bp))
        assert world.own()["fallthrough"] == {"variation": index}


def _buckets(world, target, contexts):
    """What the real SDK's evaluator deals to these contexts, by index of the variation."""
    from ldclient.impl.evaluator import Evaluator  # noqa: PLC0415 - 100 ms
    from ldclient.impl.events.types import EventFactory  # noqa: PLC0415 - same
    from ldclient.impl.model import FeatureFlag  # noqa: PLC0415 - same

    flag = FeatureFlag(as_sdks_see(world.fake.flags[target.spec.flag], ENVIRONMENT))
    evaluator = Evaluator(lambda _: None, lambda _: None, lambda _: None)
    factory = EventFactory(with_reasons=False)
    return [evaluator.evaluate(flag, each, factory).detail.variation_index for each in contexts]


def _contexts(count, kind="user"):
    from ldclient import Context  # noqa: PLC0415 - 100 ms

    return [Context.builder(f"c-{index}").kind(kind).build() for index in range(count)]


CLIMB = (100, 500, 1_000, 2_500, 5_000, 9_500, 10_000)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("boolean", 20_000),
        ("last", 20_000),
        pytest.param("models", 100_000, marks=pytest.mark.long),
    ],
)
def test_no_context_is_lost_from_the_canary_over_the_whole_climb(launchdarkly, kind, count):
    """Dealt by the real SDK: two and three variations, the canary first, between and last."""
    world = launchdarkly(kind)
    contexts = _contexts(count)
    canary = [each["_id"] for each in world.fake.flags[FLAG]["variations"]].index(
        f"{FLAG}-{world._canary}"
    )
    had = set()

    for bp in CLIMB:
        _apply(world, split(bp))
        dealt = _buckets(world, world.target, contexts)
        have = {index for index, each in enumerate(dealt) if each == canary}
        assert had <= have
        spread = 5 * (len(contexts) * bp / 10_000 * (1 - bp / 10_000)) ** 0.5 + 1
        assert abs(len(have) - len(contexts) * bp / 10_000) <= spread
        had = have


def test_a_third_arm_beside_the_two_keeps_each_of_its_contexts(launchdarkly):
    """Its interval does not move; the canary's share is of what the two have."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, fallthrough=rollout(80_000, 0, 20_000))
    contexts = _contexts(10_000)
    mini = {i for i, each in enumerate(_buckets(world, world.target, contexts)) if each == 2}
    had = set()

    for bp in CLIMB:
        _apply(world, split(bp))
        assert world.provider.observe(world.target).exposure == split(bp)
        dealt = _buckets(world, world.target, contexts)
        assert {i for i, each in enumerate(dealt) if each == 2} == mini
        have = {i for i, each in enumerate(dealt) if each == 1}
        assert had <= have
        had = have


def test_a_share_of_a_broken_pool_is_refused_not_rounded(launchdarkly):
    """A third arm with 33.333 % leaves no whole thousandths."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, fallthrough=rollout(66_667, 0, 33_333))

    with pytest.raises(Rejected, match="no whole thousandth"):
        _apply(world, split(500))


def test_contexts_of_two_kinds_are_told_apart(launchdarkly):
    """Those of another kind get the first variation: here the control, so nobody is surprised."""
    world = launchdarkly("models")
    target = world.make_target(world.server.url, context_kind="organization")
    _apply(world, split(5_000), target=target)

    assert set(_buckets(world, target, _contexts(500, "organization"))) == {0, 1}
    assert set(_buckets(world, target, _contexts(500, "device"))) == {0}


def test_a_sample_names_what_applications_must_send_and_counts_their_arms(launchdarkly):
    """By the SDK over its stream, an attribute included."""
    world = launchdarkly("models")
    target = world.make_target(world.server.url, context_kind="organization", bucket_by="tier")
    world.fake.edit(FLAG, ENVIRONMENT, rules=[rule("eu", {"variation": 0})])
    _apply(world, split(5_000, shadow_bp=10_000), target=target)

    counts = world.provider.sample(target, 2_000, timeout_s=10)

    assert counts.context == ("organization.tier", "user.region")
    assert counts.missing == ("user.region",)
    assert counts.shadow == 2_000
    assert counts.errors == counts.other == 0
    assert abs(dict(counts.arms)["canary"] - 1_000) < 140


def test_what_neither_arm_gets_is_counted_as_other(launchdarkly):
    """A mismatch must show."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, fallthrough={"variation": 2})

    counts = world.provider.sample(world.target, 100, timeout_s=10)

    assert counts.other == 100


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({}, "FALLTHROUGH"),
        ({"on": False}, "OFF"),
        ({"prerequisites": [{"key": "nowhere", "variation": 0}]}, "PREREQUISITE_FAILED nowhere"),
        ({"rules": [_ANYBODY]}, "RULE_MATCH 0"),
        ({"targets": [targeted(2, "rolloutctl-unit-0")]}, "TARGET_MATCH"),
    ],
)
def test_a_mismatch_explains_itself_by_the_sdks_reasons(launchdarkly, own, reason):
    """A rule, a target, a prerequisite or the switch: the SDK says which."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, **own)

    counts = world.provider.sample(world.target, 1, timeout_s=10)

    assert counts.reasons == ((reason, 1),)


def test_a_serve_says_no_variation_where_it_is_a_rollout():
    """Two shapes of one thing."""
    assert "variation" in Serve(variation="a").as_json()
    assert "rollout" in Serve(weights=(("a", 100_000),)).as_json()


def test_the_two_arms_must_differ(launchdarkly):
    """An id and a value of the same variation are two names of one arm."""
    world = launchdarkly("models")
    target = replace(world.target, canary=Arm(name="canary", value=f"{FLAG}-0"))

    with pytest.raises(Rejected, match="are the same variation"):
        _apply(world, split(500), target=target)


def test_a_rule_of_ours_that_somebody_moved_is_made_anew_and_others_keep_their_ids(launchdarkly):
    """Putting it back where it was would mean making everybody else's rules anew."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, rules=[rule("one", {"variation": 0})])
    _apply(world, split(500, include=(BETA,)))
    rules = json.loads(json.dumps(world.own()["rules"]))
    for each in rules:
        each["clauses"][0]["_id"] = "again"
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules[::-1])

    wanted = split(700, include=(BETA,), audience=(EU,))
    _apply(world, wanted)

    assert _rules(world) == [INCLUDE, "one", AUDIENCE]
    assert world.own()["rules"][1]["_id"] == "id-of-one"
    assert world.provider.observe(world.target).exposure == wanted
