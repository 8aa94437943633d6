"""The conformance suite over flags of a fake LaunchDarkly, sampled by the real SDK."""

from __future__ import annotations

import pytest

from providers.launchdarkly_worlds import KINDS, SECRETS, LaunchDarklyWorld
from rolloutctl.testing.conformance import ProviderConformance
from servers.fake_launchdarkly import FakeLaunchDarkly
from servers.launchdarkly_server import LaunchDarklyServer


class TestLaunchDarkly(ProviderConformance):
    provider_name = "launchdarkly"

    @pytest.fixture(params=list(KINDS))
    def world(self, request, monkeypatch):
        for name, secret in SECRETS.items():
            monkeypatch.setenv(name, secret)
        with LaunchDarklyServer(FakeLaunchDarkly()) as server:
            yield LaunchDarklyWorld(server, request.param)
