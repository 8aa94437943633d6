"""`help`: pages that cannot drift from the tables that the program works by."""

from __future__ import annotations

import re

import pytest

from docs.pages import ROOT
from rolloutctl.cli.commands import entries
from rolloutctl.cli.topics import ENVIRONMENT, EXIT_CODES, TOPICS
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("columns", [80, 200])
def test_every_topic_fits_the_terminal(rolloutctl, monkeypatch, topic, columns):
    """No line is wider."""
    monkeypatch.setenv("COLUMNS", str(columns))

    said = rolloutctl("help", topic)

    assert said.exit_code == 0
    lines = said.out.splitlines()
    assert max(len(line) for line in lines) <= columns


def test_the_playbook_of_the_language_lints(rolloutctl, folder):
    """Its first page is copied."""
    page = rolloutctl("help", "language").out
    text = page[page.index("apiVersion") : page.index("\n\nrolloutctl init")]
    (folder / "first.yaml").write_text(text)

    assert rolloutctl("lint", "first.yaml").exit_code == 0


def test_without_a_topic_they_are_listed(rolloutctl):
    """With what each is about."""
    said = rolloutctl("help")

    assert all(f"  {name}" in said.out for name in TOPICS)


@pytest.mark.parametrize("group", ["gates", "steps", "providers", "sources", "notifiers"])
def test_every_kind_has_its_place(rolloutctl, group):
    """As the catalogue has it."""
    said = rolloutctl("help", group)

    assert [name for name in InstalledCatalog().names(group) if f"{name}: " not in said.out] == []
    assert "see the module" not in said.out


def test_every_exit_code_is_explained():
    """And only those that exist."""
    assert set(EXIT_CODES) == set(ExitCode)


def test_every_variable_that_is_read_is_listed():
    """Those of rolloutctl itself."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))

    read = set(re.findall(r'"(ROLLOUTCTL_[A-Z]+)"', source)) - {"ROLLOUTCTL_KEY"}
    assert read <= set(ENVIRONMENT)


def test_a_command_is_explained_by_its_own_help(rolloutctl):
    """The same words."""
    assert rolloutctl("help", "start").out == rolloutctl("start", "--help").out


def test_a_word_that_is_neither_names_what_was_meant(rolloutctl):
    """Exit 3 with the way to the list."""
    said = rolloutctl("help", "exit-code")

    assert said.exit_code == 3
    assert "did you mean exit-codes?" in said.err
    assert "rolloutctl help lists the topics" in said.err


def test_every_command_has_an_example_in_its_help(rolloutctl):
    """Somebody who reads it can copy one."""
    missing = [
        name
        for name in entries()
        if "Example:" not in (page := rolloutctl(name, "--help").out) and "Commands:" not in page
    ]

    assert missing == []
