"""Who acts on AppConfig: the real boto3 against a fake STS and IAM."""

from __future__ import annotations

import threading

import pytest

from providers.appconfig_callers import deny, probed, refused
from providers.appconfig_worlds import CREDENTIALS, SECRET, AppConfigWorld, with_spec
from rolloutctl.clock import monotonic_s
from rolloutctl.core.exposure import split
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Unavailable
from rolloutctl.providers.appconfig import account as account_calls
from servers.fake_iam import ALLOW_ALL, NUMBER, account_of

ROLE = f"arn:aws:iam::{NUMBER}:role/rollouts"
SESSION = f"arn:aws:sts::{NUMBER}:assumed-role/rollouts/ci-run-7"


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)


@pytest.fixture
def world():
    world = AppConfigWorld("variants")
    yield world
    world.close()


@pytest.fixture
def account(world):
    return account_of(world.aws)


def test_who_acts_is_told_with_its_account(world):
    """As AWS says it, not as the configuration says."""
    assert f"acts as arn:aws:iam::{NUMBER}:user/ci in account {NUMBER}" in probed(world)
    assert not refused(world)


@pytest.mark.parametrize(
    ("session", "source"),
    [
        (SESSION, ROLE),
        (SESSION.replace("arn:aws:", "arn:aws-cn:"), ROLE.replace("arn:aws:", "arn:aws-cn:")),
    ],
)
def test_of_a_session_the_role_s_policies_are_asked_about(world, account, session, source):
    """Its own ARN has none."""
    denied = deny("appconfig:StartDeployment")
    account.become(session, source=source, statements=(*ALLOW_ALL, denied))

    assert f"acts as {session} in account {NUMBER}" in probed(world)
    assert "may not appconfig:StartDeployment" in refused(world)[0]
    asked = [given for name, given in world.aws.calls if name == "SimulatePrincipalPolicy"]
    assert {one["PolicySourceArn"] for one in asked} == {source}
    partition = source.split(":")[1]
    arns = [arn for one in asked for arn in one.get("ResourceArns", ())]
    assert {arn.split(":")[1] for arn in arns} == {partition}


def test_a_role_with_a_path_is_not_found_and_that_is_said(world, account):
    """A session's ARN has no path, and guessing one would ask about somebody else."""
    account.become(SESSION, source=ROLE)
    account.principals = {f"arn:aws:iam::{NUMBER}:role/teams/rollouts": ALLOW_ALL}
    account._demand = lambda *_: None

    [warned] = probed(world, Severity.WARN)

    assert f"there is no {ROLE}: its session does not tell the role's path" in warned
    assert "whether it may write was not asked" in warned
    assert not refused(world)


def test_a_role_that_could_not_be_asked_about_is_not_called_missing(world, account):
    """Throttled is not "there is none"."""
    account.become(SESSION, source=ROLE)
    world.aws.fault, world.aws.fault_on = "rate-limited", frozenset({"SimulatePrincipalPolicy"})

    [warned] = probed(world, Severity.WARN)

    assert "iam:SimulatePrincipalPolicy: Throttling" in warned
    assert "there is no" not in warned


@pytest.mark.parametrize(
    "arn", [f"arn:aws:iam::{NUMBER}:root", f"arn:aws:sts::{NUMBER}:federated-user/ci"]
)
def test_who_has_no_policies_to_simulate_is_not_asked_about(world, account, arn):
    """IAM would refuse the question."""
    account.become(arn)

    told = probed(world)

    assert any("has no policies that IAM could simulate" in one for one in told)
    assert "SimulatePrincipalPolicy" not in account.asked
    assert not refused(world)


def test_where_nobody_may_simulate_one_line_says_so(world, account):
    """It is no reason to refuse, nor to warn at every plan."""
    account.may({"Effect": "Allow", "Action": "appconfig:*", "Resource": "*"})

    told = probed(world, Severity.OK)

    assert (
        "whether it may write was not asked (iam:SimulatePrincipalPolicy is not allowed);"
        " plan has tried what it reads"
    ) in told
    assert account.asked.count("SimulatePrincipalPolicy") == 1
    assert not refused(world)
    assert not probed(world, Severity.WARN)


