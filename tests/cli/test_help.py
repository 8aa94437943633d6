"""`help`: pages that cannot drift from the tables that the program works by."""

from __future__ import annotations

import re
import shlex

import pytest

from docs.pages import ROOT
from rolloutctl.cli.commands import build_command, entries
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


def _examples():
    """(path, command, example) of every command, and of the commands in it."""
    for name, entry in entries().items():
        built = build_command(entry)
        inner = getattr(built, "commands", {})
        for path, command in [([name], built), *(([name, one], inner[one]) for one in inner)]:
            for line in re.findall(r"^ *Example: (.*)$", command.help or "", re.MULTILINE):
                yield path, command, line


@pytest.mark.parametrize(
    ("path", "command", "line"), list(_examples()), ids=lambda one: str(one)[:40]
)
def test_every_example_is_a_command_line_that_is_understood(path, command, line):
    """Its options exist, their values are taken, nothing is missing and nothing is too much."""
    words = shlex.split(line.partition(" > ")[0].removeprefix("source <(").removesuffix(")"))

    words = words[words.index("rolloutctl") + 1 :]

    assert words[0] == path[0] or path == ["abort"], "another word for rollback"
    context = command.make_context(path[-1], words[len(path) :], resilient_parsing=False)
    assert context.command is command
