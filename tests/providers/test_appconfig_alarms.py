"""The environment's alarms as the probe tells of them: the real boto3, a fake CloudWatch."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Rejected
from servers.fake_iam import ALLOW_ALL, NUMBER, account_of

ERRORS = f"arn:aws:cloudwatch:eu-west-1:{NUMBER}:alarm:checkout-errors"
SLOW = f"arn:aws:cloudwatch:eu-west-1:{NUMBER}:alarm:checkout: p99 slow"
FAR = f"arn:aws:cloudwatch:us-east-1:{NUMBER}:alarm:cdn-errors"


@pytest.fixture
def world(monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    world = AppConfigWorld("variants")
    yield world
    world.close()


def watch(world, *arns, **states):
    """The environment's alarms, and how those stand that are named; OK the others."""
    app, environment, _ = world.ids
    world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": arn} for arn in arns]
    world.aws.alarms |= dict.fromkeys(arns, "OK") | states


def about(world, severity=None):
    """What the probe says of alarms, and nothing else."""
    found = [one for one in world.provider.probe(world.target) if "alarm" in one.message]
    return [one for one in found if severity is None or one.severity is severity]


def test_alarms_that_are_ok_are_one_line(world):
    """With what AppConfig does when one no longer is."""
    watch(world, ERRORS, SLOW, FAR)

    [told] = [one for one in world.provider.probe(world.target) if "roll" in one.message]

    assert told.severity is Severity.OK
    assert told.message == (
        "alarms are OK: checkout-errors, checkout: p99 slow, cdn-errors;"
        " AppConfig itself rolls back, a rollback or kill too, unless OK"
    )


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_an_alarm_that_is_not_ok_refuses_the_plan(world, state):
    """By its name and state, with why, and with the command that lets a kill through."""
    watch(world, ERRORS, SLOW, **{SLOW: state})

    [told] = about(world, Severity.REFUSE)

    assert told.message == (
        "AppConfig would roll back every deployment, the kill too:"
        f" alarm checkout: p99 slow is {state} (because of a test)"
    )
    assert told.hint.endswith(
        "aws cloudwatch disable-alarm-actions --alarm-names 'checkout: p99 slow' --region eu-west-1"
    )
    assert "alarms are OK: checkout-errors;" in about(world, Severity.OK)[0].message


def test_each_alarm_that_is_not_ok_is_refused(world):
    """Not only the first."""
    watch(world, ERRORS, SLOW, FAR, **{ERRORS: "ALARM", FAR: "INSUFFICIENT_DATA"})

    told = [one.message for one in about(world, Severity.REFUSE)]

    assert [one.partition("alarm ")[2].partition(" (")[0] for one in told] == [
        "checkout-errors is ALARM",
        "cdn-errors is INSUFFICIENT_DATA",
    ]


@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_an_alarm_whose_actions_are_disabled_is_a_warning(world, state):
    """It keeps nothing from being deployed, and does not protect either."""
    watch(world, ERRORS, **{ERRORS: state})
    world.aws.muted.add(ERRORS)

    [told] = about(world)

    assert told.severity is Severity.WARN
    assert f"alarm checkout-errors is {state} and its actions are disabled" in told.message
    assert "enable-alarm-actions --alarm-names checkout-errors --region" in told.hint


@pytest.mark.parametrize("is_muted", [False, True])
@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_what_the_probe_says_is_what_a_deployment_meets(world, state, is_muted):
    """Refused where, and only where, AppConfig takes the step back."""
    watch(world, ERRORS, **{ERRORS: state})
    world.aws.muted |= {ERRORS} if is_muted else set()

    is_refused = bool(about(world, Severity.REFUSE))

    meets = pytest.raises(Rejected, match="CLOUDWATCH_ALARM") if is_refused else nullcontext()
    with meets:
        world.provider.apply(world.target, split(2_500), key="k", expect=None, timeout_s=5)


def test_a_composite_alarm_is_looked_at_too(world):
    """CloudWatch tells of metric alarms only, unless it is asked."""
    watch(world, ERRORS, SLOW, **{SLOW: "ALARM"})
    account_of(world.aws).composite |= {ERRORS, SLOW}

    assert "p99 slow is ALARM" in about(world, Severity.REFUSE)[0].message
    assert not about(world, Severity.WARN)


