"""`verify` of whole versions: sessions of the data plane, as applications open them."""

from __future__ import annotations

import pytest

from providers.appconfig_whole_worlds import LINEAR, FlagsWorld, WholeWorld
from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld, pct, variant
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Rejected, Unauthorized
from rolloutctl.providers.appconfig import sampling

TIMEOUT_S = 20.0


@pytest.fixture
def make(monkeypatch):
    """Makes a world; what broke AWS's model fails the test at its end."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    made = []

    def begin(world):
        made.append(world)
        return world

    yield begin
    for world in made:
        world.close()


def sample(world, units=1_000):
    return world.provider.sample(world.target, units, timeout_s=TIMEOUT_S)


def grow(world):
    world.provider.apply(world.target, split(FULL_BP), key="k", expect=None, timeout_s=TIMEOUT_S)


def test_sessions_are_counted_by_the_version_that_they_get(make):
    """Two hundred of them at most: each is two calls that AWS bills."""
    world = make(WholeWorld())

    assert dict(sample(world).arms) == {"control": 200, "canary": 0}
    grow(world)

    found = sample(world, units=50)
    assert (found.units, dict(found.arms)) == (50, {"control": 0, "canary": 50})
    assert found.other == found.errors == 0


@pytest.mark.parametrize("kind", [WholeWorld, FlagsWorld])
def test_a_growth_is_seen_as_far_as_it_is(make, kind):
    """40 % of the sessions after 12 minutes of 20 % every 6."""
    world = make(kind(LINEAR))
    grow(world)
    world.advance(12 * 60 + 1)

    found = sample(world)
    counts = dict(found.arms)

    assert 40 <= counts["canary"] <= 120
    assert counts["control"] == 200 - counts["canary"]
    assert found.growing == split(4_000)


def test_a_growth_that_moved_on_meanwhile_is_asked_for_again(make, monkeypatch):
    """Half of the sessions of 20 % and half of 40 % are no share."""
    world = make(WholeWorld(LINEAR))
    grow(world)
    world.advance(6 * 60 + 1)
    ask = sampling._ask_all

    def slow(*words):
        found = ask(*words)
        if world.aws.moment < 1_800_000_000 + 12 * 60:
            world.advance(6 * 60)
        return found

    monkeypatch.setattr(sampling, "_ask_all", slow)

    found = sample(world)

    assert found.growing == split(4_000)
    assert 40 <= dict(found.arms)["canary"] <= 120


def test_what_is_complete_does_not_grow(make):
    """Nobody waits for anything more."""
    world = make(WholeWorld(LINEAR))
    grow(world)
    world.advance(31 * 60)

    found = sample(world, units=20)

    assert found.growing is None
    assert dict(found.arms) == {"control": 0, "canary": 20}


def test_a_version_of_neither_arm_is_other(make):
    """Somebody deployed a third one."""
    world = make(WholeWorld())
    world.edit_outside()

    found = sample(world, units=20)

    assert (found.other, dict(found.arms)) == (20, {"control": 0, "canary": 0})


@pytest.mark.parametrize("kind", ["variants", "switch"])
def test_a_flags_rules_are_evaluated_over_units(make, kind):
    """A quarter of ten thousand, within six standard deviations, and it is said by whom."""
    world = make(AppConfigWorld(kind))
    world.provider.apply(world.target, split(2_500), key="k", expect=None, timeout_s=TIMEOUT_S)

    found = sample(world, units=10_000)

    assert abs(dict(found.arms)["canary"] - 2_500) < 260
    assert sum(dict(found.arms).values()) == 10_000
    assert "evaluated by rolloutctl" in found.evaluated_by
    assert found.context == ("userId",)


def test_it_is_the_data_plane_that_is_asked(make):
    """The control plane's word is 25 %, and applications get the version before."""
    world = make(AppConfigWorld("variants"))
    world.provider.apply(world.target, split(2_500), key="k", expect=None, timeout_s=TIMEOUT_S)
    world.aws.behind = 1

    assert dict(sample(world).arms) == {"control": 1_000, "canary": 0}


def test_a_third_variant_is_other_and_what_rules_read_is_named(make):
    """Made-up units carry only the key of the split."""
    world = make(AppConfigWorld("variants"))
    gold = {**variant("mini"), "rule": '(or (eq $tier "gold") (split pct::10 by::$userId))'}
    world.become({"_variants": [gold, variant("claude", pct(30)), variant("gpt-4")]})

    found = sample(world, units=10_000)

    assert abs(found.other - 1_000) < 200
    assert abs(dict(found.arms)["canary"] - 2_000) < 250
    assert found.missing == ("tier",)


def test_a_rule_that_we_do_not_know_is_refused(make):
    """Not guessed."""
    world = make(AppConfigWorld("variants"))
    world.become({"_variants": [variant("claude", "(later $at 3)"), variant("gpt-4")]})

    with pytest.raises(Rejected, match=r"\(later …\) is not evaluated here"):
        sample(world)


def test_no_right_to_open_sessions_is_an_error(make):
    """Not that nobody is served."""
    world = make(WholeWorld())
    world.aws.fault, world.aws.fault_on = "forbidden", frozenset({"StartConfigurationSession"})

    with pytest.raises(Unauthorized, match=r"StartConfigurationSession|start_configuration"):
        sample(world)
