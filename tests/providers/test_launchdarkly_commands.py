"""The real command on a LaunchDarkly flag: as somebody types it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from providers.launchdarkly_worlds import ENVIRONMENT, SECRETS, SHADOW, LaunchDarklyWorld
from rolloutctl.core.exposure import split
from rolloutctl.providers.launchdarkly import LaunchDarkly, budget
from servers.fake_launchdarkly import API_TOKEN, SDK_KEYS, FakeLaunchDarkly
from servers.launchdarkly_server import LaunchDarklyServer
from servers.scripted import Answer

pytestmark = pytest.mark.real

PROGRAM = "import sys; from rolloutctl.cli.main import main; sys.exit(main())"


@pytest.fixture
def world(monkeypatch):
    """Three models, a quarter of all on the canary."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with LaunchDarklyServer(FakeLaunchDarkly()) as server:
        made = LaunchDarklyWorld(server, "models")
        wanted = split(2_500, shadow_bp=1_000)
        LaunchDarkly().apply(made.target, wanted, key="k", expect=None, timeout_s=5)
        yield made
    budget._left.clear()


@pytest.fixture
def command(world, tmp_path):
    """Runs rolloutctl on the world's address, without a journal."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "ROLLOUTCTL_STORE": str(tmp_path / "none.db"),
        "LAUNCHDARKLY_API_TOKEN": API_TOKEN,
        "LAUNCHDARKLY_SDK_KEY": SDK_KEYS[ENVIRONMENT],
    }
    address = world.provider.address(world.target)

    def run(verb, *words):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, verb, address, *words, "--shadow", SHADOW],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=60,
        )

    return run


def test_the_command_verifies_and_kills_by_address(world, command):
    """At 3 a.m., without playbook and journal; nothing secret is printed."""
    verified = command("verify", "--control", "gpt-4", "--canary", "claude")
    killed = command("kill", "--to", "gpt-4")

    assert verified.returncode == 0, verified.stderr
    assert "applications must send: user.key" in verified.stdout
    assert killed.returncode == 0, killed.stderr
    assert "updateFallthroughVariationOrRollout gpt-4" in killed.stdout
    assert world.provider.observe(world.target).exposure == split(0)
    said = verified.stdout + verified.stderr + killed.stdout + killed.stderr
    assert "planted" not in said


def test_a_kill_that_waits_for_an_approval_ends_with_20_and_says_where(world, command):
    """Nobody may take it for done."""
    world.fake.environments[ENVIRONMENT]["approvalSettings"] = {"required": True}

    killed = command("kill", "--to", "gpt-4")

    said = killed.stdout + killed.stderr
    assert killed.returncode == 20, said
    assert "/projects/default/flags/llm-model" in "".join(said.split())


def test_a_kill_goes_through_a_storm_of_429s(world, command):
    """Tried again when the service says so, until it is confirmed."""
    storm = iter(range(5))

    def busy(seen):
        if next(storm, None) is not None:
            body = '{"code": "rate_limited", "message": "slow down"}'
            return Answer(status=429, body=body, headers={"X-Ratelimit-Reset": "1"})
        return world.fake(seen)

    world.server.answers = [busy]

    killed = command("kill", "--to", "gpt-4")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    world.server.answers = [world.fake]
    assert world.provider.observe(world.target).exposure == split(0)
