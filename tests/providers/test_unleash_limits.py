"""Limits of an Unleash that `plan` tells before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from providers.unleash_worlds import (
    ENVIRONMENT,
    FEATURES,
    TOKEN,
    eu,
    strategy,
    variants,
)
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Rejected, Unauthorized
from rolloutctl.providers.unleash.probing import PERMISSIONS
from servers.fake_unleash import CLIENT_TOKENS, VIEWER_TOKEN
from servers.scripted import Answer, ScriptedServer

PLACE = f"environments/{ENVIRONMENT}"


def _apply(world, exposure, *, target=None, expect=None, timeout_s=5.0):
    given = target or world.target
    return world.provider.apply(given, exposure, key="k", expect=expect, timeout_s=timeout_s)


def _refusals(world, target=None):
    found = world.provider.probe(target or world.target)
    return [(each.message, each.hint) for each in found if each.severity is Severity.REFUSE]


def test_a_viewers_token_is_told_what_it_lacks(make, monkeypatch):
    """Before the first write."""
    world = make("plain")
    monkeypatch.setenv(TOKEN.env, VIEWER_TOKEN)

    [(message, hint)] = _refusals(world)

    assert "UPDATE_FEATURE_ENVIRONMENT" in message
    assert "not of a viewer" in hint


@pytest.mark.parametrize(
    ("token", "way_out"),
    [
        (CLIENT_TOKENS["development"], "an SDK's token, which can only read"),
        ("planted-unleash-wrong", "no token that this server knows"),
    ],
)
def test_a_token_that_cannot_write_says_which_one_can(make, monkeypatch, token, way_out):
    """Whatever it is used for."""
    world = make("plain")
    monkeypatch.setenv(TOKEN.env, token)

    for call in (world.provider.probe, world.provider.observe):
        with pytest.raises(Unauthorized) as caught:
            call(world.target)
        assert way_out in caught.value.hint
        assert "planted" not in caught.value.message


def test_change_requests_are_told_with_the_way_out(fake, make):
    """An enterprise server wants people to approve each change there."""
    world = make("plain")
    fake.change_requests.add(ENVIRONMENT)

    [(message, hint)] = _refusals(world)

    assert message == "development takes changes only as change requests"
    assert "SKIP_CHANGE_REQUEST" in hint


def test_a_write_that_a_change_request_would_need_says_so(make):
    """For servers that tell it only then."""
    world = make("plain")

    def answer(seen):
        if seen.method == "GET":
            return world.proxy.forward(seen)
        body = '{"name":"NoAccessError","message":"Change requests are enabled in development"}'
        return Answer(status=403, body=body)

    with ScriptedServer(answer) as server:
        target = replace(world.target, spec=replace(world.target.spec, url=server.url))
        with pytest.raises(Unauthorized) as caught:
            _apply(world, split(500), target=target)

    assert "rolloutctl cannot file change requests" in caught.value.hint


def test_archived_missing_and_elsewhere_are_told_apart(make):
    """The server answers 404 to all of them."""
    world = make("plain")
    gone = replace(world.target, spec=replace(world.target.spec, flag="nowhere"))
    placeless = replace(world.target, spec=replace(world.target.spec, environment="staging"))
    same = replace(world.target, shadow=replace(world.target.shadow, flag=world.flag))

    assert 'no feature named "nowhere"' in _refusals(world, gone)[0][0]
    assert "its environments are: development, production" in _refusals(world, placeless)[0][1]
    assert "the shadow flag is the flag itself" in _refusals(world, same)[0][0]
    world.server.call("DELETE", f"{FEATURES}/{world.shadow}")
    assert _refusals(world) == [
        (
            f"flag {world.shadow!r} is archived",
            "revive it in Unleash (Archived flags), or name another one",
        )
    ]


def test_a_flag_with_variants_that_is_off_is_not_turned_on(make):
    """Applications use the default in their code, which nobody here knows."""
    world = make("variants")
    world.server.become(world.flag, False, [strategy(variants=variants(0))])

    [(message, hint)] = _refusals(world)

    assert "turning it on is your decision" in message
    assert "the control at 100%" in hint
    with pytest.raises(Rejected):
        _apply(world, split(500))


def test_constraints_and_another_stickiness_of_somebody_elses_strategy_are_refused(make):
    """A rollout would replace the one and could not keep the other."""
    world = make("plain")
    world.server.become(world.flag, True, [strategy(0, constraints=[eu()])])
    target = replace(world.target, spec=replace(world.target.spec, stickiness="sessionId"))

    messages = [message for message, _ in _refusals(world, target)]

    assert len(messages) == 3  # the shadow flag's strategy is bucketed by userId too
    assert "has constraints of its own" in messages[0]
    assert "buckets by 'userId', the target says 'sessionId'" in messages[1]


def test_what_deserves_a_look_is_a_warning(make):
    """Old variants, random buckets, another unit: it works, but not as people may think."""
    old, at_random, session = make("old variants"), make("variants"), make("variants")
    served = variants(0, stickiness="random")
    at_random.server.become(at_random.flag, True, [strategy(variants=served)])
    targets = [
        old.target,
        at_random.target,
        replace(session.target, unit="session", shadow=None),
    ]

    warned = [
        each.message
        for target in targets
        for each in old.provider.probe(target)
        if each.severity is Severity.WARN
    ]

    assert len(warned) == 3
    assert "environment variants, which Unleash has given up" in warned[0]
    assert "bucketed at random" in warned[1]
    assert "buckets by 'userId', the unit of the target would be 'sessionId'" in warned[2]


def _with_permissions(world, entries, *, protected=False):
    """The refusals on an enterprise server that tells these permissions of the token."""

    def answer(seen):
        if seen.path == "/api/admin/user":
            return Answer(body=json.dumps({"permissions": entries}))
        if seen.path.endswith("/change-requests/config"):
            config = [{"environment": ENVIRONMENT, "changeRequestEnabled": protected}]
            return Answer(body=json.dumps(config))
        return world.proxy.forward(seen)

    with ScriptedServer(answer) as server:
        target = replace(world.target, spec=replace(world.target.spec, url=server.url))
        return _refusals(world, target)


def _role(*permissions, project="default", environment=ENVIRONMENT):
    return [
        {"permission": one, "project": project, "environment": environment} for one in permissions
    ]


def test_the_one_permission_that_a_role_lacks_is_named(make):
    """A custom role that may change strategies but not turn the flag on or off."""
    world = make("plain")

    [(message, hint)] = _with_permissions(world, _role(*PERMISSIONS[:-1]))

    assert message.endswith(
        "it lacks UPDATE_FEATURE_ENVIRONMENT in project default, environment development"
    )
    assert "a project member" in hint


@pytest.mark.parametrize("elsewhere", [{"environment": "production"}, {"project": "agents"}])
def test_permissions_elsewhere_are_none_here(make, elsewhere):
    """In another environment, in another project."""
    [(message, _)] = _with_permissions(make("plain"), _role(*PERMISSIONS, **elsewhere))

    assert f"it lacks {', '.join(PERMISSIONS)} in project default" in message


def test_a_token_that_may_skip_change_requests_drives_a_protected_environment(make):
    """And one that may not, although it may do everything else, does not."""
    world = make("plain")

    without = _with_permissions(world, _role(*PERMISSIONS), protected=True)

    assert without[0][0] == "development takes changes only as change requests"
    able = _role(*PERMISSIONS, "SKIP_CHANGE_REQUEST")
    assert _with_permissions(world, able, protected=True) == []


@pytest.mark.parametrize("kind", ["plain", "variants"])
def test_a_release_plan_is_not_driven_over_and_never_read_as_zero(fake, make, kind):
    """Unleash's own automation moves the flag: milestones that nobody else can read."""
    world = make(kind)
    place = fake.flags[world.flag][ENVIRONMENT]
    place["enabled"] = True
    place["releasePlans"] = [{"name": "quarterly", "activeMilestoneId": "01JB"}]

    [(message, hint)] = _refusals(world)
    seen = world.provider.observe(world.target)

    assert "the release plan 'quarterly' of Unleash drives" in message
    assert "remove that release plan" in hint
    assert seen.exposure is None
    assert "the release plan 'quarterly' drives it" in seen.detail
    place["releasePlans"] = [{"name": "quarterly", "activeMilestoneId": None}]
    assert _refusals(world) == []


def test_a_safeguard_of_unleash_is_told(fake, make):
    """It turns the flag off by itself."""
    world = make("plain")
    fake.flags[world.flag][ENVIRONMENT]["safeguards"] = [{"id": "01JB"}]

    found = world.provider.probe(world.target)

    [warned] = [each.message for each in found if each.severity is Severity.WARN]
    assert "a safeguard of Unleash may turn flag" in warned
