"""The package that docs/plugins.md shows works as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from docs.pages import ROOT, blocks

PAGE = ROOT / "docs/plugins.md"


@pytest.fixture
def site(tmp_path):
    """The package as it would be installed: its modules, and its entry points' file."""
    folder = tmp_path / "site"
    (folder / "rolloutctl_example-1.0.dist-info").mkdir(parents=True)
    for block in blocks(PAGE, "python"):
        name = block.text.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(block.text, "utf-8")
    (toml,) = blocks(PAGE, "toml")
    project = tomllib.loads(toml.text)["project"]
    lines = []
    for group, names in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    info = folder / "rolloutctl_example-1.0.dist-info"
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: 1.0\n", "utf-8")
    return folder


def _run(site, *words):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *words],
        cwd=site,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.real
def test_its_provider_passes_the_conformance_suite(site):
    """What a reader copies keeps every promise."""
    done = _run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_share_file.py")

    assert done.returncode == 0, done.stdout


@pytest.mark.real
def test_a_rollout_with_provider_gate_and_step_of_the_package_reaches_its_end(site):
    """One file and one entry-point line each are all it takes."""
    share = site / "share"
    share.write_text("0\n", "utf-8")
    (playbook,) = blocks(PAGE, "yaml")
    (site / "playbook.yaml").write_text(playbook.text.replace("/tmp/share", str(share)), "utf-8")  # noqa: S108 - replaced, not used

    command = ("-m", "rolloutctl.cli.main", "start", "playbook.yaml", "--auto")
    done = _run(site, *command, "--store", str(site / "journal.db"))

    assert done.returncode == 0, done.stderr
    assert share.read_text("utf-8") == "2000\n"
