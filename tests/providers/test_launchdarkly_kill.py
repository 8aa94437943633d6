"""Killing a LaunchDarkly flag: by one patch, from any state, and what it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.launchdarkly_worlds import ENVIRONMENT, FLAG, rollout, rule, targeted
from rolloutctl.core.exposure import Condition, split
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.providers.launchdarkly import LaunchDarkly, budget
from rolloutctl.providers.launchdarkly.api import Api, ApprovalRequired
from rolloutctl.providers.launchdarkly.serving import AUDIENCE, INCLUDE
from servers.scripted import Answer, Fault


def _kill(world, target=None):
    return world.provider.kill(target or world.target, timeout_s=5)


def _patches(world):
    return [seen for seen in world.server.seen if seen.method == "PATCH"]


def test_a_kill_is_one_read_and_one_patch_that_goes_past_scheduled_changes(launchdarkly):
    """Rules, targets, off variation and the default rule change together or not at all."""
    world = launchdarkly("models")
    world.enter("targets")
    world.fake.edit(
        FLAG,
        ENVIRONMENT,
        rules=[rule("beta", {"variation": 1})],
        fallthrough={"variation": 1},
        offVariation=1,
    )
    world.fake.lists["scheduled-changes"].append({"_id": "one"})
    del world.server.seen[:]

    receipt = _kill(world, replace(world.target, shadow=None))

    assert len(world.server.seen) == 2
    [patch] = _patches(world)
    assert "ignoreConflicts=true" in patch.path
    for word in ("updateOffVariation gpt-4", "updateFallthroughVariationOrRollout gpt-4"):
        assert word in receipt.changed
    assert "removeTargets claude" in receipt.changed
    assert "updateRuleVariationOrRollout gpt-4" in receipt.changed


def test_a_killed_flag_that_was_on_stays_on_for_the_flags_that_depend_on_it(launchdarkly):
    """Turning it off would give those their own off variation."""
    world = launchdarkly("models")
    world.enter("half canary")

    _kill(world)

    assert world.own()["on"] is True
    assert world.own()["fallthrough"] == {"variation": 0}


def test_a_flag_whose_guarded_rollout_refuses_the_patch_is_turned_off(launchdarkly):
    """Everybody has the control all the same, and the receipt says how."""
    world = launchdarkly("models")
    world.enter("a guarded rollout")

    receipt = _kill(world)

    assert "turned off in production" in receipt.changed
    assert "guarded" in receipt.untouched
    assert world.own()["on"] is False
    assert world.own()["offVariation"] == 0


def test_a_killed_flag_that_was_off_is_never_turned_on(launchdarkly):
    """Its rules are told, not touched."""
    world = launchdarkly("models")
    world.enter("off with the canary behind")

    receipt = _kill(world)

    assert world.own()["on"] is False
    assert world.own()["fallthrough"] == {"variation": 1}
    assert "look at its rules before you turn it on again" in receipt.untouched


def test_prerequisites_and_disabled_rules_are_left_and_told(launchdarkly):
    """A kill says what it did not touch."""
    world = launchdarkly("models")
    world.enter("a failing prerequisite")
    world.fake.edit(FLAG, ENVIRONMENT, rules=[rule("old", {"variation": 1}, disabled=True)])

    receipt = _kill(world)

    assert "its prerequisites (llm-on)" in receipt.untouched
    assert "disabled rules (old)" in receipt.untouched


def test_a_kill_needs_the_name_of_the_safe_arm_only(launchdarkly):
    """By address nobody says what the other arm is; three variations are no obstacle."""
    world = launchdarkly("models")
    world.enter("a third arm")
    target = replace(world.target, canary=Arm(name="canary", value=""), shadow=None)
    before = LaunchDarkly().observe(target).exposure

    _kill(world, target)

    assert before == split(3_000)
    assert world.provider.observe(target).exposure == split(0)


def test_a_kill_without_a_known_control_says_which_variations_there_are(launchdarkly):
    """A typing error must not end as a guess; the shadow flag is off all the same."""
    world = launchdarkly("models")
    wanted = split(5_000, shadow_bp=1_000)
    world.provider.apply(world.target, wanted, key="k", expect=None, timeout_s=5)
    target = replace(world.target, control=Arm(name="control", value="gpt4"))

    with pytest.raises(Rejected, match="no variation 'gpt4'") as caught:
        _kill(world, target)

    assert "did you mean gpt-4? its variations are: gpt-4, claude, mini" in caught.value.hint
    assert world.provider.observe(world.target).exposure == split(5_000)


def test_after_a_kill_a_target_of_somebody_else_is_not_taken_for_zero(launchdarkly):
    """A person who adds one in the same moment is seen when it is confirmed."""
    world = launchdarkly("models")
    _kill(world)
    world.fake.edit(FLAG, ENVIRONMENT, targets=[targeted(1, "bob")])

    seen = world.provider.observe(world.target)

    assert seen.exposure is None
    assert "1 user keys are targeted with claude" in seen.detail


def test_a_kill_that_needs_approval_says_where_to_give_it(launchdarkly):
    """It is not tried another way: approvals stand before that one too."""
    world = launchdarkly("models")
    world.enter("half canary")
    world.fake.environments[ENVIRONMENT]["approvalSettings"] = {"required": True}

    with pytest.raises(ApprovalRequired) as caught:
        _kill(world, replace(world.target, shadow=None))

    assert f"/projects/default/flags/{FLAG}/targeting" in caught.value.hint
    assert len(_patches(world)) == 1


def test_a_flag_of_an_unknown_shape_is_turned_off(launchdarkly):
    """A newer LaunchDarkly may say things that this version cannot read."""
    world = launchdarkly("models")
    world.enter("half canary")
    world.fake.flags[FLAG]["environments"][ENVIRONMENT]["fallthrough"] = {"novel": True}

    receipt = _kill(world)

    assert "turned off in production" in receipt.changed


def test_a_flag_that_hangs_does_not_hold_up_its_shadow_flag(launchdarkly):
    """Both are killed at the same time."""
    world = launchdarkly("models")
    wanted = split(5_000, shadow_bp=1_000)
    world.provider.apply(world.target, wanted, key="k", expect=None, timeout_s=5)

    def hangs(seen):
        if f"/{FLAG}?" in seen.path:
            return Answer(fault=Fault.HANG)
        return world.fake(seen)

    world.server.answers = [hangs]
    with pytest.raises(Unavailable):
        world.provider.kill(world.target, timeout_s=0.5)

    assert world.own(f"{FLAG}-shadow")["fallthrough"] == {"variation": 1}


def test_looking_at_a_kill_does_not_wait_for_the_rate_limit(launchdarkly):
    """While anybody else's looking leaves the last calls to writers."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, fallthrough=rollout(50_000, 50_000, 0))
    world.fake.limits["X-Ratelimit-Route-Remaining"] = "3"
    world.fake.limits["X-Ratelimit-Reset"] = "99999999999999"
    world.provider.observe(world.target)

    with pytest.raises(Unavailable, match="rate limit is nearly used up") as caught:
        world.provider.observe(world.target)
    _kill(world)

    assert 0 < caught.value.retry_after_s <= 10
    assert world.provider.observe(world.target).exposure.is_zero


