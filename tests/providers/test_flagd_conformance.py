"""The conformance suite over flag files of several shapes."""

from __future__ import annotations

import pytest

from providers.flagd_files import FILE, FlagdWorld
from rolloutctl.testing.conformance import ProviderConformance

COMPACT = (
    '{"flags":{"banner":{"state":"ENABLED","variants":{"on" : true,"off":false},'
    '"defaultVariant":"off"},"llm":{"targeting":{"fractional":[{"cat":[{"var":"$flagd.flagKey"},'
    '{"var":"user.id"}]},["claude",0],["gpt-4",100]]},"state":"ENABLED",'
    '"variants":{"gpt-4":1,"claude":2},"defaultVariant":"gpt-4"},"llm-shadow":{"state":"ENABLED",'
    '"variants":{"on":true,"off":false},"defaultVariant":"off","targeting":{}}}}'
)


class TestFlagdFile(ProviderConformance):
    provider_name = "flagd-file"

    @pytest.fixture(
        params=[
            FILE,
            COMPACT,
            FILE.replace("\n", "\r\n"),
            FILE.replace("\n", "").replace("  ", "\t"),
        ],
        ids=["pretty", "compact", "crlf", "one line"],
    )
    def world(self, request, tmp_path):
        return FlagdWorld(tmp_path, request.param)
