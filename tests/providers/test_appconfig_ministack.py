"""The provider `appconfig` on ministack, an emulator that nobody here wrote.

The fake of the other tests could share our misunderstandings; this one has its own.
"""

from __future__ import annotations

import pytest

from e2e.real_command import Place
from providers import appconfig_worlds
from providers.appconfig_ministack_worlds import MinistackFlags, MinistackPrompts, Service
from providers.appconfig_whole_worlds import PROMPTS
from providers.appconfig_worlds import CREDENTIALS, KINDS
from rolloutctl.clock import random_suffix
from rolloutctl.core.exposure import FULL_BP, ZERO, split
from rolloutctl.errors import Conflict, Rejected
from rolloutctl.providers.appconfig import adapter
from rolloutctl.providers.appconfig.reading import OURS
from rolloutctl.testing.conformance import ProviderConformance
from servers.ministack_server import running_ministack
from servers.prometheus import wait_until

pytestmark = pytest.mark.real

#: So long is a minute of a deployment.
MINUTE_S = 0.2
#: A strategy that is nowhere near its end in any test.
ENDLESS_MINUTES = 1_440
ENDLESS = f"linear 20% over {ENDLESS_MINUTES}m, bake 0m"
SHORT = "linear 50% over 2m, bake 1m"
CALL_S = 20
FULL = split(FULL_BP)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """One emulator for all; every world makes an application of its own."""
    with running_ministack(tmp_path_factory.mktemp("ministack"), minute_s=MINUTE_S) as found:
        yield found


@pytest.fixture
def make(url, monkeypatch):
    """Makes a world on it."""
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    # The worlds begin a fake of their own; here that is the emulator.
    monkeypatch.setattr(appconfig_worlds.fake_aws, "start", lambda: Service(url))
    made = []

    def begin(kind, *words):
        made.append(kind(*words))
        return made[-1]

    yield begin
    for world in made:
        world.close()


class TestFlags(ProviderConformance):
    """The whole suite, but for what a service must be told to do wrong."""

    provider_name = "appconfig"

    @pytest.fixture(params=list(KINDS))
    def world(self, request, make):
        return make(MinistackFlags, request.param)


class TestWholeVersions(ProviderConformance):
    """The same for whole versions, deployed at once."""

    provider_name = "appconfig"

    @pytest.fixture
    def world(self, make):
        return make(MinistackPrompts)


def apply(world, exposure):
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, exposure, key="k", expect=before.version, timeout_s=CALL_S)
    return before


def observe(world):
    return world.provider.observe(world.target)


def kill(world, provider=None):
    return (provider or world.provider).kill(world.target, timeout_s=CALL_S)


def restore(world, before):
    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=CALL_S)


def deploy_slowly(world, document, description):
    """A deployment that grows until the end of the test."""
    name = f"slow-{random_suffix()}"
    strategy = world.aws.CreateDeploymentStrategy(name, ENDLESS_MINUTES, 20)["Id"]
    world.deploy(document, strategy=strategy, description=description)


@pytest.fixture
def variants(make):
    return make(MinistackFlags, "variants")


def test_a_canary_in_steps_is_what_sessions_get(variants):
    """5, 25, 100 %: as the rule of the canary, before the control."""
    for percent in (5, 25, 100):
        apply(variants, split(percent * 100))

        canary, control = variants.session()["prompt"]["_variants"]
        assert canary["name"] == "claude"
        assert canary["rule"] == f"(split pct::{percent} by::$userId)"
        assert (control["name"], "rule" in control) == ("gpt-4", False)
        assert observe(variants).exposure == split(percent * 100)
    assert set(variants.stand().values()) == {"COMPLETE"}


def test_a_restore_deploys_the_very_version_that_was_there(variants):
    """And sessions get what they got."""
    served = variants.session()
    before = apply(variants, split(5_000))
    assert variants.session() != served

    restore(variants, before)

    assert variants.session() == served
    newest = variants.aws.deployments(*variants.ids[:2])[3]
    assert newest["ConfigurationVersion"] == "1"


def test_a_kill_stops_a_deployment_of_ours_that_grows(variants):
    """What a process that died left running."""
    apply(variants, split(2_500))
    deploy_slowly(variants, variants.served(), f"{OURS}canary 30%")
    assert variants.stand()[3] == "DEPLOYING"

    kill(variants)

    assert variants.stand() == {1: "COMPLETE", 2: "COMPLETE", 3: "ROLLED_BACK", 4: "COMPLETE"}
    assert variants.session()["prompt"]["_variants"][0]["rule"] == "(split pct::0 by::$userId)"
    assert observe(variants).exposure == ZERO


def test_a_strangers_deployment_is_named_and_stopped_only_where_that_was_said(variants):
    """Refused first; then with the word for it the control serves everybody."""
    apply(variants, split(2_500))
    deploy_slowly(variants, variants.served(), "weekly sync")

    with pytest.raises((Conflict, Rejected)) as caught:
        kill(variants)

    assert "deployment 3 of flags is DEPLOYING (weekly sync)" in caught.value.message
    assert "--stop-foreign" in caught.value.hint
    assert variants.stand()[3] == "DEPLOYING"

    receipt = kill(variants, variants.provider.stopping_foreign())

    assert "weekly sync" in receipt.changed
    assert variants.stand()[3] == "ROLLED_BACK"
    assert observe(variants).exposure == ZERO