def test_what_is_left_of_other_routes_keeps_nobody_from_looking(launchdarkly):
    """The audit log has a limit of its own."""
    world = launchdarkly("models")
    world.fake.limits["X-Ratelimit-Route-Remaining"] = "0"
    _kill(world, replace(world.target, shadow=None))  # begins with a look at the flag
    budget._left.clear()
    Api(world.target.spec).get("/auditlog", {"spec": "proj/x", "limit": "1"}, timeout_s=5)

    assert LaunchDarkly().observe(replace(world.target, shadow=None)).exposure == split(0)


def test_rules_of_ours_are_killed_too_and_can_be_driven_again(launchdarkly):
    """Audience and cohort serve the control; the next rollout uses or removes them."""
    world = launchdarkly("models")
    content, point = world.content(), world.provider.observe(world.target)
    cohorts = {
        "audience": (Condition(attribute="region", values=("eu",)),),
        "include": (Condition(attribute="beta", values=(True,)),),
    }
    wanted = split(5_000, **cohorts)
    world.provider.apply(world.target, wanted, key="k", expect=None, timeout_s=5)

    _kill(world)
    assert world.provider.observe(world.target).exposure.is_zero
    world.provider.apply(world.target, wanted, key="k", expect=None, timeout_s=5)
    assert world.provider.observe(world.target).exposure == wanted
    _kill(world)
    world.provider.restore(world.target, point.snapshot, key="k", expect=None, timeout_s=5)

    assert world.content() == content


@pytest.mark.parametrize(
    "rules",
    [
        [rule("first", {"variation": 0}), rule(INCLUDE, {"variation": 1})],
        [rule(INCLUDE, {"variation": 0}), rule(INCLUDE, {"variation": 1}, values=["us"])],
        [rule(INCLUDE, rollout(50_000, 50_000, 0))],
        [rule(INCLUDE, {"variation": 2})],
        [rule(AUDIENCE, {"variation": 1}), rule(AUDIENCE, {"variation": 1}, values=["us"])],
        [rule(AUDIENCE, {"variation": 1}, clauses=[])],
    ],
)
def test_rules_of_ours_that_somebody_changed_are_never_taken_for_zero(launchdarkly, rules):
    """Another place, another share, a second one with other contexts; a kill ends them all."""
    world = launchdarkly("models")
    world.fake.edit(FLAG, ENVIRONMENT, rules=rules)

    seen = world.provider.observe(world.target)
    _kill(world)

    assert seen.exposure is None, seen
    assert world.provider.observe(world.target).exposure.is_zero
