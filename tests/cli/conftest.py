"""Runs command lines in this process, in a folder of their own, on a clock of their own."""

import json
import os
import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rolloutctl.cli import wiring
from rolloutctl.cli.main import run
from rolloutctl.testing import FakeClock
from rolloutctl.ui.hints import name_store

WORKSPACE = Path(__file__).parent / "workspace"


@dataclass(frozen=True)
class Said:
    """What one command line answered."""

    exit_code: int
    out: str
    err: str


class Prometheus(ThreadingHTTPServer):
    """Answers every query with `answer`: a number, "nothing", or an HTTP status."""

    daemon_threads = True
    answer = "0"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        """An instant query or a health question."""
        self._answer(parse_qs(urlsplit(self.path).query))

    def do_POST(self):
        """The same, with the parameters in the body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer(parse_qs(body))

    def _answer(self, parameters):
        wanted = self.server.answer
        is_status = wanted.startswith("HTTP ")
        status = int(wanted[5:]) if is_status else 200
        at = float(parameters.get("time", ["0"])[0])
        is_freshness = "rolloutctl_selector" in parameters.get("query", [""])[0]
        found = [] if is_freshness else [{"metric": {}, "value": [at, wanted]}]
        document = {
            "status": "error" if is_status else "success",
            "error": "as scripted",
            "data": {
                "resultType": "vector",
                "result": [] if is_status or wanted == "nothing" else found,
            },
        }
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Says nothing."""


@pytest.fixture(autouse=True)
def _hints_name_no_store():
    """What a command line of one test named is not in the hints of the next test's."""
    yield
    name_store("")


@pytest.fixture
def prometheus():
    """A scripted Prometheus on a free port of this machine."""
    server = Prometheus(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock(monkeypatch):
    """The time that every command of the test sees."""
    fake = FakeClock()
    monkeypatch.setattr(wiring, "clock", lambda: fake)
    return fake


@pytest.fixture
def folder(monkeypatch, prometheus):
    """A working directory with the files of `workspace`, and no settings from outside.

    Its path always has the same length, so that folded lines break at the same words.
    """
    folder = Path(tempfile.mkdtemp(prefix="session-", dir="/tmp"))
    shutil.copytree(WORKSPACE, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("ROLLOUTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLOUTCTL_STORE", str(folder / "journal.db"))
    monkeypatch.setenv("PROMETHEUS_URL", f"http://127.0.0.1:{prometheus.server_port}")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FOLDER", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def rolloutctl(folder, clock, capfd):
    """Runs one command line; paths of the test's folder read `$PWD`."""
    assert wiring.clock() is clock

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


@pytest.fixture
def interrupt_after(clock):
    """Sends this process SIGINT once so many seconds have passed on the clock."""

    def arm(seconds):
        due = clock.now().timestamp() + seconds

        def hook(now):
            if now.timestamp() >= due:
                clock.hooks.remove(hook)
                signal.raise_signal(signal.SIGINT)

        clock.hooks.append(hook)

    return arm
