"""A stranger's package, installed by pip, is used by the real command like a built-in.

The package is the one that docs/plugins.md shows: a provider, a gate and a step kind, one
file and one entry-point line each. Its wheel is made here by hand (a wheel is a zip file:
packaging.python.org, binary distribution format), because nothing may be downloaded to
build it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile

import pytest

from docs.pages import ROOT, blocks
from e2e.real_command import Place

pytestmark = pytest.mark.real

PAGE = ROOT / "docs/plugins.md"
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps")


def _modules():
    """File name -> text of every module of the page but its test."""
    named = ((b.text.splitlines()[0].removeprefix("# "), b.text) for b in blocks(PAGE, "python"))
    return {name: text for name, text in named if not name.startswith("test_")}


def _wheel(folder, name, entry_points, modules):
    """A wheel with these modules and entry points (group -> name -> reference)."""
    stem = f"{name.replace('-', '_')}-1.0"
    lines = []
    for group, plugs in entry_points.items():
        lines += [f"[{group}]", *(f"{plug} = {place}" for plug, place in plugs.items())]
    files = modules | {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": "\n".join(lines) + "\n",
    }
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(f"{file},,\n" for file in [*files, record])
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return wheel


def _install(wheel, site):
    command = [sys.executable, *PIP, "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture
def place(tmp_path):
    """A folder whose commands see the installed package, with the page's playbook."""
    (tmp_path / "work").mkdir()
    (toml,) = blocks(PAGE, "toml")
    project = tomllib.loads(toml.text)["project"]
    wheel = _wheel(tmp_path, project["name"], project["entry-points"], _modules())
    _install(wheel, tmp_path / "site")
    place = Place(tmp_path / "work", PYTHONPATH=str(tmp_path / "site"))
    share = place.folder / "share"
    share.write_text("0\n")
    (playbook,) = blocks(PAGE, "yaml")
    place.playbook.write_text(playbook.text.replace("/tmp/share", str(share)))  # noqa: S108 - replaced, not used
    return place


def test_an_installed_provider_gate_and_step_are_linted_planned_and_driven(place):
    """Every command knows them; the whole rollout runs with nothing built in but `canary`."""
    share = place.folder / "share"
    for command in ("lint", "plan"):
        said = place.run(command, place.playbook)
        assert said.returncode == 0, said.stderr
        assert share.read_text() == "0\n"

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 0, done.stderr
    assert share.read_text() == "2000\n"
    assert "share-file" in place.run("schema").stdout


def test_an_installed_provider_is_killed_by_its_address(place):
    """The kill switch loads a stranger by the name in the address."""
    share = place.folder / "share"
    share.write_text("5000\n")

    killed = place.run("kill", f"share-file://{share}", "--to", "old")

    assert killed.returncode == 0, killed.stderr
    assert share.read_text() == "0\n"


def test_its_own_keys_are_linted_with_their_place(place):
    """A mistake in a stranger's key is told like one in ours."""
    place.playbook.write_text(place.playbook.read_text().replace("double: 50%", "double: 50"))

    said = place.run("lint", place.playbook)

    assert said.returncode == 3
    assert "playbook.yaml:" in said.stdout


def test_without_the_package_its_rollout_is_refused_and_names_what_is_missing(place):
    """Nobody guesses which plug-in a playbook needs."""
    said = place.run("lint", place.playbook, environ={"PYTHONPATH": ""})

    assert said.returncode == 3
    for name in ("share-file", "hours", "double"):
        assert name in said.stdout


def test_a_package_that_claims_a_built_ins_name_is_refused_naming_both(place, tmp_path):
    """Which of two plug-ins runs is never left to the order of a path."""
    claims = {"rolloutctl.providers": {"flagd-file": "share_file:ShareFile"}}
    _install(_wheel(tmp_path, "rolloutctl-impostor", claims, {}), tmp_path / "site")

    said = place.run("lint", place.playbook)

    assert said.returncode == 3
    assert "rolloutctl and rolloutctl-impostor" in said.stderr + said.stdout
