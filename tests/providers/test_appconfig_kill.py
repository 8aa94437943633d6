"""The kill of an AppConfig flag where deployments, alarms and people are in the way."""

from __future__ import annotations

import json

import pytest

from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld
from rolloutctl.clock import SystemClock
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.appconfig.reading import OURS

ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-errors"
CANARY = "AppConfig.Canary10Percent20Minutes"


@pytest.fixture
def world(monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld("variants")
    yield world
    world.close()


def serve(world, bp):
    """As the runner does."""
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, split(bp), key="k", expect=before.version, timeout_s=5)


def states(world):
    """How each deployment stands, by number."""
    return {key[2]: one["State"] for key, one in sorted(world.aws.deps.items())}


def session_of(world):
    """The flag as a session of the data plane gets it, past our own code."""
    app, environment, profile = world.ids
    token = world.aws.StartConfigurationSession(app, environment, profile)
    answer = world.aws.GetLatestConfiguration(token["InitialConfigurationToken"])
    return json.loads(answer["Configuration"])["prompt"]


def test_a_strangers_deployment_is_named_and_never_stopped(world):
    """Whose, in which state, until when, and how it would be stopped."""
    serve(world, 2_500)
    world.deploy(world.served(), strategy=CANARY, description="weekly sync")

    with pytest.raises(Rejected) as caught:
        world.provider.kill(world.target, timeout_s=5)

    assert "DEPLOYING (weekly sync) since 2027-01-15 08:00:00Z" in caught.value.message
    assert "until 08:30:00Z" in caught.value.message
    assert "--stop-foreign" in caught.value.hint
    assert states(world)[3] == "DEPLOYING"


def test_a_strangers_deployment_that_soon_ends_is_waited_for(world):
    """The kill is tried again for half a minute."""
    serve(world, 2_500)
    world.aws.moment = SystemClock().now().timestamp() - 119
    world.deploy(world.served(), strategy="AppConfig.Linear50PercentEvery30Seconds")
    world.aws.moment += 61

    with pytest.raises(Conflict):
        world.provider.kill(world.target, timeout_s=5)
    world.aws.moment += 60
    world.provider.kill(world.target, timeout_s=5)

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_strangers_deployment_is_stopped_where_that_was_said(world):
    """And the account names it; then the control serves everybody."""
    serve(world, 2_500)
    world.deploy(world.served(), strategy=CANARY, description="weekly sync")

    receipt = world.provider.stopping_foreign().kill(world.target, timeout_s=5)

    assert "stopped deployment 3" in receipt.changed
    assert "weekly sync" in receipt.changed
    assert states(world)[3] in {"ROLLED_BACK", "REVERTED"}
    assert world.provider.observe(world.target).exposure == split(0)


def test_a_deployment_of_ours_in_flight_is_stopped_and_control_deployed(world):
    """What a process that died left running does not hold up the kill."""
    serve(world, 2_500)
    world.deploy(world.served(), strategy=CANARY, description=f"{OURS}canary 30%")

    world.provider.kill(world.target, timeout_s=5)

    assert states(world) == {1: "COMPLETE", 2: "COMPLETE", 3: "ROLLED_BACK", 4: "COMPLETE"}
    assert world.provider.observe(world.target).exposure.is_zero


def test_a_kill_that_an_alarm_undoes_says_which_alarm(world):
    """The safe deployment is rolled back too, and the kill is not taken for done."""
    serve(world, 2_500)
    app, environment, _ = world.ids
    world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]
    world.aws.alarms[ALARM] = "ALARM"

    with pytest.raises(Rejected) as caught:
        world.provider.kill(world.target, timeout_s=5)

    assert ALARM in caught.value.message
    assert "CLOUDWATCH_ALARM" in caught.value.message
    assert "disable-alarm-actions" in caught.value.hint
    assert world.provider.observe(world.target).exposure.canary_bp == 2_500


def test_a_canary_that_an_alarm_undoes_is_no_step_taken(world):
    """AppConfig's own rollback is told as what it is, and nobody keeps the canary."""
    app, environment, _ = world.ids
    world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]

    with pytest.raises(Rejected, match="CLOUDWATCH_ALARM"):
        serve(world, 2_500)

    assert world.provider.observe(world.target).exposure.is_zero


def test_a_restore_deploys_the_very_version_that_was_there(world):
    """Shown by what a session is served, not by the control plane's word."""
    before = world.provider.observe(world.target)
    served = session_of(world)
    serve(world, 5_000)
    assert session_of(world) != served

    world.provider.restore(world.target, before.snapshot, key="k", expect=None, timeout_s=5)

    assert session_of(world) == served
    assert world.aws.deps[(*world.ids[:2], 3)]["ConfigurationVersion"] == "1"


def test_one_strategy_is_made_and_used_again(world):
    """An account may have twenty."""
    for bp in (1_000, 2_000, 3_000):
        serve(world, bp)

    names = [one["Name"] for one in world.aws.strategies.values()]
    assert names.count("rolloutctl-at-once") == 1


def test_a_kill_needs_no_strategy_of_our_own(world):
    """Where the quota is full, AWS's own AllAtOnce brings the control as fast."""
    serve(world, 2_500)
    world.aws.strategies = {
        name: one for name, one in world.aws.strategies.items() if name.startswith("AppConfig.")
    }
    world.aws.fault, world.aws.fault_on = "forbidden", frozenset({"CreateDeploymentStrategy"})

    world.provider.kill(world.target, timeout_s=5)

    assert states(world)[3] == "BAKING"
    assert world.provider.observe(world.target).exposure.is_zero


def test_a_name_for_an_id_is_refused_with_the_way_to_the_id(world):
    """People know names; AppConfig's calls want ids."""
    spec = world.provider.TargetSpec(
        region="eu-west-1",
        application="My Shop",
        environment="abc1234",
        profile="abc1235",
        flag="prompt",
    )

    [(key, message, fix)] = world.provider.problems(spec)

    assert (key, "aws appconfig list-applications") == ("application", fix.rpartition(": ")[2])
    assert "My Shop" in message


def test_the_probe_refuses_while_a_deployment_bakes(world):
    """Nothing could be written, so nothing is started."""
    world.deploy(world.served(), strategy="AppConfig.AllAtOnce")

    found = world.provider.probe(world.target)

    [refused] = [one for one in found if one.severity is Severity.REFUSE]
    assert "BAKING" in refused.message


def test_a_service_that_lists_the_oldest_deployment_first_is_understood(world):
    """AWS lists the newest first; an emulator was seen to do the opposite."""
    listed = world.aws.ListDeployments
    world.aws.ListDeployments = lambda **given: {
        **listed(**given),
        "Items": listed(**given)["Items"][::-1],
    }
    for bp in (500, 2_500):
        serve(world, bp)

    assert world.provider.observe(world.target).exposure == split(2_500)
