"""The conformance suite over every strategy, on a fake cluster."""

from __future__ import annotations

import pytest

from providers.kubernetes_worlds import WORLDS
from rolloutctl.testing.conformance import ProviderConformance


class TestKubernetes(ProviderConformance):
    provider_name = "kubernetes"

    @pytest.fixture(params=list(WORLDS))
    def world(self, request, tmp_path):
        world = WORLDS[request.param](tmp_path)
        yield world
        world.close()
