"""The real Unleash of a test run: one for all workers, started at first use.

`unleash_supervisor.py` runs it, and ends it when the last worker has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rolloutctl.clock import SystemClock, monotonic_s, random_suffix
from servers import unleash_supervisor as supervisor

ROOT = Path(__file__).parents[2]
_CACHED = ROOT / ".cache/servers/unleash"
_SERVER = "node_modules/unleash-server/dist/server.js"
ADMIN_TOKEN = supervisor.ADMIN_TOKEN
CLIENT_TOKENS = supervisor.CLIENT_TOKENS


def unleash_folder():
    """Where it is installed; otherwise the test is skipped, or fails if servers are required."""
    named = os.environ.get("ROLLOUTCTL_TEST_UNLEASH")
    folder = Path(named) if named else _CACHED
    if not (folder / _SERVER).exists():
        return _missing("no unleash-server; run: scripts/get-unleash")
    if shutil.which("node") is None:
        return _missing("no node; install Node.js 20 or later")
    if supervisor.postgres_binaries() is None:
        return _missing("no PostgreSQL; run: apt-get install postgresql")
    return folder


def _missing(reason):
    if os.environ.get("ROLLOUTCTL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    return pytest.skip(reason)


@contextlib.contextmanager
def running_unleash():
    """Yields its address; every process of one test run gets the same server."""
    with _used(os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"pid-{os.getpid()}") as state:
        yield state["url"]


@contextlib.contextmanager
def unleash_to_kill():
    """A server of one's own: its address and its process; killed, it is followed by another."""
    with _used(f"pid-{os.getpid()}-{random_suffix()}") as state:
        yield state["url"], state["server"]


@contextlib.contextmanager
def _used(run):
    unleash = unleash_folder()
    # Not in pytest's own folder: the database's user could not enter that one.
    folder = Path(tempfile.gettempdir()) / f"rolloutctl-unleash-{run}"
    user = folder / "users" / str(os.getpid())
    with supervisor.locked():
        if not supervisor.is_supervised(folder):
            shutil.rmtree(folder, ignore_errors=True)
            user.parent.mkdir(parents=True)
            folder.chmod(0o755)
            _supervise(folder, unleash)
        user.touch()
    try:
        yield _state(folder)
    finally:
        user.unlink(missing_ok=True)


def _supervise(folder, unleash):
    process = subprocess.Popen(
        [sys.executable, supervisor.__file__, str(folder), str(unleash)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (folder / supervisor.PID_FILE).write_text(str(process.pid), "utf-8")
    process.returncode = 0  # it outlives this process by design, which a warning would lament


def _state(folder):
    deadline_s = monotonic_s() + supervisor.READY_S * 2
    while not (folder / "state.json").exists():
        assert monotonic_s() < deadline_s, f"no Unleash in {folder}"
        SystemClock().sleep(0.05)
    state = json.loads((folder / "state.json").read_text("utf-8"))
    assert "error" not in state, state["error"]
    return state
