"""One agent with 1,000 open rollouts: what the engine can tick, and what the command does.

Engine: 1,000 rollouts in one process on a real SQLite journal and fake services, ticked in
turn while the fake clock runs; ticks a second and memory are the ceiling of any agent on
this machine. Command: `rolloutctl agent` on 1,000 rollouts of real flag files that ask
a server for their metrics; how many are driven after a while, its memory and its load.

Usage: python benchmarks/agent.py [ROLLOUTS [SECONDS]]
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from urllib.parse import parse_qs

from fake_rollouts import ACTOR, PLAYBOOK, begin, load_day

from rolloutctl import playbook_file
from rolloutctl.clock import SystemClock
from rolloutctl.core.decision import WaitUntil
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.providers.flagd_file import FlagdFile
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.start import start
from rolloutctl.runner.tick import tick
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing import FakeClock

ROLLOUTS = 1_000
SECONDS = 60.0
#: Fake minutes that the engine is ticked through.
ENGINE_MINUTES = 2
#: Where the playbook of the simulated day asks; replaced by a server of the benchmark's own.
PROMETHEUS_URL = "http://127.0.0.1:9090"
_MIB = 2**20


def resident_mib(pid: str = "self") -> float:
    """Resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    return pages * 4096 / _MIB


def engine(rollouts: int, folder: Path) -> None:
    """Ticks every rollout through the same fake minutes."""
    clock = FakeClock()
    journal = SqliteJournal(folder / "engine.db")
    day, before_mib = load_day(), resident_mib()
    began_s = perf_counter()
    driven = [begin(day, journal, clock=clock, rollout_id=f"r-{n}") for n in range(rollouts)]
    opened_s = perf_counter() - began_s
    ticks = 0
    began_s = perf_counter()
    for _ in range(ENGINE_MINUTES * 6):
        for rollout in driven:
            while True:
                ticks += 1
                if isinstance(tick(rollout), WaitUntil):
                    break
        clock.advance(10.0)
    taken_s = perf_counter() - began_s
    mib = resident_mib() - before_mib
    events = sum(journal.heads().values())
    print(f"engine: {rollouts} rollouts opened in {opened_s:.1f} s, {mib:.0f} MiB for all of them")
    print(
        f"engine: {ticks} ticks in {taken_s:.1f} s = {ticks / taken_s:.0f} ticks/s, "
        f"{events} events; {ENGINE_MINUTES * 60 / taken_s:.1f} x real time"
    )
    journal.close()


class _Prometheus(BaseHTTPRequestHandler):
    """Answers instant queries: counters that grow with the time, and a good share."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    queries = 0

    def do_POST(self) -> None:
        """One series with the asked time; nothing where our source asks how fresh it is."""
        type(self).queries += 1
        length = int(self.headers.get("Content-Length", 0))
        asked = parse_qs(self.rfile.read(length).decode())
        query, at = asked.get("query", [""])[0], float(asked.get("time", ["0"])[0])
        total = at % 1e7 * (10 if "requests" in query or "bucket" in query else 0.05)
        metric = {"model": "b"} | ({"le": "+Inf"} if "bucket" in query else {})
        found = {"metric": metric, "value": [at, str(0.99 if "rate" in query else total)]}
        result = [] if "rolloutctl_selector" in query else [found]
        data = {"resultType": "vector", "result": result}
        body = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Says nothing."""


def begin_on_files(rollouts: int, folder: Path, url: str) -> SqliteJournal:
    """Starts rollouts, each on a flag file of its own; nobody drives them yet."""
    journal, catalog, clock = SqliteJournal(folder / "agent.db"), InstalledCatalog(), SystemClock()
    kinds = load_day().kinds
    text = PLAYBOOK.read_text("utf-8").replace(PROMETHEUS_URL, url)
    if url not in text:
        raise AssertionError(f"{PLAYBOOK} does not name {PROMETHEUS_URL}")
    flag = {"state": "ENABLED", "variants": {"a": "a", "b": "b"}, "defaultVariant": "a"}
    switch = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    for number in range(rollouts):
        flags = folder / f"flags-{number}.json"
        document = {"flags": {"llm": flag, "llm-shadow": switch}}
        flags.write_text(json.dumps(document, indent=2), encoding="utf-8")
        file = folder / "playbook.yaml"
        file.write_text(
            text.replace("file: /etc/flagd/flags.json", f"file: {flags}"), encoding="utf-8"
        )
        playbook = playbook_file.load(file, inputs={}, env={}, catalog=catalog)
        adapters = Adapters(kinds=kinds, providers={"llm": FlagdFile()})
        start(playbook, adapters, journal, clock=clock, rollout_id=f"r-{number}", actor=ACTOR)
    return journal


def command(rollouts: int, folder: Path, *, seconds: float) -> int:
    """Runs the real agent for a while; 1 if it did not drive every rollout."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Prometheus)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    journal = begin_on_files(rollouts, folder, url)
    before = sum(journal.heads().values())
    tool = str(Path(sys.executable).parent / "rolloutctl")
    with (folder / "agent.log").open("w", encoding="utf-8") as log:
        agent = subprocess.Popen(
            [tool, "agent", "--store", str(folder / "agent.db")], stdout=log, stderr=log
        )
        SystemClock().sleep(seconds)
        driven = sum(row.lease is not None for row in journal.rollouts(open_only=True))
        mib = resident_mib(str(agent.pid))
        agent.send_signal(signal.SIGTERM)
        agent.wait(60)
    events = sum(journal.heads().values()) - before
    print(
        f"command: {driven} of {rollouts} rollouts driven after {seconds:g} s, {mib:.0f} MiB; "
        f"{_Prometheus.queries / seconds:.0f} queries/s, {events / seconds:.0f} events/s"
    )
    server.shutdown()
    return 0 if driven == rollouts else 1


def main(rollouts: int, seconds: float) -> int:
    """Prints both tables; 1 if the agent left rollouts without a driver."""
    with tempfile.TemporaryDirectory() as name:
        engine(rollouts, Path(name))
        return command(rollouts, Path(name), seconds=seconds)


if __name__ == "__main__":
    sys.exit(
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else ROLLOUTS,
            float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS,  # noqa: PLR2004 - the second argument
        )
    )
