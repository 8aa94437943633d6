"""Prompts as whole versions of a freeform profile, which the fake AppConfig grows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

from providers.appconfig_worlds import AppConfigWorld
from rolloutctl.core.playbook import Arm

LINEAR = "AppConfig.Linear20PercentEvery6Minutes"
PROMPTS = {
    "1": {"version": "2024-11", "text": "You are helpful."},
    "2": {"version": "2025-01", "text": "You are helpful, and brief."},
    "3": {"version": "draft", "text": "You are a pirate."},
}


class WholeWorld(AppConfigWorld):
    """Version 1 is in force, 2 is the canary, 3 is nobody's."""

    profile_type = "AWS.Freeform"
    contents: ClassVar = PROMPTS

    def __init__(self, strategy="at-once"):
        self.strategy = strategy
        super().__init__("switch")
        self.states = ("a third version", "the canary already")

    def _profile(self, app, name):
        kind = self.profile_type
        return self.aws.CreateConfigurationProfile(app, name, "hosted", Type=kind)["Id"]

    def _make_target(self, url):
        made = super()._make_target(url)
        spec = replace(made.spec, flag="", strategy=self.strategy)
        arms = {name: Arm(name=name, value=n) for name, n in (("control", "1"), ("canary", "2"))}
        return replace(made, spec=spec, **arms)

    def deploy(self, document, *, strategy=None, description="somebody"):
        """The first call is the environment's beginning: the control, and the others stored."""
        app, environment, profile = self.ids
        if not self.aws.versions.get(profile):
            for prompt in self.contents.values():
                content = json.dumps(prompt).encode()
                self.aws.CreateHostedConfigurationVersion(app, profile, content, "application/json")
            document = "1"
        with self.aws.lock:
            used = strategy or self.aws.CreateDeploymentStrategy("at-once", 0, 100)["Id"]
            self.aws.StartDeployment(
                app, environment, used, profile, document, Description=description
            )

    def enter(self, state):
        self.deploy("2" if state == "the canary already" else "3")

    def edit_outside(self):
        self.deploy("3")

    def edit_elsewhere(self):
        """Another profile of the same environment is deployed."""
        app, environment, profile = self.ids
        other = self._profile(app, "other")
        self.ids = (app, environment, other)
        self.deploy("1")
        self.ids = (app, environment, profile)
        self._other = other

    def neighbour(self):
        app, environment, _ = self.ids
        other = getattr(self, "_other", "")
        found = self.aws.served(app, environment, other, "a-session")
        return found["ConfigurationVersion"] if found else None

    def share(self, sessions=200):
        """Of how many sessions of the data plane the canary has, 0..1."""
        app, environment, profile = self.ids
        with self.aws.lock:
            got = [
                self.aws.served(app, environment, profile, f"session-{number}")
                for number in range(sessions)
            ]
        return sum(one["ConfigurationVersion"] == "2" for one in got) / sessions


def _flags(percent):
    rule = f"(split pct::{percent} by::$userId)"
    variants = [{"name": "new", "enabled": True, "rule": rule}, {"name": "old", "enabled": False}]
    return {
        "version": "1",
        "flags": {"prompt": {"name": "Prompt"}, "other": {"name": "Other"}},
        "values": {"prompt": {"_variants": variants}, "other": {"enabled": False, "model": "x"}},
    }


class FlagsWorld(WholeWorld):
    """Whole documents of feature flags; applications get only the values of them."""

    profile_type = "AWS.AppConfig.FeatureFlags"
    contents: ClassVar = {"1": _flags(0), "2": _flags(20), "3": _flags(50)}
