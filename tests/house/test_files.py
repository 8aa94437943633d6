"""House rules about the files in the repository, as tests."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
#: Written in two halves, so that this file does not find itself.
_OF_ONE_MACHINE = re.compile(
    "|".join(
        first + second
        for first, second in (
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            ("index", "-url"),
            ("find", "-links"),
            ("PIP_", r"\w"),
            ("trusted", "-host"),
        )
    )
)


def _tracked():
    """Files git knows, and those it would add; skipped where the source is no clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone: nothing says which files are ours")
    listed = subprocess.run(
        [
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _links_of(page):
    """Local files a Markdown page links to."""
    targets = _LINK.findall(page.read_text("utf-8"))
    return [page.parent / target for target in targets if "://" not in target]


def test_no_file_names_one_machine_or_a_package_index():
    """A clone builds anywhere: no path, account or index of one machine is written down."""
    found = []
    for path in _tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if _OF_ONE_MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert found == []


def test_every_page_is_reachable_from_the_readme():
    """Nobody has to guess that a page exists."""
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")}
    pages |= {(ROOT / "CONTRIBUTING.md"), (ROOT / "CHANGELOG.md"), (ROOT / "playbooks/README.md")}
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += _links_of(page)

    assert sorted(str(page.relative_to(ROOT)) for page in pages - reached) == []


def test_every_local_link_leads_somewhere():
    """No page links to a file that is not there."""
    pages = [path for path in _tracked() if path.suffix == ".md"]

    broken = [
        f"{page.relative_to(ROOT)} -> {target.relative_to(page.parent)}"
        for page in pages
        for target in _links_of(page)
        if not target.exists()
    ]

    assert broken == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LICENSE", "Apache License"),
        ("CHANGELOG.md", "Unreleased"),
        ("CONTRIBUTING.md", "scripts/check"),
        ("README.md", "make demo"),
        ("docs/architecture.md", "intent"),
        ("docs/safety.md", "invariant"),
    ],
)
def test_the_expected_pages_are_there(name, words):
    """What a visitor looks for first exists and says something."""
    assert words in (ROOT / name).read_text("utf-8")


def test_the_playbook_folder_is_listed():
    """Each ready playbook has its line in the folder's page."""
    page = (ROOT / "playbooks/README.md").read_text("utf-8")

    for playbook in (ROOT / "playbooks").glob("*.yaml"):
        assert f"({playbook.name})" in page


@pytest.mark.parametrize("name", ["scripts/check", "scripts/test", "scripts/make-venv", ".ci/run"])
def test_scripts_can_be_run(name):
    """The executable bit survives the clone."""
    assert os.access(ROOT / name, os.X_OK)


def test_every_dependency_of_the_runtime_has_an_upper_or_a_lower_bound():
    """An unbounded name would install whatever comes."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    loose = [each for each in settings["project"]["dependencies"] if not re.search(r"[<>=]", each)]

    assert loose == []


def test_every_ruff_ignore_gives_its_reason():
    """A rule is switched off on a line that says why."""
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()

    silent = [line for line in lines if re.fullmatch(r'\s+"[A-Z]+\d*",', line.rstrip())]

    assert silent == []
