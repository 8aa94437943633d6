"""Whole versions of a profile, grown by AppConfig itself: followed, stopped, taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from providers.appconfig_whole_worlds import LINEAR, WholeWorld
from providers.appconfig_worlds import CREDENTIALS, with_spec
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.observation import Severity
from rolloutctl.core.playbook import Arm
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.appconfig.reading import OURS
from rolloutctl.providers.appconfig.strategy import PREDEFINED, parse_strategy
from rolloutctl.testing.conformance import ProviderConformance

ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-errors"
FULL = split(10_000)
SIX_MINUTES = 361


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)


class TestWholeVersions(ProviderConformance):
    """At once, so that what was written is what everybody is served."""

    provider_name = "appconfig"

    @pytest.fixture
    def world(self):
        world = WholeWorld()
        yield world
        world.close()


@pytest.fixture
def growing():
    world = WholeWorld(LINEAR)
    yield world
    world.close()


def begin(world):
    """The canary's growth as the runner begins it; what was before."""
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, FULL, key="k", expect=before.version, timeout_s=5)
    return before


def states(world):
    return {key[2]: one["State"] for key, one in sorted(world.aws.deps.items())}


def test_appconfig_grows_the_version_and_the_growth_is_followed(growing):
    """The exposure is the canary's from the first moment; the detail says how far it is."""
    begin(growing)
    growing.advance(2 * SIX_MINUTES)

    seen = growing.provider.observe(growing.target)

    assert seen.exposure == FULL
    assert seen.detail == "deployment 2 grows: AppConfig gives it to 40% so far"
    assert 0.3 < growing.share() < 0.5


def test_a_growth_is_no_edit_of_anybody(growing):
    """Growing, baking and complete have one fingerprint and one version."""
    begin(growing)
    seen = []
    for _ in range(12):
        seen.append(growing.provider.observe(growing.target))
        growing.advance(SIX_MINUTES)

    assert states(growing)[2] == "COMPLETE"
    assert len({(one.fingerprint, one.version) for one in seen}) == 1
    assert growing.share() == 1.0


def test_a_process_that_comes_after_finds_the_growth_and_begins_no_other(growing):
    """Written again with the same wish, nothing is written."""
    begin(growing)
    growing.advance(SIX_MINUTES)

    begin(growing)

    assert states(growing) == {1: "COMPLETE", 2: "DEPLOYING"}


@pytest.mark.parametrize("advances", [0, 1, 3])
def test_a_way_back_in_mid_growth_stops_it_and_nobody_keeps_the_canary(growing, advances):
    """Stopped with AllowRevert, and the restore point's version is in force."""
    before = begin(growing)
    growing.advance(advances * SIX_MINUTES)

    growing.provider.restore(growing.target, before.snapshot, key="k", expect=None, timeout_s=5)

    after = growing.provider.observe(growing.target)
    assert (after.fingerprint, after.exposure) == (before.fingerprint, ZERO)
    assert states(growing) == {1: "COMPLETE", 2: "ROLLED_BACK"}
    assert growing.share() == 0.0


def test_a_way_back_while_baking_stops_the_bake(growing):
    """A bake blocks every other deployment, so it cannot be waited for."""
    before = begin(growing)
    growing.advance(6 * SIX_MINUTES)
    growing.provider.observe(growing.target)
    assert states(growing)[2] == "BAKING"

    growing.provider.restore(growing.target, before.snapshot, key="k", expect=None, timeout_s=5)

    assert growing.share() == 0.0


def test_a_way_back_after_the_end_deploys_and_never_reverts(growing):
    """So the 72 hours of reverts are no limit of a rollback."""
    before = begin(growing)
    growing.advance(100 * 3600)

    growing.provider.restore(growing.target, before.snapshot, key="k", expect=None, timeout_s=5)

    assert states(growing) == {1: "COMPLETE", 2: "COMPLETE", 3: "COMPLETE"}
    assert growing.share() == 0.0


def test_a_kill_in_mid_growth_stops_it_and_deploys_the_control(growing):
    """The version moves even so: no older write can land after it."""
    begin(growing)
    growing.advance(2 * SIX_MINUTES)

    growing.provider.kill(growing.target, timeout_s=5)

    assert states(growing) == {1: "COMPLETE", 2: "ROLLED_BACK", 3: "COMPLETE"}
    assert growing.share() == 0.0


def test_what_an_alarm_took_back_is_told_as_that(growing):
    """Zero, with the alarm that AppConfig itself acted on."""
    app, environment, _ = growing.ids
    growing.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]
    growing.aws.alarms[ALARM] = "OK"
    begin(growing)
    growing.advance(SIX_MINUTES)
    growing.aws.alarms[ALARM] = "ALARM"

    seen = growing.provider.observe(growing.target)

    assert seen.exposure == ZERO
    assert "AppConfig took deployment 2 back (ROLLED_BACK), by CLOUDWATCH_ALARM" in seen.detail
    assert ALARM in seen.detail


