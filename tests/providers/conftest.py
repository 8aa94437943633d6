"""What the tests of providers share."""

from __future__ import annotations

import pytest

from servers.unleash_server import running_unleash


@pytest.fixture(scope="session")
def unleash_url():
    """The address of a running Unleash, the same for all workers."""
    with running_unleash() as url:
        yield url
