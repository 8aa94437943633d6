"""Flags of the fake AppConfig for the conformance suite: a switch, and two variants."""

from __future__ import annotations

import json
from dataclasses import replace

from rolloutctl.core.playbook import Arm, Target
from rolloutctl.providers.appconfig import AppConfig, TargetSpec
from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers import fake_aws
from servers.scripted import free_port

SECRET = "planted-aws-secret-access-key-0123456789"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED000000000",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
FLAGS = {
    "prompt": {"name": "Prompt", "attributes": {"model": {"constraints": {"type": "string"}}}},
    "other": {"name": "Other"},
}


def variant(name, rule=None):
    """A variant as the document holds it."""
    found = {"name": name, "enabled": True, "attributeValues": {"model": name}}
    return found if rule is None else {**found, "rule": rule}


def pct(share, key="userId"):
    """A rule that AppConfig takes."""
    return f"(split pct::{share} by::${key})"


#: kind -> (the flag's value at first, states)
KINDS = {
    "switch": (
        {"enabled": False, "model": "gpt-4"},
        {
            "on for everybody": {"enabled": True, "model": "gpt-4"},
            "a rule of somebody else": {
                "_variants": [
                    {**variant("on"), "rule": '(eq $tier "gold")'},
                    {"name": "off", "enabled": False},
                ]
            },
            "on by default": {"_variants": [variant("on")]},
        },
    ),
    "variants": (
        {"_variants": [variant("claude", pct(0)), variant("gpt-4")]},
        {
            "the canary is the default": {
                "_variants": [variant("gpt-4", pct(0)), variant("claude")]
            },
            "a third arm": {
                "_variants": [
                    variant("mini", pct(20)),
                    variant("claude", pct(40)),
                    variant("gpt-4"),
                ]
            },
            "a rule of somebody else": {
                "_variants": [variant("claude", '(eq $tier "gold")'), variant("gpt-4")]
            },
            "only the control": {"_variants": [variant("gpt-4")]},
        },
    ),
}


class AppConfigWorld:
    """One environment with one profile; the environment begins with one deployment."""

    secrets = (SECRET,)

    def __init__(self, kind):
        self.aws = fake_aws.start()
        self.kind = kind
        self.value, self._states = KINDS[kind]
        self.states = tuple(self._states)
        aws = self.aws
        app = aws.CreateApplication(Name="shop")["Id"]
        self.ids = (app, aws.CreateEnvironment(app, "prod")["Id"], self._profile(app, "flags"))
        self.deploy({"version": "1", "flags": FLAGS, "values": self._values(self.value)})
        self.provider = AppConfig()
        self.target = self._target = self._make_target(aws.url)

    def _profile(self, app, name):
        kind = "AWS.AppConfig.FeatureFlags"
        return self.aws.CreateConfigurationProfile(app, name, "hosted", Type=kind)["Id"]

    def _values(self, value, other=None):
        return {"prompt": value, "other": other or {"enabled": False}}

    def _make_target(self, url):
        app, environment, profile = self.ids
        control, canary = ("off", "on") if self.kind == "switch" else ("gpt-4", "claude")
        return Target(
            name="llm",
            provider="appconfig",
            spec=TargetSpec(
                application=app,
                environment=environment,
                profile=profile,
                flag="prompt",
                region="eu-west-1",
                endpoint=url,
            ),
            control=Arm(name="control", value=control),
            canary=Arm(name="canary", value=canary),
            unit="user",
        )

    def deploy(self, document, *, strategy=None, description="somebody"):
        """Stores and deploys, at once unless a strategy says otherwise."""
        app, environment, profile = self.ids
        with self.aws.lock:
            strategy = strategy or self.aws.CreateDeploymentStrategy("at-once", 0, 100)["Id"]
            content = json.dumps(document).encode()
            made = self.aws.CreateHostedConfigurationVersion(
                app, profile, content, "application/json"
            )
            number = str(made["VersionNumber"])
            self.aws.StartDeployment(
                app, environment, strategy, profile, number, Description=description
            )

    def served(self):
        """The document that a session of the data plane is served, undecoded by us."""
        app, environment, profile = self.ids
        with self.aws.lock:
            found = self.aws.served(app, environment, profile, "a-session")
            return json.loads(
                self.aws.versions[profile][int(found["ConfigurationVersion"]) - 1]["Content"]
            )

    def become(self, value=None, other=None):
        """Another value for our flag, or for its neighbour."""
        document = self.served()
        values = document["values"]
        self.deploy(
            {
                **document,
                "values": self._values(value or values["prompt"], other or values["other"]),
            }
        )

    def enter(self, state):
        self.become(self._states[state])

    def edit_outside(self):
        if self.kind == "switch":
            self.become({"enabled": True, "model": "o1"})
        else:
            self.become({"_variants": [variant("claude", pct(30)), variant("gpt-4")]})

    def edit_elsewhere(self):
        self.become(other={"enabled": True})

    def neighbour(self):
        return self.served()["values"]["other"]

    def content(self):
        return json.dumps(self.served()).encode()

    def break_next(self, operation, fault):
        if fault is ServiceFault.HALF_DONE:
            return False  # before StartDeployment nobody is served anything new
        if fault is ServiceFault.LOST_ANSWER and operation is Operation.OBSERVE:
            return False
        if fault is ServiceFault.UNREACHABLE:
            self.target = self._make_target(f"http://127.0.0.1:{free_port()}")
            return True
        self.aws.fault = fault.value
        is_read = operation is Operation.OBSERVE
        self.aws.fault_on = frozenset() if is_read else frozenset({"StartDeployment"})
        return True

    def mend(self):
        self.aws.fault = None
        self.target = self._target

    def advance(self, seconds):
        self.aws.moment += seconds

    def close(self):
        """Ends the server; what broke AWS's model fails the test here."""
        self.aws.close()
        assert not self.aws.violations


def with_spec(target, **fields):
    """The target with other keys of its own."""
    return replace(target, spec=replace(target.spec, **fields))
