"""The documentation agrees with the code: commands, options, keys, defaults, exit codes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

import pytest

from docs.pages import ROOT, blocks, pages
from rolloutctl.cli.commands import build_command, entries
from rolloutctl.core.ports import Catalog
from rolloutctl.core.schema import build
from rolloutctl.errors import ExitCode
from rolloutctl.playbook_file import lint
from rolloutctl.plugins import InstalledCatalog

PLAYBOOK_PAGE = ROOT / "docs/playbook.md"
_SHELL = ("sh", "text", "yaml", "")
_SECTION = re.compile(r"^([A-Za-z_]+):", re.MULTILINE)
_DEFAULT = re.compile(r"\((\d[\w%]*|false|true)\)\.?$")
#: What fragments of a playbook are completed with.
BASE = {
    "apiVersion": "apiVersion: rolloutctl/v1\n",
    "kind": "kind: Playbook\n",
    "name": "name: base\n",
    "targets": (
        "targets:\n  llm: {provider: flagd-file, file: /etc/flags.json, flag: llm,"
        " control: {is: a, labels: {model: a}}, canary: {is: b, labels: {model: b}},"
        " shadow: {flag: shadow}}\n"
    ),
    "sources": (
        "sources:\n  prometheus: {url: 'http://127.0.0.1:9090'}\n"
        "  app: {kind: openmetrics, url: 'http://127.0.0.1/metrics'}\n"
    ),
    "defaults": "defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait}\n",
    "gates": "gates:\n  errors: {kind: threshold, source: prometheus, query: up, fail: '< 1'}\n",
    "steps": "steps:\n  - {canary: 5%}\n",
}
ENV = {"TEAM_WEBHOOK": "https://hooks.example/x"}


def _command_lines() -> Iterator[tuple[str, str]]:
    """(page, words after `rolloutctl`) of every command line that the pages show."""
    for page in pages():
        name = str(page.relative_to(ROOT))
        for block in blocks(page):
            if block.language in _SHELL:
                for line in block.text.replace("\\\n", " ").splitlines():
                    found = re.search(r"(?:^|\s|/)rolloutctl ([a-z-].*)", line)
                    if found and "echo " not in line:
                        yield name, found.group(1)
        for inline in re.findall(r"`rolloutctl ([^`]+)`", page.read_text("utf-8")):
            yield name, inline


def _options(name: str, rest: list[str]) -> set[str]:
    command = build_command(entries()[name])
    own = getattr(command, "commands", {})
    if own and rest:
        assert rest[0] in own, f"{name} {rest[0]}"
        command = own[rest[0]]
    return {"--help", "-h"} | {one for each in command.params for one in each.opts}


@pytest.mark.parametrize(("page", "words"), sorted(set(_command_lines())))
def test_every_command_shown_exists_with_its_options(page, words):
    """Nobody copies a command that is refused."""
    command, *rest = shlex.split(re.split(r"\s[|>]|\|\|", words)[0], comments=True)
    if command in {"COMMAND", "--version"}:
        return

    assert command in entries(), page
    shown = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert shown <= _options(command, rest), page


def _whole(fragment: str) -> str:
    """A playbook of a fragment: what it does not say comes from `BASE`."""
    starts = [match.start() for match in _SECTION.finditer(fragment)]
    ends = [*starts[1:], len(fragment)]
    own = {
        fragment[start:].partition(":")[0]: fragment[start:end]
        for start, end in zip(starts, ends, strict=True)
    }
    # The base's gate asks the base's source.
    missing = {"gates"} if "sources" in own and "gates" not in own else set()
    return "".join(text for name, text in {**BASE, **own}.items() if name not in missing)


def _playbooks():
    for page in pages():
        if page.name in {"ci.md", "plugins.md"}:
            continue  # CI's own files; a playbook of plug-ins that are not installed here
        yield from (one for one in blocks(page, "yaml") if not one.text.startswith("groups:"))


def _rules() -> str:
    """The rule file that the page of gates shows: its playbooks name it."""
    shown = blocks(ROOT / "docs/gates.md", "yaml")
    return next(one.text for one in shown if one.text.startswith("groups:"))


@pytest.mark.parametrize("block", list(_playbooks()), ids=lambda block: block.title)
def test_every_playbook_shown_lints(block, tmp_path):
    """Whole playbooks as they stand, fragments in a playbook around them."""
    path = tmp_path / "playbook.yaml"
    path.write_text(_whole(block.text), "utf-8")
    (tmp_path / "rules.yml").write_text(_rules(), "utf-8")

    problems = lint(path, inputs={}, env=ENV, catalog=InstalledCatalog())

    assert [str(one) for one in problems if one.severity == "error"] == []


def _properties(schema: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for value in schema.values():
            yield from _properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _properties(value)


def _schema() -> Mapping[str, object]:
    catalog: Catalog = InstalledCatalog()
    return build(catalog)


@pytest.mark.parametrize("name", sorted({name for name, _ in _properties(_schema())}))
def test_every_key_of_the_language_is_described(name):
    """A key that the schema knows is on the page of the language."""
    assert f"`{name}`" in PLAYBOOK_PAGE.read_text("utf-8")


def _defaults() -> list[tuple[str, str]]:
    found = {
        (name, match.group(1))
        for name, one in _properties(_schema())
        if (match := _DEFAULT.search(str(one.get("description", ""))))
    }
    return sorted(found)


@pytest.mark.parametrize(("name", "default"), _defaults())
def test_every_default_is_the_one_that_the_code_has(name, default):
    """The page's second column says what the schema says."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in PLAYBOOK_PAGE.read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]

    said = {row[1] for row in rows if name in re.split(r"`?, `?", row[0])}

    assert default in said


def test_the_table_of_exit_codes_is_complete():
    """Every code the program can end with, and no other."""
    page = (ROOT / "docs/exit-codes.md").read_text("utf-8")

    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]

    assert codes == [code.value for code in ExitCode]