def test_each_alarm_is_asked_about_in_the_region_of_its_arn(world):
    """The target's own region knows another alarm of that name, or none."""
    twin = FAR.replace("us-east-1", "eu-west-1")
    watch(world, FAR, ERRORS, **{FAR: "ALARM", twin: "OK"})

    assert "alarm cdn-errors is ALARM" in about(world, Severity.REFUSE)[0].message
    asked = [given for name, given in world.aws.calls if name == "DescribeAlarms"]
    assert [one["AlarmNames"] for one in asked] == [["cdn-errors"], ["checkout-errors"]]


def test_an_alarm_of_another_account_is_not_taken_for_ours(world):
    """Ours of that name is OK; how the other one stands cannot be seen from here."""
    other = ERRORS.replace(NUMBER, "999999999999")
    watch(world, other, **{ERRORS: "OK"})
    account_of(world.aws).gone.add(other)

    [told] = about(world)

    assert told.severity is Severity.WARN
    assert other in told.message


def test_an_alarm_that_was_deleted_is_a_warning(world):
    """Nobody knows what AppConfig does with it."""
    watch(world, ERRORS)
    account_of(world.aws).gone.add(ERRORS)

    [told] = about(world)

    assert told.severity is Severity.WARN
    assert "alarm checkout-errors of the environment is not there" in told.message


def test_what_is_no_arn_of_an_alarm_is_a_warning(world):
    """AppConfig takes any text there."""
    watch(world)
    app, environment, _ = world.ids
    world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": "checkout-errors"}]
    account_of(world.aws).DescribeAlarms = lambda *_, **__: {"MetricAlarms": []}

    [told] = about(world)

    assert (told.severity, "is not there" in told.message) == (Severity.WARN, True)


def test_where_nobody_may_look_the_alarms_are_named(world):
    """It is told as not seen: neither as OK nor as a refusal."""
    watch(world, ERRORS, SLOW, **{ERRORS: "ALARM"})
    account_of(world.aws).may({"Effect": "Allow", "Action": "appconfig:*", "Resource": "*"})

    [told] = about(world)

    assert told.severity is Severity.WARN
    assert "alarms checkout-errors, checkout: p99 slow: how they stand was not seen" in told.message
    assert told.hint == (
        "allow cloudwatch:DescribeAlarms, or look: aws cloudwatch describe-alarms"
        " --alarm-names checkout-errors 'checkout: p99 slow' --region eu-west-1"
    )


@pytest.mark.parametrize("fault", ["rate-limited", "server-error", "timeout"])
def test_a_cloudwatch_that_fails_is_asked_once_and_stops_nothing(world, fault):
    """Throttled, broken, silent."""
    watch(world, ERRORS)
    world.aws.fault, world.aws.fault_on = fault, frozenset({"DescribeAlarms"})

    [told] = about(world)

    assert told.severity is Severity.WARN
    assert "how they stand was not seen" in told.message
    assert told.hint.startswith("look: aws cloudwatch describe-alarms")
    assert account_of(world.aws).asked.count("DescribeAlarms") == 1


def test_a_region_that_does_not_answer_hides_no_other(world):
    """Whatever is not OK elsewhere is refused all the same."""
    watch(world, FAR, ERRORS, **{ERRORS: "ALARM"})
    west = f"arn:aws:cloudwatch:us-east-1:{NUMBER}:*"
    account_of(world.aws).may(
        *ALLOW_ALL, {"Effect": "Deny", "Action": "cloudwatch:*", "Resource": west}
    )

    assert (
        "alarms cdn-errors: how they stand was not seen" in about(world, Severity.WARN)[0].message
    )
    assert "checkout-errors is ALARM" in about(world, Severity.REFUSE)[0].message


def test_an_environment_without_alarms_asks_nobody(world):
    """Nor says anything of them."""
    assert not about(world)
    assert "DescribeAlarms" not in account_of(world.aws).asked
