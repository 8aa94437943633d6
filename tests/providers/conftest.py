"""What the tests of providers share."""

from __future__ import annotations

import pytest

from providers import launchdarkly_worlds
from providers.unleash_worlds import SECRETS, Server, UnleashWorld
from rolloutctl.providers.launchdarkly import budget
from servers.fake_launchdarkly import FakeLaunchDarkly
from servers.fake_unleash import FakeUnleash
from servers.launchdarkly_server import LaunchDarklyServer
from servers.unleash_proxy import UnleashProxy
from servers.unleash_server import running_unleash


@pytest.fixture(scope="session")
def unleash_url():
    """The address of a running Unleash, the same for all workers."""
    with running_unleash() as url:
        yield url


@pytest.fixture
def fake():
    """An Unleash in memory."""
    return FakeUnleash()


@pytest.fixture
def make(fake, monkeypatch):
    """Makes worlds of the given kind on that Unleash."""
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with UnleashProxy(fake) as proxy:
        yield lambda kind: UnleashWorld(Server(proxy), kind)


@pytest.fixture
def launchdarkly(monkeypatch):
    """Makes worlds of the given kind on a LaunchDarkly in memory."""
    for name, secret in launchdarkly_worlds.SECRETS.items():
        monkeypatch.setenv(name, secret)
    with LaunchDarklyServer(FakeLaunchDarkly()) as server:
        yield lambda kind: launchdarkly_worlds.LaunchDarklyWorld(server, kind)
    # A later test may get the same port.
    budget._left.clear()
