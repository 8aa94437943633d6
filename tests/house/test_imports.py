"""What a command loads: the SDKs come with the adapter that needs them, at first use."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "boto3",
    "botocore",
    "kubernetes",
    "ldclient",
    "UnleashClient",
    "scipy",
    "grpc",
    "openfeature",
    "rich",
    "pydantic",
    "prometheus_client",
}
_RUN = """
import io, json, os, sys
from rolloutctl.cli.main import run
out, sys.stdout = sys.stdout, io.StringIO()
code = run(json.loads(sys.argv[1]), os.environ)
sys.stdout = out
loaded = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps([int(code), loaded]))
"""
_SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_ENTRY_POINTS = [
    (group, name, value)
    for group, entries in _SETTINGS["project"]["entry-points"].items()
    for name, value in entries.items()
]


def _run(tmp_path, *arguments):
    """Runs a command line in a fresh interpreter; its exit code and what it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
    )
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    return code, set(loaded)


@pytest.mark.parametrize(("group", "name", "value"), _ENTRY_POINTS)
def test_every_entry_point_loads(group, name, value):
    """Each built-in is there under the name it is registered with."""
    module, _, attribute = value.partition(":")

    plugin = getattr(importlib.import_module(module), attribute)

    assert plugin.name == name, group


def test_the_version_is_told_without_importing_typer(tmp_path):
    """`--version` answers before anything is loaded."""
    code, loaded = _run(tmp_path, "--version")

    assert code == 0
    assert not loaded & (HEAVY | {"typer", "httpx", "yaml", "sqlite3"})


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("--help",), 0),
        (("lint", "--help"), 0),
        (("list",), 0),
        (("lint", str(ROOT / "playbooks/quickstart.yaml")), 0),
        (("kill", "--help"), 0),
    ],
)
def test_cheap_commands_load_no_sdk(tmp_path, arguments, exit_code):
    """Help, lint and list never wait for an SDK."""
    code, loaded = _run(tmp_path, *arguments)

    assert code == exit_code
    assert loaded & HEAVY == set()


def test_killing_a_flagd_flag_loads_neither_sdk_nor_http_client(tmp_path):
    """The kill switch of a file needs the file, and nothing that talks to a network."""
    flags = tmp_path / "flags.json"
    template = ROOT / "src/rolloutctl/demo/flags.json"
    flags.write_bytes(template.read_bytes())

    code, loaded = _run(tmp_path, "kill", f"flagd-file://{flags}#llm-model", "--to", "gpt-4")

    assert code == 0
    assert loaded & (HEAVY | {"httpx", "yaml"}) == set()
