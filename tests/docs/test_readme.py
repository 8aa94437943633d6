"""What the README shows works: its playbook, its commands."""

from __future__ import annotations

import os

import pytest

from docs.pages import ROOT, blocks
from rolloutctl.cli.commands import entries
from rolloutctl.playbook_file import lint
from rolloutctl.plugins import InstalledCatalog

README = ROOT / "README.md"


@pytest.mark.parametrize("block", blocks(README, "yaml"), ids=lambda block: block.title)
def test_its_playbook_lints_without_a_warning(block, tmp_path):
    """The first thing a reader copies is right."""
    path = tmp_path / "playbook.yaml"
    path.write_text(block.text, "utf-8")

    problems = lint(path, inputs={}, env=os.environ, catalog=InstalledCatalog())

    assert problems == ()


def test_its_playbook_has_ten_lines():
    """It is called a playbook in ten lines."""
    (block,) = blocks(README, "yaml")

    assert len(block.text.splitlines()) == 10


def test_every_command_has_its_line_in_the_table():
    """A command that nobody mentions is a command that nobody finds."""
    table = [line for line in README.read_text("utf-8").splitlines() if line.startswith("| `")]

    words = " ".join(table)

    assert [name for name in entries() if f"{name}" not in words] == []


def test_it_fits_a_page():
    """One page: what it is, the demo, a playbook, the commands, where to go next."""
    assert len(README.read_text("utf-8").splitlines()) <= 140
