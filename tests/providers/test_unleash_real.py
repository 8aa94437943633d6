"""The provider `unleash` against a running Unleash."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from servers.unleash_server import ADMIN_TOKEN

pytestmark = pytest.mark.real

PACKAGE = Path(__file__).parents[1] / "servers/unleash/package.json"


def test_the_running_server_is_the_pinned_one(unleash_url):
    """What is claimed of the provider is claimed of this version."""
    pinned = json.loads(PACKAGE.read_text("utf-8"))["dependencies"]["unleash-server"]

    told = httpx.get(
        f"{unleash_url}/api/admin/instance-admin/statistics", headers={"Authorization": ADMIN_TOKEN}
    ).json()

    assert told["versionOSS"] == pinned
