"""Limits of a LaunchDarkly flag that `plan` tells before anything is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.launchdarkly_worlds import (
    ENVIRONMENT,
    FLAG,
    SDK_KEY,
    SHADOW,
    TOKEN,
    rollout,
    rule,
    targeted,
)
from rolloutctl.core.observation import Severity
from rolloutctl.core.playbook import Arm, ShadowFlag
from rolloutctl.errors import Rejected, Unauthorized, Unavailable, UsageError
from rolloutctl.providers.launchdarkly import TargetSpec, budget
from rolloutctl.providers.launchdarkly.place import parse_address
from servers.fake_launchdarkly import READER_TOKEN, SDK_KEYS
from servers.scripted import Answer


def _told(world, severity, target=None):
    found = world.provider.probe(target or world.target)
    return [(each.message, each.hint) for each in found if each.severity is severity]


def _refusals(world, target=None):
    return _told(world, Severity.REFUSE, target)


def _edit(world, **own):
    world.fake.edit(FLAG, ENVIRONMENT, **own)


def test_a_readers_token_is_told_what_it_lacks(launchdarkly, monkeypatch):
    """Before the first write, by a dry run of what is so already."""
    world = launchdarkly("models")
    monkeypatch.setenv(TOKEN.env, READER_TOKEN)
    before = world.content()

    refused = _refusals(world)

    assert "may not write" in refused[0][0]
    assert f"proj/default:env/{ENVIRONMENT}:flag/{FLAG}" in refused[0][1]
    assert world.content() == before
    assert world.fake.audit == []


def test_an_sdk_key_is_no_access_token(launchdarkly, monkeypatch):
    """People have both in their environment."""
    world = launchdarkly("models")
    monkeypatch.setenv(TOKEN.env, SDK_KEYS[ENVIRONMENT])

    with pytest.raises(Unauthorized) as caught:
        world.provider.observe(world.target)

    assert "SDK keys are none" in caught.value.hint


def test_required_approvals_are_refused_unless_the_token_bypasses_them(launchdarkly):
    """An automatic rollback would stall until somebody approves it."""
    world = launchdarkly("models")
    settings = {"required": True, "requiredApprovalTags": []}
    world.fake.environments[ENVIRONMENT]["approvalSettings"] = settings

    [(message, hint)] = _refusals(world)
    assert "an automatic rollback and a kill would stall" in message
    assert "bypassRequiredApproval" in hint
    assert "bypass_approvals: true" in hint

    target = world.make_target(world.server.url, bypass_approvals=True)
    assert "does not bypass approvals" in _refusals(world, target)[0][0]

    settings["bypass"] = True
    target = world.make_target(world.server.url, bypass_approvals=True)
    assert _refusals(world, target) == []
    assert any("bypasses them" in message for message, _ in _told(world, Severity.WARN, target))


@pytest.mark.parametrize(("tags", "is_refused"), [(["llm"], True), (["web"], False)])
def test_approvals_for_some_tags_concern_flags_that_carry_one(launchdarkly, tags, is_refused):
    """LaunchDarkly can demand them by tag."""
    world = launchdarkly("models")
    world.fake.flags[FLAG]["tags"] = tags
    settings = {"required": False, "requiredApprovalTags": ["llm"]}
    world.fake.environments[ENVIRONMENT]["approvalSettings"] = settings

    assert bool(_refusals(world)) is is_refused


@pytest.mark.parametrize(
    ("allocation", "words"),
    [
        ({"type": "measuredRollout"}, "own guarded rollout"),
        ({"type": "progressiveRollout"}, "own progressive rollout"),
        ({"defaultVariation": 0, "canReshuffle": False}, "own experiment rollout"),
    ],
)
def test_launchdarklys_own_rollouts_are_never_fought(launchdarkly, allocation, words):
    """Refused with the way out; what is served cannot be said meanwhile."""
    world = launchdarkly("models")
    _edit(world, fallthrough=rollout(50_000, 50_000, 0, experimentAllocation=allocation))

    messages = [message for message, _ in _refusals(world)]

    assert any(words in message for message in messages)
    assert world.provider.observe(world.target).exposure is None


@pytest.mark.parametrize(
    ("name", "item", "words"),
    [
        ("scheduled-changes", {"_id": "s"}, "1 scheduled changes are pending"),
        ("workflows", {"_execution": {"status": "active"}}, "1 workflows are in force"),
        ("releases", {"status": "in_progress"}, "own guarded or progressive rollout"),
    ],
)
def test_other_controllers_of_the_flag_are_found(launchdarkly, name, item, words):
    """Two that drive one flag would overwrite each other."""
    world = launchdarkly("models")
    world.fake.lists[name] = [item]

    found = [message for message, _ in _refusals(world)]

    assert any(words in message for message in found)


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("workflows", {"_execution": {"status": "completed"}}),
        ("releases", {"status": "completed"}),
        ("approval-requests", {"status": "pending"}),
    ],
)
def test_what_has_ended_or_only_waits_is_no_obstacle(launchdarkly, name, item):
    """A pending approval request is a warning."""
    world = launchdarkly("models")
    world.fake.lists[name] = [item]

    assert _refusals(world) == []


def test_an_archived_flag_is_refused(launchdarkly):
    """It cannot be changed."""
    world = launchdarkly("models")
    world.fake.flags[FLAG]["archived"] = True

    assert _refusals(world)[0][0] == f"flag {FLAG!r} is archived"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"fallthrough": rollout(50_000, 50_000, 0, seed=61)}, "has seed"),
        (
            {"fallthrough": rollout(50_000, 50_000, 0, kind="organization")},
            "buckets by the key of the context kind 'organization'",
        ),
        ({"fallthrough": {"variation": 2}}, "serves mini there, which is neither arm"),
        ({"on": False, "rules": [rule("beta", {"variation": 1})]}, "is your decision"),
        ({"on": False, "offVariation": 2}, "is your decision: it serves mini"),
        (
            {"fallthrough": rollout(60_000, 20_000, 20_000), "rules": [], "targets": []},
            "",
        ),
    ],
)
def test_what_a_rollout_could_not_drive_exactly_is_refused(launchdarkly, own, words):
    """With the reason; a third arm behind the two is none."""
    world = launchdarkly("models")
    _edit(world, **own)

    refused = [message for message, _ in _refusals(world)]

    assert any(words in message for message in refused) if words else refused == []


def test_a_third_arm_between_the_two_is_refused(launchdarkly):
    """Its contexts would be dealt anew with every step."""
    world = launchdarkly("last")
    _edit(world, fallthrough=rollout(75_000, 20_000, 5_000))

    [(message, hint)] = _refusals(world)

    assert "'mini' stands between the two arms" in message
    assert "to 0%" in hint


def test_rules_and_targets_of_others_are_told_and_left(launchdarkly):
    """They serve the canary whatever the share is."""
    world = launchdarkly("models")
    _edit(
        world,
        rules=[rule("beta", {"variation": 1}), rule("gold", {"variation": 0})],
        targets=[targeted(1, "ada", "bob"), targeted(0, "cid")],
    )

    warned = [message for message, _ in _told(world, Severity.WARN)]

    assert any("the rule 'beta' serves claude" in message for message in warned)
    assert any("2 user keys are targeted with claude" in message for message in warned)
    assert not any("gold" in message for message in warned)
    assert _refusals(world) == []


def test_an_off_variation_that_is_not_the_control_is_told(launchdarkly):
    """Whoever turns the flag off in a hurry would give everybody something else."""
    world = launchdarkly("models")
    _edit(world, offVariation=1)

    assert any("gives everybody claude" in message for message, _ in _told(world, Severity.WARN))


def test_the_first_variation_trap_is_told_from_the_flags_own_data(launchdarkly):
    """Boolean flags list true first: devices would get it at any share."""
    world = launchdarkly("boolean")
    assert _told(world, Severity.WARN) == []

    _edit(world, evaluation={"contextKinds": ["user", "device"]})
    [(message, _)] = _told(world, Severity.WARN)
    assert "of the kind device (seen in the last 30 days) get 'true'" in message

    target = world.make_target(world.server.url, bucket_by="org")
    [(message, _)] = _told(world, Severity.WARN, target)
    assert "without the attribute 'org' get 'true'" in message


def test_arms_that_the_flag_does_not_have_are_named(launchdarkly):
    """With what was probably meant."""
    world = launchdarkly("models")
    target = replace(world.target, canary=Arm(name="canary", value="claud"))

    [(message, hint)] = _refusals(world, target)

    assert message == f"flag {FLAG!r} has no variation 'claud'"
    assert hint.startswith("did you mean claude?")


def test_two_variations_of_one_name_must_be_named_by_id(launchdarkly):
    """Nothing is guessed."""
    world = launchdarkly("models")
    for each in world.fake.flags[FLAG]["variations"]:
        each["name"] = "same"
    target = replace(world.target, canary=Arm(name="canary", value="same"))

    [(message, hint)] = _refusals(world, target)

    assert "3 variations have the name 'same'" in message
    assert f"{FLAG}-0" in hint


def test_an_arm_is_named_by_id_name_or_value(launchdarkly):
    """As people know it."""
    world = launchdarkly("models")
    world.fake.flags[FLAG]["variations"][1]["name"] = "Claude"

    for name in (f"{FLAG}-1", "Claude", "claude"):
        target = replace(world.target, canary=Arm(name="canary", value=name))
        assert _refusals(world, target) == []


def test_a_flag_or_environment_that_is_not_there_is_told(launchdarkly):
    """With what to check."""
    world = launchdarkly("models")
    for field in ("flag", "environment", "project"):
        spec = replace(world.target.spec, **{field: "nowhere"})

        refused = _refusals(world, replace(world.target, spec=spec, shadow=None))

        assert len(refused) == 1
        assert "check" in refused[0][1]


def test_a_shadow_flag_must_be_another_and_boolean(launchdarkly):
    """Models cannot say yes or no."""
    world = launchdarkly("models")
    same = replace(world.target, shadow=ShadowFlag(flag=FLAG))
    world.fake.add_flag("words", ["yes", "no"])

    assert "the shadow flag is the flag itself" in _refusals(world, same)[0][0]
    other = replace(world.target, shadow=ShadowFlag(flag="words"))
    assert "no variation 'false'" in _refusals(world, other)[0][0]
    assert world.target.shadow.flag == SHADOW


def test_all_who_wait_for_one_reset_come_back_at_different_moments(launchdarkly):
    """Or the next window would be used up in its first second."""
    world = launchdarkly("models")
    waits = set()

    for _ in range(20):
        world.server.answers = [lambda _: Answer(status=429, headers={"Retry-After": "2"}, body="")]
        with pytest.raises(Unavailable) as caught:
            world.provider.observe(world.target)
        waits.add(caught.value.retry_after_s)

    assert all(2.0 <= one <= 2.0 + budget.JITTER_S for one in waits)
    assert len(waits) > 1


def test_flags_that_depend_on_it_are_named(launchdarkly):
    """A change of this flag, and its kill, may change what they serve."""
    world = launchdarkly("models")
    for number in range(7):
        world.fake.add_flag(f"answers-{number}", [True, False])
        environment = world.fake.flags[f"answers-{number}"]["environments"][ENVIRONMENT]
        environment["prerequisites"].append({"key": FLAG, "variation": 1})

    warnings = [message for message, _ in _told(world, Severity.WARN)]

    named = "answers-0, answers-1, answers-2, answers-3, answers-4 and 2 more"
    assert f"flag {FLAG!r} is a prerequisite of {named}" in warnings
    assert _refusals(world) == []


def test_the_rate_limit_of_an_account_says_when_to_come_back(launchdarkly):
    """Without Retry-After by the end of the window, also one that has passed."""
    world = launchdarkly("models")

    def limited(_):
        body = '{"code": "rate_limited", "message": "slow down"}'
        return Answer(status=429, body=body, headers={"X-Ratelimit-Reset": "1"})

    world.server.answers = [limited]
    with pytest.raises(Unavailable, match="slow down") as caught:
        world.provider.observe(world.target)

    assert 1.0 <= caught.value.retry_after_s <= 1.0 + budget.JITTER_S
    assert not caught.value.may_have_landed


@pytest.mark.parametrize(
    "address",
    [
        "launchdarkly://app.launchdarkly.com/project/environment",
        "launchdarkly://user:pw@app.launchdarkly.com/p/e/f",
        "launchdarkly://app.launchdarkly.com/p/e/f?scheme=ftp",
        "launchdarkly://host:port/p/e/f",
    ],
)
def test_what_is_no_address_is_refused_with_the_form(address):
    """Tokens do not stand in addresses either."""
    with pytest.raises(UsageError) as caught:
        parse_address(address)

    assert "launchdarkly://app.launchdarkly.com/PROJECT/ENVIRONMENT/FLAG" in caught.value.hint


@pytest.mark.parametrize("url", ["app.launchdarkly.com", "ftp://x", "https://u:p@x", "https://x?y"])
def test_a_url_that_is_none_is_a_mistake_of_the_playbook(url):
    """Lint shows it where it stands."""
    with pytest.raises(ValueError, match="url must"):
        TargetSpec(url=url, environment="e", flag="f")


@pytest.mark.parametrize("units", [0, 1_000_001])
def test_a_sample_of_too_few_or_too_many_is_refused(launchdarkly, units):
    """Before anything is asked."""
    world = launchdarkly("models")

    with pytest.raises(Rejected, match="cannot be sampled"):
        world.provider.sample(world.target, units, timeout_s=5)


def test_a_sample_without_the_sdk_key_says_which_key_is_needed(launchdarkly, monkeypatch):
    """An unset variable, before the SDK only logs something."""
    world = launchdarkly("models")
    monkeypatch.delenv(SDK_KEY.env)

    with pytest.raises(Unauthorized, match=r"PLANTED_LAUNCHDARKLY_SDK_KEY.* is not set"):
        world.provider.sample(world.target, 10, timeout_s=5)
