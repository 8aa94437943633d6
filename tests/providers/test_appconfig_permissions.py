"""What the caller may do on AppConfig: the real boto3 against a fake IAM with policies."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from providers.appconfig_callers import arns_of, deny, probed, refused, simulated
from providers.appconfig_whole_worlds import LINEAR, WholeWorld
from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld, with_spec
from rolloutctl.core.observation import Severity
from rolloutctl.providers.appconfig.permissions import ACTIONS
from rolloutctl.providers.appconfig.strategy import ONCE
from servers.fake_iam import ALLOW_ALL, NUMBER, account_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/providers/appconfig.md"
PROVIDER = ROOT / "src/rolloutctl/providers/appconfig"
NEEDED = [
    "GetEnvironment",
    "ListDeployments",
    "GetConfigurationProfile",
    "GetHostedConfigurationVersion",
    "ListHostedConfigurationVersions",
    "CreateHostedConfigurationVersion",
    "ListDeploymentStrategies",
    "CreateDeploymentStrategy",
    "GetDeployment",
    "StopDeployment",
    "StartDeployment",
]


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
def whole():
    world = WholeWorld("linear 20% over 30m, bake 10m")
    yield world
    world.close()


@pytest.fixture
def account(world):
    return account_of(world.aws)


def test_who_may_do_everything_is_told_so_in_one_line(world):
    """Eleven actions of every step, and two to look at what applications get."""
    told = [one for one in probed(world, Severity.OK) if "simulated by IAM" in one]

    assert told == ["may do all that it needs: 13 actions, simulated by IAM"]


def test_the_documented_policy_is_what_is_asked_about():
    """Nobody who copied it is refused, and nothing in it goes unasked."""
    text = re.search(r"## Credentials.*?```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    driving, looking = json.loads(text)["Statement"]

    assert set(driving["Action"]) == {
        f"appconfig:{name}" for names in ACTIONS.values() for name in names
    }
    assert set(looking["Action"]) == {"iam:SimulatePrincipalPolicy", "cloudwatch:DescribeAlarms"}


def test_every_call_of_the_provider_is_in_the_policy():
    """A call that somebody adds is one that the policy has to allow."""
    calls = [
        node
        for path in PROVIDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"read", "write", "data"}
    ]
    texts = [one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)]
    operations = {"".join(map(str.title, text.split("_"))) for text in texts if ":" not in text}

    assert operations == {name for names in ACTIONS.values() for name in names}


@pytest.mark.parametrize("action", NEEDED)
def test_each_action_that_is_denied_is_refused_by_name(world, account, action):
    """And the way out is the policy of the page."""
    account.may(*ALLOW_ALL, deny(f"appconfig:{action}"))

    found = [one for one in world.provider.probe(world.target) if one.severity is Severity.REFUSE]

    assert [one.message for one in found] == [
        f"user/ci may not appconfig:{action}: a policy denies it"
    ]
    assert "docs/providers/appconfig.md" in found[0].hint


def test_what_no_policy_allows_is_refused_too(world, account):
    """Somebody with a role that only reads."""
    reads = ["appconfig:Get*", "appconfig:List*", "iam:Simulate*"]
    account.may({"Effect": "Allow", "Action": reads, "Resource": "*"})

    assert refused(world) == [
        f"user/ci may not appconfig:{action}: no policy allows it"
        for action in (
            "CreateHostedConfigurationVersion",
            "CreateDeploymentStrategy",
            "StopDeployment",
            "StartDeployment",
        )
    ]
    assert not any("simulated by IAM" in one for one in probed(world))


@pytest.mark.parametrize("action", ["StartConfigurationSession", "GetLatestConfiguration"])
def test_a_look_at_what_applications_get_that_is_denied_is_a_warning(world, account, action):
    """A rollout goes on without it."""
    account.may(*ALLOW_ALL, deny(f"appconfig:{action}"))

    [warned] = probed(world, Severity.WARN)

    assert f"may not appconfig:{action}" in warned
    assert not refused(world)


def test_each_action_is_asked_about_with_the_target_s_own_arns(world):
    """By AWS's table of the resources that each action needs."""
    arns = arns_of(world)
    place = {arns["application"], arns["environment"]}
    document = {arns["application"], arns["profile"]}

    world.provider.probe(world.target)

    assert simulated(world) == {
        "GetEnvironment": place,
        "ListDeployments": place,
        "GetConfigurationProfile": document,
        "GetHostedConfigurationVersion": document,
        "ListHostedConfigurationVersions": document,
        "CreateHostedConfigurationVersion": document,
        "ListDeploymentStrategies": set(),
        "CreateDeploymentStrategy": set(),
        "GetDeployment": {*place, arns["deployment"]},
        "StopDeployment": {*place, arns["deployment"]},
        "StartDeployment": {*place, *document},
        "StartConfigurationSession": {arns["configuration"]},
        "GetLatestConfiguration": {arns["configuration"]},
    }


