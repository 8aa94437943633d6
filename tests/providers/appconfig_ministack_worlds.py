"""The worlds of the fake AppConfig on a running ministack, by the real boto3."""

from __future__ import annotations

import json
from contextlib import nullcontext

import boto3
from botocore.config import Config

from providers.appconfig_whole_worlds import WholeWorld
from providers.appconfig_worlds import AppConfigWorld
from rolloutctl.testing.conformance_world import ServiceFault

REGION = "eu-west-1"
#: One call; it answers in milliseconds.
CALL_S = 10
#: A poll interval that AWS takes.
POLL_S = 15
#: Of a version at 20 % at least one session of so many has it, but once in 80,000 times.
SESSIONS = 50


class Service:
    """What the worlds ask of the fake, asked of the emulator."""

    #: The fake notes what breaks AWS's model; here nobody does.
    violations = ()
    #: The fake has a clock that is set; this one has the machine's.
    moment = 0.0

    def __init__(self, url):
        self.url = url
        self.lock = nullcontext()  # it has its own
        self.versions = {}
        self._control, self._data = self.client("appconfig"), self.client("appconfigdata")

    def client(self, service):
        """A client of another service of the same emulator."""
        limits = Config(
            connect_timeout=CALL_S, read_timeout=CALL_S, retries={"total_max_attempts": 1}
        )
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, config=limits)

    def close(self):
        """Ends the connections; the emulator goes on for the next test."""
        self._control.close()
        self._data.close()

    # -- as the fake's operations
    def CreateApplication(self, Name):  # noqa: N802, N803 - AWS's own names
        return self._control.create_application(Name=Name)

    def CreateEnvironment(self, app, name):  # noqa: N802 - same
        return self._control.create_environment(ApplicationId=app, Name=name)

    def CreateConfigurationProfile(self, app, name, uri, Type):  # noqa: N802, N803 - same
        return self._control.create_configuration_profile(
            ApplicationId=app, Name=name, LocationUri=uri, Type=Type
        )

    def CreateHostedConfigurationVersion(self, app, profile, content, kind):  # noqa: N802 - same
        made = self._control.create_hosted_configuration_version(
            ApplicationId=app, ConfigurationProfileId=profile, Content=content, ContentType=kind
        )
        self.versions.setdefault(profile, []).append(made["VersionNumber"])
        return made

    def CreateDeploymentStrategy(self, name, minutes, percent):  # noqa: N802 - same
        return self._control.create_deployment_strategy(
            Name=name,
            DeploymentDurationInMinutes=minutes,
            GrowthFactor=percent,
            FinalBakeTimeInMinutes=0,
            ReplicateTo="NONE",
        )

    def StartDeployment(  # noqa: N802 - same
        self, app, environment, strategy, profile, version, **named
    ):
        return self._control.start_deployment(
            ApplicationId=app,
            EnvironmentId=environment,
            DeploymentStrategyId=strategy,
            ConfigurationProfileId=profile,
            ConfigurationVersion=version,
            **named,
        )

    # -- what the tests look at, past our own code
    def deployments(self, app, environment):
        """Each deployment of the environment, by number."""
        place = {"ApplicationId": app, "EnvironmentId": environment}
        items = self._control.list_deployments(**place)["Items"]
        numbers = sorted(one["DeploymentNumber"] for one in items)
        return {
            number: self._control.get_deployment(**place, DeploymentNumber=number)
            for number in numbers
        }

    def watch(self, app, environment, alarm):
        """The environment's deployments are rolled back while the alarm is in ALARM."""
        self._control.update_environment(
            ApplicationId=app, EnvironmentId=environment, Monitors=[{"AlarmArn": alarm}]
        )

    def session(self, app, environment, profile):
        """The bytes that a new session of the data plane gets."""
        opened = self._data.start_configuration_session(
            ApplicationIdentifier=app,
            EnvironmentIdentifier=environment,
            ConfigurationProfileIdentifier=profile,
            RequiredMinimumPollIntervalInSeconds=POLL_S,
        )
        token = opened["InitialConfigurationToken"]
        return self._data.get_latest_configuration(ConfigurationToken=token)["Configuration"].read()

    def content(self, app, profile, number):
        """The bytes of a hosted version."""
        return self._control.get_hosted_configuration_version(
            ApplicationId=app, ConfigurationProfileId=profile, VersionNumber=int(number)
        )["Content"].read()

    def served(self, app, environment, profile, _session=""):
        """The newest deployment of the profile that everybody gets; None if there is none."""
        found = [
            one
            for one in self.deployments(app, environment).values()
            if one["ConfigurationProfileId"] == profile and one["State"] in {"COMPLETE", "BAKING"}
        ]
        return found[-1] if found else None


class _OnMinistack:
    """What differs from the fake: it cannot be told to fail, and holds the content itself."""

    def break_next(self, operation, fault):
        return fault is ServiceFault.UNREACHABLE and super().break_next(operation, fault)

    def mend(self):
        self.target = self._target

    def close(self):
        self.aws.close()

    def served(self):
        app, environment, profile = self.ids
        found = self.aws.served(app, environment, profile)
        return json.loads(self.aws.content(app, profile, found["ConfigurationVersion"]))

    def session(self):
        """What a new session of the data plane gets, read as JSON."""
        return json.loads(self.aws.session(*self.ids))

    def stand(self):
        """How each deployment stands, by number."""
        found = self.aws.deployments(*self.ids[:2])
        return {number: one["State"] for number, one in found.items()}


class MinistackFlags(_OnMinistack, AppConfigWorld):
    """One flag, a switch or variants."""


class MinistackPrompts(_OnMinistack, WholeWorld):
    """Version 1 is in force, 2 is the canary, 3 is nobody's."""

    def prompts(self, sessions=SESSIONS):
        """The versions of the prompts that new sessions get."""
        return {self.session()["version"] for _ in range(sessions)}
