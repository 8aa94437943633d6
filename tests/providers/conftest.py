"""What the tests of providers share."""

from __future__ import annotations

import pytest

from providers.unleash_worlds import SECRETS, Server, UnleashWorld
from servers.fake_unleash import FakeUnleash
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
