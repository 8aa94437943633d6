"""One agent with 1,000 open rollouts: what the engine can tick, and what the command does.

Engine: 1,000 rollouts in one process on a real SQLite journal and fake services, ticked in
turn while the fake clock runs; ticks a second and memory are the ceiling of any agent on
this machine. Command: `rolloutctl agent` on 1,000 rollouts of real flag files that
scrape a real /metrics; how many are driven after a while, and its memory.

Usage: python benchmarks/agent.py [ROLLOUTS [SECONDS]]
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter

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


class _Metrics(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    scrapes = 0

    def do_GET(self) -> None:
        """Counters that grow with the time since the epoch."""
        type(self).scrapes += 1
        total = datetime.now(UTC).timestamp() % 1e7 * 10  # noqa: TID251 - a benchmark's own server
        lines = [
            "# TYPE llm_requests counter",
            f'llm_requests_total{{model="b"}} {total}',
            "# TYPE llm_failures counter",
            f'llm_failures_total{{model="b"}} {total * 0.01}',
            "# TYPE llm_usd counter",
            f'llm_usd_total{{model="b"}} {total * 0.005}',
            "# TYPE llm_seconds histogram",
            f'llm_seconds_bucket{{model="b",le="0.5"}} {total}',
            f'llm_seconds_bucket{{model="b",le="+Inf"}} {total}',
        ]
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Says nothing."""


def begin_on_files(rollouts: int, folder: Path, url: str) -> SqliteJournal:
    """Starts rollouts, each on a flag file of its own; nobody drives them yet."""
    journal, catalog, clock = SqliteJournal(folder / "agent.db"), InstalledCatalog(), SystemClock()
    kinds = load_day().kinds
    text = PLAYBOOK.read_text("utf-8").replace("http://127.0.0.1:8100/metrics", url)
    flag = {"state": "ENABLED", "variants": {"a": "a", "b": "b"}, "defaultVariant": "a"}
    switch = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    for number in range(rollouts):
        flags = folder / f"flags-{number}.json"
        document = {"flags": {"llm": flag, "llm-shadow": switch}}
        flags.write_text(json.dumps(document, indent=2), encoding="utf-8")
        file = folder / "playbook.yaml"
        file.write_text(text.replace("file: flags.json", f"file: {flags}"), encoding="utf-8")
        playbook = playbook_file.load(file, inputs={}, env={}, catalog=catalog)
        adapters = Adapters(kinds=kinds, providers={"llm": FlagdFile()})
        start(playbook, adapters, journal, clock=clock, rollout_id=f"r-{number}", actor=ACTOR)
    return journal


def command(rollouts: int, folder: Path, *, seconds: float) -> int:
    """Runs the real agent for a while; 1 if it did not drive every rollout."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
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
        f"{_Metrics.scrapes / seconds:.0f} scrapes/s, {events / seconds:.0f} events/s"
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
