"""What applications get is what counts: the data plane is asked after each deployment."""

from __future__ import annotations

import pytest

from providers.appconfig_whole_worlds import LINEAR, FlagsWorld, WholeWorld
from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld, pct, variant
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Unavailable
from rolloutctl.providers.appconfig import confirming

ASKED = "StartConfigurationSession"


@pytest.fixture
def make(monkeypatch):
    """Makes a world whose data plane is waited for only a moment."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(confirming, "PATIENCE_S", 0.3)
    monkeypatch.setattr(confirming, "PAUSE_S", 0.05)
    monkeypatch.setattr(confirming, "_confirmed", {})
    made = []

    def begin(world):
        made.append(world)
        return world

    yield begin
    for world in made:
        world.close()


def apply(world, exposure=None):
    wanted = exposure or split(2_500)
    world.provider.apply(world.target, wanted, key="k", expect=None, timeout_s=5)


def asked(world):
    """How often a session was opened."""
    return sum(name == ASKED for name, *_ in world.aws.calls)


@pytest.mark.parametrize("kind", ["variants", "switch"])
def test_what_applications_do_not_get_yet_is_not_in_force(make, kind):
    """The control plane says COMPLETE; the way back is not confirmed by that."""
    world = make(AppConfigWorld(kind))
    before = world.provider.observe(world.target)
    apply(world)
    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=5)
    world.aws.behind = 1_000

    seen = world.provider.observe(world.target)

    assert seen.exposure is None
    assert "applications still get canary 25%" in seen.detail
    assert seen.fingerprint != before.fingerprint


def test_a_moment_is_waited_for(make):
    """Three sessions behind, then it is there."""
    world = make(AppConfigWorld("variants"))
    apply(world)
    world.aws.behind = 3

    assert world.provider.observe(world.target).exposure == split(2_500)
    assert asked(world) == 4


def test_each_deployment_is_asked_for_once(make):
    """Sessions are billed; the next deployment is asked for again."""
    world = make(AppConfigWorld("variants"))
    apply(world)
    for _ in range(5):
        world.provider.observe(world.target)
    assert asked(world) == 1

    apply(world, split(5_000))
    world.provider.observe(world.target)

    assert asked(world) == 2


def test_a_kill_that_applications_do_not_see_is_not_confirmed(make):
    """It was deployed; exit 20 is the runner's matter."""
    world = make(AppConfigWorld("variants"))
    apply(world)
    world.provider.kill(world.target, timeout_s=5)
    world.aws.behind = 1_000

    assert world.provider.observe(world.target).exposure is None

    world.aws.behind = 0
    assert world.provider.observe(world.target).exposure == split(0)


def test_without_the_right_to_ask_it_is_said_and_the_rest_holds(make):
    """A kill is not held up by a right that only looking needs."""
    world = make(AppConfigWorld("variants"))
    apply(world)
    world.aws.fault, world.aws.fault_on = "forbidden", frozenset({ASKED})

    seen = world.provider.observe(world.target)

    assert seen.exposure == split(2_500)
    assert "not confirmed on the data plane" in seen.detail


def test_a_data_plane_that_fails_is_no_answer(make):
    """Neither yes nor no."""
    world = make(AppConfigWorld("variants"))
    world.aws.fault, world.aws.fault_on = "server-error", frozenset({ASKED})

    with pytest.raises(Unavailable):
        world.provider.observe(world.target)


def test_a_form_that_we_do_not_know_contradicts_nothing(make, monkeypatch):
    """No rollout stops because AWS's form of a flag changed; it is said."""
    world = make(AppConfigWorld("variants"))
    monkeypatch.setattr(
        confirming,
        "open_session",
        lambda *_: confirming.Served(
            content=b'{"prompt": {"_variants": [{"name": "gpt-4", "rule": "(later)"}]}}', label=""
        ),
    )

    seen = world.provider.observe(world.target)

    assert seen.exposure == split(0)
    assert "cannot be read" in seen.detail


@pytest.mark.parametrize("content", [b"", b"[]", b'{"other": {}}', b"\xff"])
def test_no_such_flag_is_a_contradiction(make, monkeypatch, content):
    """An older document, or none."""
    world = make(AppConfigWorld("variants"))
    served = confirming.Served(content=content, label="")
    monkeypatch.setattr(confirming, "open_session", lambda *_: served)

    assert world.provider.observe(world.target).exposure is None


@pytest.mark.parametrize("kind", [WholeWorld, FlagsWorld])
def test_of_a_whole_version_what_is_sent_is_compared(make, kind):
    """Version 2 is complete, and a session still gets version 1; of flags only the values."""
    world = make(kind())
    apply(world, split(FULL_BP))
    world.aws.behind = 1_000
    seen = world.provider.observe(world.target)
    assert seen.exposure is None
    assert "another than 2" in seen.detail

    world.aws.behind = 0
    assert world.provider.observe(world.target).exposure == split(FULL_BP)


def test_flags_in_a_form_that_we_do_not_know_contradict_nothing(make, monkeypatch):
    """Neither the control's nor the canary's: said, and no more."""
    world = make(FlagsWorld())
    served = confirming.Served(content=b'{"prompt": {"later": 1}}', label="")
    monkeypatch.setattr(confirming, "open_session", lambda *_: served)

    seen = world.provider.observe(world.target)

    assert seen.exposure == split(0)
    assert "not known as either version" in seen.detail


def test_a_version_that_grows_is_not_asked_for(make):
    """Some sessions have it, some not: that is what growing means."""
    world = make(WholeWorld(LINEAR))
    apply(world, split(FULL_BP))
    world.aws.behind = 1_000

    assert world.provider.observe(world.target).exposure == split(FULL_BP)


def test_what_somebody_made_unreadable_is_not_asked_for(make):
    """There is nothing to compare."""
    world = make(AppConfigWorld("variants"))
    world.become(
        {"_variants": [variant("mini", pct(5)), variant("claude", pct(0)), variant("gpt-4")]}
    )
    calls = asked(world)

    assert world.provider.observe(world.target).exposure is None
    assert asked(world) == calls