@pytest.mark.parametrize(
    "fault", ["rate-limited", "server-error", "forbidden", "invalid", "timeout"]
)
@pytest.mark.parametrize("operation", ["GetCallerIdentity", "SimulatePrincipalPolicy"])
def test_a_service_around_that_fails_is_told_asked_once_and_stops_nothing(world, operation, fault):
    """Throttled, broken, forbidden, confused or silent."""
    world.aws.fault, world.aws.fault_on = fault, frozenset({operation})

    told = probed(world)

    assert account_of(world.aws).asked.count(operation) == 1
    assert any("whether it may write" in one and "tried what it reads" in one for one in told)
    assert not any("simulated by IAM" in one for one in told)
    assert any(one.startswith("AppConfig: prod / flags") for one in told)
    assert not refused(world)
    if operation == "GetCallerIdentity":
        assert "SimulatePrincipalPolicy" not in account_of(world.aws).asked
        assert not any("acts as" in one for one in told)


def test_a_throttled_sts_is_called_that(world):
    """What AWS says of it, and how to ask by hand."""
    world.aws.fault, world.aws.fault_on = "rate-limited", frozenset({"GetCallerIdentity"})

    found = world.provider.probe(world.target)

    [warned] = [one for one in found if one.severity is Severity.WARN]
    assert warned.message.startswith("who acts was not told")
    assert "sts:GetCallerIdentity: Throttling" in warned.message
    assert warned.hint.endswith("aws sts get-caller-identity")


def test_an_sts_that_never_answers_does_not_hold_up_the_plan(world, account, monkeypatch):
    """A closed network may have AppConfig's endpoint and no other."""
    monkeypatch.setattr(account_calls, "CALL_S", 1.0)
    ended, answer = threading.Event(), account.GetCallerIdentity
    account.GetCallerIdentity = lambda where: (ended.wait(10), answer(where))[1]
    began_s = monotonic_s()

    warned = probed(world, Severity.WARN)

    took_s = monotonic_s() - began_s
    ended.set()
    assert "sts:GetCallerIdentity" in warned[0]
    assert took_s < 5


def test_when_the_time_is_used_up_nothing_more_is_asked(world, account):
    """All of the calls have one limit together."""
    calls = account_calls.Account(world.target.spec, limit_s=0)

    with pytest.raises(Unavailable, match="no time was left"):
        calls.read("sts:GetCallerIdentity")

    assert not account.asked


def test_of_a_target_that_is_not_there_it_is_told_who_looked(world, account):
    """It may be the wrong account; what it may do to nothing is not asked."""
    world.target = with_spec(world.target, environment="zzzzzzz")

    told = probed(world)

    assert f"acts as arn:aws:iam::{NUMBER}:user/ci in account {NUMBER}" in told
    assert len(refused(world)) == 1
    assert "SimulatePrincipalPolicy" not in account.asked


def test_what_sts_says_that_is_no_caller_is_not_taken_for_one(world, account):
    """Something in between answered."""
    account.arn = "arn:aws:s3:::a-bucket:x"

    assert "is no ARN of a caller" in probed(world, Severity.WARN)[0]


def test_nothing_is_written_and_no_secret_is_told(world):
    """Whatever is found out about permissions, none is used."""
    before = world.content()

    told = repr(world.provider.probe(world.target))

    assert SECRET not in told
    assert world.content() == before
    writes = ("Create", "Start", "Stop", "Update", "Delete")
    assert not [name for name, _ in world.aws.calls if name.startswith(writes)]


def test_a_kill_asks_nobody_who_acts(world, account):
    """It must go through where only AppConfig is reachable."""
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, split(2_500), key="k", expect=before.version, timeout_s=5)
    world.provider.kill(world.target, timeout_s=5)

    assert account.asked == []
