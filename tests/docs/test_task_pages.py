"""The pages that lead somebody through a task: what they say to type does what they say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docs.task_pages import Reader, typed_in
from e2e.real_command import COMMAND

pytestmark = pytest.mark.real
PAGES = ("docs/first-rollout.md", "docs/write-a-gate.md", "docs/on-call.md")


@pytest.fixture
def reader(tmp_path):
    """Somebody with the command on the path, and nothing else."""
    path = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
    reader = Reader(tmp_path, {"PATH": path, "HOME": str(tmp_path), "COLUMNS": "100"})
    yield reader
    reader.leave()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_typed_from_its_first_to_its_last_line(reader, page):
    """Every command, in its order, with the exit code that the page tells."""
    assert len(typed_in(page)) >= 5

    reader.follow(page)
