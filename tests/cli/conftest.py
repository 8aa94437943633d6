"""Runs command lines in this process, in a folder of their own, and keeps what they said."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from rolloutctl.cli.main import run

WORKSPACE = Path(__file__).parent / "workspace"


@dataclass(frozen=True)
class Said:
    """What one command line answered."""

    exit_code: int
    out: str
    err: str


@pytest.fixture
def folder(monkeypatch):
    """A working directory with the files of `workspace`, and no settings from outside.

    Its path always has the same length, so that folded lines break at the same words.
    """
    folder = Path(tempfile.mkdtemp(prefix="session-", dir="/tmp"))
    shutil.copytree(WORKSPACE, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("ROLLOUTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLOUTCTL_STORE", str(folder / "journal.db"))
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FOLDER", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def rolloutctl(folder, capfd):
    """Runs one command line; paths of the test's folder read `$PWD`."""

    def invoke(*arguments):
        capfd.readouterr()
        exit_code = run(arguments, os.environ)
        said = capfd.readouterr()
        return Said(
            int(exit_code),
            said.out.replace(str(folder), "$PWD"),
            said.err.replace(str(folder), "$PWD"),
        )

    return invoke
