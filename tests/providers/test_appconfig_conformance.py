"""The conformance suite over flags of a fake AppConfig."""

from __future__ import annotations

import pytest

from providers.appconfig_worlds import CREDENTIALS, KINDS, AppConfigWorld
from rolloutctl.testing.conformance import ProviderConformance


class TestAppConfig(ProviderConformance):
    provider_name = "appconfig"

    @pytest.fixture(params=list(KINDS))
    def world(self, request, monkeypatch):
        for name, text in CREDENTIALS.items():
            monkeypatch.setenv(name, text)
        world = AppConfigWorld(request.param)
        yield world
        world.close()
