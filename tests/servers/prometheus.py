"""A real Prometheus on a free loopback port, scraping what the test says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rolloutctl.clock import SystemClock, monotonic_s
from servers.scripted import free_port

ROOT = Path(__file__).parents[2]
_CACHED = ROOT / ".cache/servers/prometheus/usr/bin/prometheus"
#: Ready takes about 0.3 s; a loaded machine gets much longer.
READY_S = 30.0
SCRAPE_S = 0.2


def prometheus_binary():
    """The binary; without one the test is skipped, or fails if servers are required."""
    named = os.environ.get("ROLLOUTCTL_TEST_PROMETHEUS")
    found = named or shutil.which("prometheus") or (str(_CACHED) if _CACHED.exists() else None)
    if found:
        return found
    reason = "no prometheus; run: scripts/get-prometheus"
    if os.environ.get("ROLLOUTCTL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    return pytest.skip(reason)


def wait_until(is_true, *, what, limit_s=READY_S):
    """Looks again and again until it is true; fails the test after the limit."""
    deadline_s = monotonic_s() + limit_s
    while not is_true():
        assert monotonic_s() < deadline_s, f"not within {limit_s} s: {what}"
        SystemClock().sleep(0.05)


@contextlib.contextmanager
def running_prometheus(folder, scraped_port, *, web_config=""):
    """Starts it with its data in `folder`; yields its address; ends it by its own id."""
    port = free_port()
    config, web = folder / "prometheus.yml", folder / "web.yml"
    config.write_text(
        f"global: {{scrape_interval: {int(SCRAPE_S * 1000)}ms, scrape_timeout: 200ms}}\n"
        "scrape_configs:\n"
        "  - job_name: app\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{scraped_port}']}}]\n"
    )
    web.write_text(web_config)
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                prometheus_binary(),
                f"--config.file={config}",
                f"--web.config.file={web}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