@pytest.mark.parametrize("verb", ["apply", "restore", "kill"])
def test_a_strangers_growth_is_named_and_never_stopped(growing, verb):
    """Whose, since when, until when, and how it would be stopped."""
    before = growing.provider.observe(growing.target)
    growing.deploy("3", strategy=LINEAR, description="weekly sync")
    calls = {
        "apply": lambda: growing.provider.apply(
            growing.target, FULL, key="k", expect=None, timeout_s=5
        ),
        "restore": lambda: growing.provider.restore(
            growing.target, before.snapshot, key="k", expect=None, timeout_s=5
        ),
        "kill": lambda: growing.provider.kill(growing.target, timeout_s=5),
    }

    # Nobody waits 28 s for a kill that has to wait for an hour.
    with pytest.raises(Rejected if verb == "kill" else Conflict) as caught:
        calls[verb]()

    assert "DEPLOYING (weekly sync) since 2027-01-15 08:00:00Z" in caught.value.message
    assert states(growing)[2] == "DEPLOYING"


def test_a_growth_that_is_late_is_not_taken_for_done(growing):
    """Past its time it cannot be said who is served; the rollout stops for a person."""
    growing.aws.moment = 1_700_000_000.0
    begin(growing)

    seen = growing.provider.observe(growing.target)

    assert seen.exposure is None
    assert "should be complete since 2023-11-14" in seen.detail


def test_a_share_is_refused(growing):
    """AppConfig holds at no share of ours."""
    with pytest.raises(Rejected, match="cannot hold canary 10%"):
        growing.provider.apply(growing.target, split(1_000), key="k", expect=None, timeout_s=5)

    assert len(states(growing)) == 1


def test_a_curve_of_ones_own_is_made_once_and_used_again(growing):
    """An account may have twenty strategies."""
    target = with_spec(growing.target, strategy="exponential 10% over 20m, bake 5m")
    for _ in range(2):
        growing.provider.apply(target, FULL, key="k", expect=None, timeout_s=5)
        growing.provider.kill(target, timeout_s=5)

    made = [one for one in growing.aws.strategies.values() if "exponential" in one["Name"]]
    assert [one["Name"] for one in made] == ["rolloutctl-exponential-10-20m-5m"]
    assert (made[0]["GrowthType"], made[0]["FinalBakeTimeInMinutes"]) == ("EXPONENTIAL", 5)


def test_the_probe_says_the_pace_and_refuses_what_runs(growing):
    """Nothing could be written, so nothing is started."""
    [_, pace, *_] = growing.provider.probe(growing.target)
    growing.deploy("1", strategy=LINEAR, description=f"{OURS}other")
    found = growing.provider.probe(growing.target)

    assert "over 30 min, then bakes 30 min" in pace.message
    assert next(one.message for one in found if one.severity is Severity.REFUSE).startswith(
        "nothing can be deployed now: deployment 2"
    )


def test_an_arm_that_is_no_version_is_refused_with_the_form(growing):
    """A name where a number must stand."""
    target = replace(growing.target, canary=Arm(name="canary", value="new"))

    [refused] = growing.provider.probe(target)[:1]

    assert refused.severity is Severity.REFUSE
    assert "control: '3'" in refused.hint


def test_the_predefined_strategies_are_those_of_aws(growing):
    """Held against the stand-in's table, which botocore's models judge."""
    for name, mine in PREDEFINED.items():
        theirs = growing.aws.strategies[name]
        assert mine.shape == (
            theirs["DeploymentDurationInMinutes"],
            theirs["FinalBakeTimeInMinutes"],
            theirs["GrowthFactor"],
            theirs["GrowthType"],
        )


@pytest.mark.parametrize(
    "text", ["Linear", "linear 0% over 5m, bake 0m", "linear 20% over 2000m, bake 1m"]
)
def test_an_unknown_strategy_is_refused_with_the_known_ones(text):
    """Nothing is guessed."""
    with pytest.raises(Rejected) as caught:
        parse_strategy(text)

    assert LINEAR in caught.value.hint


REFUSED = "The property 'text' is required, and was not found"


def test_what_validators_refuse_is_shown_as_aws_says_it(growing):
    """By plan, before anything is written; and where somebody starts all the same."""
    app, _, profile = growing.ids
    growing.aws.profiles[app, profile]["Validators"] = [{"Type": "JSON_SCHEMA", "Content": "{}"}]
    growing.aws.refused[2] = REFUSED

    found = growing.provider.probe(growing.target)
    with pytest.raises(Rejected, match=REFUSED):
        begin(growing)

    assert any(one.severity is Severity.REFUSE and REFUSED in one.message for one in found)
    assert growing.share() == 0.0


def test_without_validators_nobody_validates(growing):
    """AWS refuses the call on a profile that has none."""
    growing.provider.probe(growing.target)

    assert not any(name == "ValidateConfiguration" for name, *_ in growing.aws.calls)