@pytest.mark.parametrize("is_old", [False, True], ids=["one an action", "one a resource"])
@pytest.mark.parametrize("kind", ["application", "environment", "profile"])
def test_a_denial_on_one_resource_of_several_is_a_denial(world, account, kind, is_old):
    """However IAM puts the results of several resources."""
    account.is_old = is_old
    account.may(*ALLOW_ALL, deny("appconfig:StartDeployment", arns_of(world)[kind]))

    assert refused(world) == ["user/ci may not appconfig:StartDeployment: a policy denies it"]


def test_the_strategy_that_is_there_is_asked_about_and_not_whether_one_may_be_made(world, account):
    """Where an administrator made it, nobody else has to be allowed to."""
    made = world.aws.CreateDeploymentStrategy(ONCE.name, 0, 100)["Id"]
    arn = f"arn:aws:appconfig:eu-west-1:{NUMBER}:deploymentstrategy/{made}"
    account.may(*ALLOW_ALL, deny("appconfig:CreateDeploymentStrategy"))

    assert not refused(world)
    assert arn in simulated(world)["StartDeployment"]

    account.may(*ALLOW_ALL, deny("appconfig:StartDeployment", arn))
    assert refused(world) == ["user/ci may not appconfig:StartDeployment: a policy denies it"]


def test_a_strategy_of_our_name_that_does_something_else_does_not_count(world, account):
    """Another one would have to be made."""
    world.aws.CreateDeploymentStrategy(ONCE.name, 10, 100)
    account.may(*ALLOW_ALL, deny("appconfig:CreateDeploymentStrategy"))

    assert "CreateDeploymentStrategy" in refused(world)[0]


def test_a_curve_of_its_own_has_to_be_made_too(whole):
    """The way back's strategy is there, the growth's is not."""
    whole.aws.CreateDeploymentStrategy(ONCE.name, 0, 100)
    account_of(whole.aws).may(*ALLOW_ALL, deny("appconfig:CreateDeploymentStrategy"))

    assert "CreateDeploymentStrategy" in refused(whole)[0]


def test_a_strategy_of_aws_s_own_is_not_asked_about(whole):
    """How its ARN is written no page of AWS says; only the way back's is known."""
    made = whole.aws.CreateDeploymentStrategy(ONCE.name, 0, 100)["Id"]
    whole.target = with_spec(whole.target, strategy=LINEAR)

    whole.provider.probe(whole.target)

    asked = {arn.rpartition("/")[2] for arn in simulated(whole)["StartDeployment"]}
    assert asked == {*whole.ids, made}
    assert "CreateDeploymentStrategy" not in simulated(whole)


