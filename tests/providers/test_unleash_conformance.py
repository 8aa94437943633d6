"""The conformance suite over flags of a fake Unleash, and of a running one."""

from __future__ import annotations

import pytest

from providers.unleash_worlds import KINDS, SECRETS, Server, UnleashWorld
from rolloutctl.testing.conformance import ProviderConformance
from servers.fake_unleash import FakeUnleash
from servers.unleash_proxy import UnleashProxy


class TestUnleash(ProviderConformance):
    provider_name = "unleash"

    @pytest.fixture(params=list(KINDS))
    def world(self, request, monkeypatch):
        for name, secret in SECRETS.items():
            monkeypatch.setenv(name, secret)
        with UnleashProxy(FakeUnleash()) as proxy:
            yield UnleashWorld(Server(proxy), request.param)


@pytest.mark.real
class TestRunningUnleash(ProviderConformance):
    provider_name = "unleash"

    @pytest.fixture(params=list(KINDS))
    def world(self, request, monkeypatch, unleash_url):
        for name, secret in SECRETS.items():
            monkeypatch.setenv(name, secret)
        with UnleashProxy(unleash_url) as proxy:
            server = Server(proxy, unleash_url)
            yield UnleashWorld(server, request.param)
            server.close()

    def test_growth_serves_the_stated_share_of_real_units(self, world):
        """Each look waits for the server's own poll, so a start alone is not looked at again."""
        if world.kind == "fresh":
            pytest.skip("served like the kind `plain`")
        super().test_growth_serves_the_stated_share_of_real_units(world)
