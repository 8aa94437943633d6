"""The stand-in and the adapter against LaunchDarkly's published description of its API.

The description is LaunchDarkly's, so it is not kept here. To run this, fetch
https://app.launchdarkly.com/api/v2/openapi.json and name the file in
ROLLOUTCTL_LAUNCHDARKLY_OPENAPI.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from providers.launchdarkly_worlds import KINDS, SECRETS, LaunchDarklyWorld
from rolloutctl.core.exposure import Condition, split
from rolloutctl.providers.launchdarkly import budget
from servers.fake_launchdarkly import FakeLaunchDarkly
from servers.launchdarkly_server import LaunchDarklyServer

pytestmark = pytest.mark.real

VARIABLE = "ROLLOUTCTL_LAUNCHDARKLY_OPENAPI"
FLAG_PATH = "/api/v2/flags/{projectKey}/{featureFlagKey}"
#: In beta, and not in the description.
UNDESCRIBED = re.compile(r"/releases$")
#: Said by no section of the description; the page of the provider says so too.
EXTRA = {("addRule", "trackEvents"), ("addRule", "description")}
COHORT = (Condition(attribute="beta", values=(True,)),)
EXPOSURES = (split(500, shadow_bp=100), split(2_500, include=COHORT), split(500, audience=COHORT))


@pytest.fixture(scope="module")
def description():
    """The published description; skipped without it."""
    path = os.environ.get(VARIABLE)
    if not path:
        pytest.skip(f"{VARIABLE} names no file")
    return json.loads(Path(path).read_text("utf-8"))


class CheckingServer(LaunchDarklyServer):
    """Holds every request and every answer against the description."""

    def __init__(self, fake, description):
        super().__init__(fake)
        self._description = description
        self.faults, self.checked = [], set()

    def _answer_one(self, seen):
        answer = super()._answer_one(seen)
        path = urlsplit(seen.path).path
        if path.startswith("/api/v2") and not UNDESCRIBED.search(path):
            self._check(seen, path, answer)
        return answer

    def _check(self, seen, path, answer):
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - here only

        template = next((t for t in self._description["paths"] if _matches(t, path)), None)
        operation = self._description["paths"].get(template, {}).get(seen.method.lower())
        if operation is None:
            self.faults.append(f"{seen.method} {path} is not described")
            return
        known = {each.get("name") for each in operation.get("parameters", [])}
        for name in parse_qs(urlsplit(seen.path).query):
            if name not in known:
                self.faults.append(f"{template}: no parameter {name}")
        response = operation["responses"].get(str(answer.status))
        if response is None:
            self.faults.append(f"{template}: no status {answer.status}")
            return
        self.checked.add((seen.method, template, answer.status))
        content = response.get("content", {}).get("application/json", {})
        schema = {**content.get("schema", {}), "components": self._description["components"]}
        for error in Draft202012Validator(schema).iter_errors(json.loads(answer.content())):
            where = "/".join(map(str, error.absolute_path))
            self.faults.append(f"{template} {answer.status}: {where}: {error.message:.200}")


def _matches(template, path):
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_request_and_answer_of_a_rollout_is_as_described(description, kind, monkeypatch):
    """In both directions: what we ask, what the stand-in says, and each instruction."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    text = description["paths"][FLAG_PATH]["patch"]["description"]
    with CheckingServer(FakeLaunchDarkly(), description) as server:
        world = LaunchDarklyWorld(server, kind)
        _live_through(world)
        patches = [json.loads(each.body) for each in server.seen if each.method == "PATCH"]
    budget._left.clear()

    assert server.faults == []
    assert ("PATCH", FLAG_PATH, 200) in server.checked
    for instruction in (each for patch in patches for each in patch["instructions"]):
        kind_of = instruction.pop("kind")
        section = text.partition(f"#### {kind_of}\n")[2].partition("\n#### ")[0]
        for name in instruction:
            assert f"`{name}`" in section or (kind_of, name) in EXTRA, (kind_of, name)


def _live_through(world):
    provider, target = world.provider, world.target
    point = provider.observe(target)
    provider.probe(target)
    for exposure in EXPOSURES:
        provider.apply(target, exposure, key="k", expect=None, timeout_s=5)
    world.edit_outside()
    provider.observe(target)
    provider.restore(target, point.snapshot, key="k", expect=None, timeout_s=5)
    for state in world.states:
        world.enter(state)
        provider.kill(target, timeout_s=5)
        provider.observe(target)
