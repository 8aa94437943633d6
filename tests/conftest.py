"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

from e2e.real_command import end_all

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _nothing_left_running():
    """A test that fails in the middle leaves no driver behind."""
    yield
    end_all()
