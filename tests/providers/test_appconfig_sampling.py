"""`verify` of whole versions: sessions of the data plane, as applications open them."""

from __future__ import annotations

import pytest

from providers.appconfig_whole_worlds import LINEAR, WholeWorld
from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Rejected, Unauthorized

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


def test_a_growth_is_seen_as_far_as_it_is(make):
    """40 % of the sessions after 12 minutes of 20 % every 6."""
    world = make(WholeWorld(LINEAR))
    grow(world)
    world.advance(12 * 60 + 1)

    counts = dict(sample(world).arms)

    assert 40 <= counts["canary"] <= 120
    assert counts["control"] == 200 - counts["canary"]


def test_a_version_of_neither_arm_is_other(make):
    """Somebody deployed a third one."""
    world = make(WholeWorld())
    world.edit_outside()

    found = sample(world, units=20)

    assert (found.other, dict(found.arms)) == (20, {"control": 0, "canary": 0})


def test_a_flag_cannot_be_asked_for(make):
    """Its split is the Agent's."""
    world = make(AppConfigWorld("variants"))

    with pytest.raises(Rejected, match="only AWS's Agent splits units"):
        sample(world)


def test_no_right_to_open_sessions_is_an_error(make):
    """Not that nobody is served."""
    world = make(WholeWorld())
    world.aws.fault, world.aws.fault_on = "forbidden", frozenset({"StartConfigurationSession"})

    with pytest.raises(Unauthorized, match=r"StartConfigurationSession|start_configuration"):
        sample(world)
