"""Writing and killing on an Unleash safely: traps, edits by others, names, time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from providers.unleash_worlds import (
    ENVIRONMENT,
    FEATURES,
)
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Severity
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Conflict, Rejected, Unavailable
from rolloutctl.providers.unleash import Unleash
from rolloutctl.providers.unleash.writing import LANDING_S
from servers.scripted import Answer, Fault, ScriptedServer

PLACE = f"environments/{ENVIRONMENT}"


def _apply(world, exposure, *, target=None, expect=None, timeout_s=5.0):
    given = target or world.target
    return world.provider.apply(given, exposure, key="k", expect=expect, timeout_s=timeout_s)


def _writes(world):
    """Methods and last parts of the paths of what the proxy has seen written."""
    return [
        f"{seen.method} {seen.path.rpartition(f'{PLACE}/')[2].partition('/')[0]}"
        for seen in world.proxy.seen
        if seen.method != "GET"
    ]


def _refusals(world, target=None):
    found = world.provider.probe(target or world.target)
    return [(each.message, each.hint) for each in found if each.severity is Severity.REFUSE]


def test_a_plain_flag_is_killed_by_one_call_and_variants_by_two(make):
    """No read comes before turning a plain flag off."""
    plain, models = make("plain"), make("variants")
    for world in (plain, models):
        _apply(world, split(5_000))
        del world.proxy.seen[:]
        world.provider.kill(replace(world.target, shadow=None), timeout_s=5)

        assert _writes(world) == (["POST off"] if world is plain else ["PATCH strategies"])
        assert len(world.proxy.seen) == (1 if world is plain else 2)


def test_a_kill_without_a_known_control_says_which_variants_there_are(make):
    """A typing error must not end as a guess; the shadow flag is off all the same."""
    world = make("variants")
    _apply(world, split(5_000, shadow_bp=1_000))
    target = replace(world.target, control=Arm(name="control", value="gpt4"))

    with pytest.raises(Rejected, match="no variant is named 'gpt4'") as caught:
        world.provider.kill(target, timeout_s=5)

    assert "claude, gpt-4" in caught.value.hint
    assert world.server.environment(world.shadow)["enabled"] is False


def test_a_strategy_taken_away_while_it_is_turned_on_ends_off(fake, make):
    """Unleash then adds one at 100 % by itself."""
    world = make("fresh")
    forward = world.proxy.forward

    def remove_then_forward(seen):
        if seen.path.endswith("/on"):
            fake.flags[world.flag][ENVIRONMENT]["strategies"].clear()
        return forward(seen)

    world.proxy.forward = remove_then_forward

    with pytest.raises(Unavailable, match="turned off again") as caught:
        _apply(world, split(500))

    assert caught.value.may_have_landed
    assert world.provider.observe(world.target).exposure == split(0)


def test_an_edit_since_the_last_look_is_a_conflict_and_nothing_is_written(make):
    """As near to compare-and-set as Unleash allows."""
    world = make("plain")
    seen = world.provider.observe(world.target)
    world.edit_outside()
    content = world.content()

    with pytest.raises(Conflict):
        _apply(world, split(500), expect=seen.version)

    assert world.content() == content


def test_a_drift_names_who_edited_when_and_what(make):
    """Our own writes name nobody."""
    world = make("plain")
    _apply(world, split(500))
    assert world.provider.observe(world.target).editor == ""
    base = f"{FEATURES}/{world.flag}/{PLACE}"
    [own] = world.server.environment(world.flag)["strategies"]
    change = {
        "op": "replace",
        "path": "/parameters",
        "value": {**own["parameters"], "rollout": "30"},
    }
    world.server.call("PATCH", f"{base}/strategies/{own['id']}", [change])

    seen = world.provider.observe(world.target)

    assert seen.editor == f"admin at 2026-01-31T12:00:00Z ({world.flag}: rollout 5 -> 30)"


def test_a_name_is_never_worth_an_error(make):
    """Without the event log a drift is told without a name."""
    world = make("plain")

    def answer(seen):
        if "/search/events" in seen.path:
            return Answer(status=500, body="broken")
        return world.proxy.forward(seen)

    with ScriptedServer(answer) as server:
        target = replace(world.target, spec=replace(world.target.spec, url=server.url))
        assert Unleash().observe(target).editor == ""


def test_a_write_is_not_sent_so_late_that_it_may_land_after_its_time(make):
    """The last seconds belong to what is on its way."""
    world = make("plain")
    content = world.content()

    with pytest.raises(Unavailable, match="the time for this write is over") as caught:
        _apply(world, split(500), timeout_s=LANDING_S)

    assert not caught.value.may_have_landed
    assert world.content() == content


def test_a_server_that_hangs_costs_no_more_than_the_time_given(make):
    """A kill must not hang."""
    world = make("variants")
    with ScriptedServer(Answer(fault=Fault.HANG)) as server:
        target = replace(world.target, spec=replace(world.target.spec, url=server.url))

        with pytest.raises(Unavailable, match=r"no answer within 0\.\d|its time was over"):
            world.provider.kill(target, timeout_s=0.3)


def test_an_answer_that_is_no_flag_is_refused(make):
    """A login page or another service is not guessed at."""
    world = make("plain")
    place = {"name": ENVIRONMENT, "enabled": "yes", "strategies": []}
    for found in ([], {"environments": {}}, {"environments": [place]}):
        body = json.dumps(found)
        with ScriptedServer(Answer(body=body)) as server:
            target = replace(world.target, spec=replace(world.target.spec, url=server.url))
            assert len(_refusals(world, target)) == 1


def test_a_restore_point_of_something_else_is_refused(make):
    """Nothing is written for it."""
    world = make("plain")
    for snapshot in (None, {}, {"flag": {"enabled": 1}}):
        with pytest.raises(Rejected):
            world.provider.restore(world.target, snapshot, key="k", expect=None, timeout_s=5)