def test_validation_is_asked_about_where_the_profile_has_validators(whole):
    """Only whole versions are validated, and only there."""
    whole.provider.probe(whole.target)
    assert "ValidateConfiguration" not in simulated(whole)

    app, _, profile = whole.ids
    schema = {"Type": "JSON_SCHEMA", "Content": "{}"}
    whole.aws.profiles[app, profile]["Validators"] = [schema]
    whole.aws.ValidateConfiguration = lambda **_: {}
    whole.provider.probe(whole.target)

    assert simulated(whole)["ValidateConfiguration"] == {
        arns_of(whole)["application"],
        arns_of(whole)["profile"],
    }


def test_whole_versions_store_nothing_so_nobody_has_to_be_allowed_to(whole):
    """Their arms are versions that are there."""
    account_of(whole.aws).may(
        *ALLOW_ALL,
        deny("appconfig:CreateHostedConfigurationVersion"),
        deny("appconfig:ListHostedConfigurationVersions"),
    )

    assert not refused(whole)


@pytest.mark.parametrize("is_old", [False, True], ids=["one an action", "one a resource"])
def test_a_condition_that_nobody_can_state_is_a_warning_with_its_key(world, account, is_old):
    """Whether the tag is right only AWS knows, at the write."""
    account.is_old = is_old
    tagged = {"StringEquals": {"aws:ResourceTag/stage": "prod"}}
    writes = {"Effect": "Allow", "Action": "appconfig:StartDeployment", "Resource": "*"}
    rest = ["*:Get*", "*:List*", "*:Create*", "*:Stop*", "*Session", "iam:*"]
    others = {"Effect": "Allow", "Action": rest, "Resource": "*"}
    account.may(others, writes | {"Condition": tagged})

    [warned] = probed(world, Severity.WARN)

    assert "may not appconfig:StartDeployment, unless" in warned
    assert "aws:ResourceTag/stage" in warned
    assert not refused(world)


def test_a_guard_of_regions_lets_the_target_s_own_region_through(world, account):
    """What is denied in every other region is not denied here."""
    account.may(
        *ALLOW_ALL, deny("appconfig:*", StringNotEquals={"aws:RequestedRegion": "eu-west-1"})
    )
    assert not refused(world)

    account.may(
        *ALLOW_ALL, deny("appconfig:*", StringNotEquals={"aws:RequestedRegion": "eu-north-1"})
    )
    assert len(refused(world)) == len(NEEDED)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("boundary", "its permissions boundary does not allow it"),
        ("organization", "a policy of the organization does not allow it"),
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_who_keeps_it_from_acting_is_named(world, account, policy, said, is_old):
    """The page's policy would not help there."""
    account.is_old = is_old
    setattr(account, policy, (*ALLOW_ALL, deny("appconfig:StopDeployment")))

    assert refused(world) == [f"user/ci may not appconfig:StopDeployment: {said}"]


def test_every_page_of_a_simulation_is_read(world, account):
    """IAM may answer with fewer results than were asked for."""
    account.page_size = 1
    account.may(*ALLOW_ALL, deny("appconfig:StopDeployment"))

    assert refused(world) == ["user/ci may not appconfig:StopDeployment: a policy denies it"]


def test_silence_about_an_action_is_no_permission(world, account):
    """Neither a refusal nor "may do all that it needs"."""
    account.SimulatePrincipalPolicy = lambda *_, **__: {
        "EvaluationResults": [],
        "IsTruncated": False,
    }

    told = probed(world)

    assert not any("simulated by IAM" in one for one in told)
    assert "nothing was answered about appconfig:GetEnvironment" in probed(world, Severity.WARN)[0]


def test_pages_without_end_are_given_up(world, account):
    """A limit for what an answer may be."""
    account.SimulatePrincipalPolicy = lambda *_, **__: {
        "EvaluationResults": [],
        "IsTruncated": True,
        "Marker": "1",
    }

    assert "more than 4 pages" in probed(world, Severity.WARN)[0]
    assert account.asked.count("SimulatePrincipalPolicy") == 4