def test_of_two_writers_that_read_the_same_the_second_is_refused(variants, monkeypatch):
    """By the service's own lock: ours saw nothing, the other came between look and write."""
    find = adapter.strategy_id

    def raced(api):
        monkeypatch.setattr(adapter, "strategy_id", find)
        variants.edit_outside()
        return find(api)

    monkeypatch.setattr(adapter, "strategy_id", raced)

    with pytest.raises(Conflict, match="LatestDeploymentNumber 1 does not match"):
        apply(variants, split(5_000))

    assert observe(variants).exposure == split(3_000)


class Alarm:
    """A new one that the environment watches; it has no data until it rings."""

    def __init__(self, world):
        self._service, self._name = world.aws.client("cloudwatch"), f"checkout-{random_suffix()}"
        self._service.put_metric_alarm(
            AlarmName=self._name,
            Namespace="shop",
            MetricName="errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        [made] = self._service.describe_alarms(AlarmNames=[self._name])["MetricAlarms"]
        self.arn = made["AlarmArn"]
        world.aws.watch(*world.ids[:2], self.arn)

    def ring(self):
        """From now on it is in ALARM."""
        self._service.set_alarm_state(
            AlarmName=self._name, StateValue="ALARM", StateReason="a test"
        )


def test_a_write_that_an_alarm_undoes_is_refused_and_names_it(variants):
    """The kill too: its deployment is taken back as any other."""
    apply(variants, split(2_500))
    alarm = Alarm(variants)
    alarm.ring()

    with pytest.raises(Rejected, match="CLOUDWATCH_ALARM") as caught:
        apply(variants, split(5_000))
    with pytest.raises(Rejected, match="CLOUDWATCH_ALARM"):
        kill(variants)

    assert alarm.arn in caught.value.message
    assert variants.stand() == {1: "COMPLETE", 2: "COMPLETE", 3: "ROLLED_BACK", 4: "ROLLED_BACK"}
    assert observe(variants).exposure == split(2_500)


def test_a_flags_rules_are_evaluated_over_units(variants):
    """The document is what the emulator's data plane serves."""
    apply(variants, split(2_500))

    found = variants.provider.sample(variants.target, 10_000, timeout_s=CALL_S)

    assert abs(dict(found.arms)["canary"] - 2_500) < 260


def test_a_version_grows_until_everybody_has_it(make):
    """Followed while it grows; then complete."""
    world = make(MinistackPrompts, SHORT)
    apply(world, FULL)
    assert observe(world).exposure == FULL

    wait_until(lambda: world.stand()[2] == "COMPLETE", what="the growth ends")

    assert world.prompts() == {PROMPTS["2"]["version"]}
    assert observe(world).exposure == FULL
    assert not observe(world).detail


@pytest.mark.parametrize("way", ["restore", "kill"])
def test_a_growth_is_stopped_and_every_session_has_the_control(make, way):
    """Before, some sessions had the canary."""
    world = make(MinistackPrompts, "linear 50% over 60m, bake 60m")
    both = {PROMPTS["1"]["version"], PROMPTS["2"]["version"]}
    before = apply(world, FULL)
    wait_until(lambda: world.prompts() == both, what="some have it, some not")

    restore(world, before) if way == "restore" else kill(world)

    assert world.prompts() == {PROMPTS["1"]["version"]}
    assert observe(world).exposure == ZERO
    stopped = {1: "COMPLETE", 2: "ROLLED_BACK"}
    assert world.stand() == (stopped if way == "restore" else {**stopped, 3: "COMPLETE"})


def test_a_growth_that_an_alarm_took_back_is_told_as_that(make):
    """Zero, and the alarm's name."""
    world = make(MinistackPrompts, ENDLESS)
    alarm = Alarm(world)
    apply(world, FULL)
    assert observe(world).exposure == FULL

    alarm.ring()

    wait_until(lambda: world.stand()[2] == "ROLLED_BACK", what="it is rolled back")
    seen = observe(world)
    assert seen.exposure == ZERO
    assert "AppConfig took deployment 2 back (ROLLED_BACK), by CLOUDWATCH_ALARM" in seen.detail
    assert alarm.arn in seen.detail


def test_sessions_are_counted_by_the_version_that_they_get(make):
    """Of a quarter about a quarter; of a complete growth all."""
    world = make(MinistackPrompts, "linear 25% over 100m, bake 0m")
    apply(world, FULL)
    wait_until(lambda: "25%" in observe(world).detail, what="a quarter has it")

    found = world.provider.sample(world.target, 100, timeout_s=CALL_S)

    assert found.growing == split(2_500)
    assert 5 <= dict(found.arms)["canary"] <= 60
    assert sum(dict(found.arms).values()) == 100
    kill(world)
    found = world.provider.sample(world.target, 20, timeout_s=CALL_S)
    assert dict(found.arms) == {"control": 20, "canary": 0}


def test_the_kill_command_finds_the_flag_by_its_address(variants, url, tmp_path):
    """The whole process, with boto3's own way to name another endpoint."""
    apply(variants, split(2_500))
    address = variants.provider.address(variants.target)

    killed = Place(tmp_path, **CREDENTIALS, AWS_ENDPOINT_URL=url).run(
        "kill", address, "--to", "gpt-4"
    )

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert observe(variants).exposure == ZERO
