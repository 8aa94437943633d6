"""What `watch` costs beside a rollout with 8 gates and 4 targets, and how old its picture is.

A real `start` drives four real flag files; its eight gates ask an application of the
benchmark's own every second, which is thirty times as often as a playbook asks unless told. A
real `watch` runs at a terminal of 120 columns. Measured: its processor time over the watched
seconds, what it sends to the terminal, and how long after a person's `pause` its screen says so.

Usage: python benchmarks/watch.py [SECONDS]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.real_command import (  # type: ignore[import-not-found,unused-ignore]  # the tests are no package  # noqa: E402
    COMMAND,
    Place,
    until,
)
from e2e.terminal_screen import (  # type: ignore[import-not-found,unused-ignore]  # same  # noqa: E402
    TerminalScreen,
)
from rolloutctl.clock import SystemClock, monotonic_s  # noqa: E402 - same

SECONDS = 30.0
TARGETS, GATES = 4, 8
#: At most this share of one core; nothing on the screen older than this.
SHARE_MAX = 0.05
AGE_MAX_S = 2.0
COLUMNS, ROWS = 120, 50


class Application(BaseHTTPRequestHandler):
    """Counters that grow with the time, for both arms."""

    begun_s = monotonic_s()

    def do_GET(self) -> None:
        """The page of metrics."""
        passed = monotonic_s() - self.begun_s
        lines = ["# TYPE requests counter"]
        for arm, rate in (("old", 900.0), ("new", 100.0)):
            for status, share in (("200", 0.99), ("500", 0.01)):
                value = round(rate * share * passed)
                lines.append(f'requests_total{{model="{arm}",status="{status}"}} {value}')
        body = ("\n".join(lines) + "\n# EOF\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Says nothing."""


def playbook(folder: Path, url: str) -> str:
    """Four targets, eight gates that compare, one long step."""
    flag = {"state": "ENABLED", "variants": {"old": "a", "new": "b"}, "defaultVariant": "old"}
    lines = ["apiVersion: rolloutctl/v1", "kind: Playbook", "name: watched", "targets:"]
    for number in range(TARGETS):
        (folder / f"flags-{number}.json").write_text(json.dumps({"flags": {"model": flag}}))
        lines.append(
            f"  target-{number}: {{provider: flagd-file, file: {folder}/flags-{number}.json, "
            "flag: model, control: {is: old}, canary: {is: new}}"
        )
    lines += [
        f'sources: {{app: {{kind: openmetrics, url: "{url}/metrics"}}}}',
        "defaults: {interval: 1s, on_no_data: wait, on_error: wait, on_inconclusive: wait}",
        "gates:",
    ]
    bad = 'requests_total{model="${arm.is}",status="500"}'
    total = 'requests_total{model="${arm.is}"}'
    lines += [
        f"  gate-{number}: {{kind: compare, source: app, target: target-0, bad: '{bad}', "
        f"total: '{total}', margin: 1.5x, min_sample: 50}}"
        for number in range(GATES)
    ]
    gates = ", ".join(f"gate-{number}" for number in range(GATES))
    lines.append(f"steps: [{{canary: 10%, hold: 1h, gates: [{gates}]}}, {{canary: 100%}}]")
    return "\n".join(lines) + "\n"


def used_s(pid: int) -> float:
    """Processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float, folder: Path) -> bool:
    """Watches for a while; True if both limits are kept."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = Place(folder)
    place.playbook.write_text(playbook(folder, f"http://127.0.0.1:{server.server_port}"))
    driver = place.spawn("start", place.playbook, "--auto", "--id", "watched", "--on-exit", "leave")
    until(lambda: "gate-7: pass" in driver.out, "every gate was judged")
    screen = TerminalScreen(
        [COMMAND, "watch"], columns=COLUMNS, rows=ROWS, environ=place.environ, cwd=folder
    )
    try:
        screen.see("● RUNNING")
        SystemClock().sleep(2.0)  # what it loads is not what it costs
        begun_s, before_s, sent = monotonic_s(), used_s(screen.pid), len(screen.raw)
        SystemClock().sleep(seconds)
        share = (used_s(screen.pid) - before_s) / (monotonic_s() - begun_s)
        sent_per_s = (len(screen.raw) - sent) / seconds
        asked_s = monotonic_s()
        if place.run("pause", "watched").returncode:
            raise AssertionError("the pause was refused")
        told_s = monotonic_s()
        screen.see("‖ PAUSED")
        age_s = monotonic_s() - told_s
        print(
            f"watch: {share:.1%} of a core over {seconds:.0f} s, {GATES} gates, {TARGETS} targets"
        )
        print(f"watch: {sent_per_s:.0f} bytes/s to the terminal")
        print(
            f"watch: a pause is on the screen {max(0.0, age_s):.2f} s after the command ended, "
            f"{monotonic_s() - asked_s:.2f} s after it began"
        )
        is_kept = share < SHARE_MAX and age_s < AGE_MAX_S
        print(
            f"limits: {SHARE_MAX:.0%} of a core, {AGE_MAX_S:g} s: {'kept' if is_kept else 'MISSED'}"
        )
        return is_kept
    finally:
        screen.stop()
        driver.stop()
        server.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.exit(not measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS, Path(name)))
