"""A real Prometheus and a real Alertmanager on free loopback ports."""

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
_CACHED_ALERTMANAGER = ROOT / ".cache/servers/alertmanager/usr/bin/prometheus-alertmanager"
#: Ready takes about 0.3 s; a loaded machine gets much longer.
READY_S = 30.0
SCRAPE_S = 0.2


def prometheus_binary():
    """The binary; without one the test is skipped, or fails if servers are required."""
    return _binary("PROMETHEUS", ("prometheus",), _CACHED, "scripts/get-prometheus")


def alertmanager_binary():
    """The same of Alertmanager; Debian calls it prometheus-alertmanager."""
    names = ("prometheus-alertmanager", "alertmanager")
    return _binary("ALERTMANAGER", names, _CACHED_ALERTMANAGER, "scripts/get-alertmanager")


def _binary(variable, names, cached, script):
    named = os.environ.get(f"ROLLOUTCTL_TEST_{variable}")
    installed = next((found for name in names if (found := shutil.which(name))), None)
    found = named or installed or (str(cached) if cached.exists() else None)
    if found:
        return found
    reason = f"no {names[0]}; run: {script}"
    if os.environ.get("ROLLOUTCTL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    return pytest.skip(reason)


def wait_until(is_true, *, what, limit_s=READY_S):
    """Looks again and again until it is true; fails the test after the limit."""
    deadline_s = monotonic_s() + limit_s
    while not is_true():
        assert monotonic_s() < deadline_s, f"not within {limit_s} s: {what}"
        SystemClock().sleep(0.05)


class Server:
    """A process on a port of its own; it may be stopped and started again with its data."""

    def __init__(self, folder, name, command, *, scheme="http", cwd=None):
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._log = folder / f"{name}.log"
        self._command = [*command, f"--web.listen-address=127.0.0.1:{self.port}"]
        self._cwd = cwd
        self._process = None

    def start(self):
        """Begins it; who needs it ready waits for an answer."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._cwd
            )

    def stop(self, *, at_once=False):
        """Ends it by its own id, `at_once` as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        (process.kill if at_once else process.terminate)()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def prometheus_server(folder, scraped_port, *, web_config="", rules="", alertmanager=None):
    """A Prometheus that is not started yet, with its configuration and data in `folder`."""
    config, web = folder / "prometheus.yml", folder / "web.yml"
    every = f"{int(SCRAPE_S * 1000)}ms"
    parts = [
        "global:",
        f"  {{scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {every}}}",
        "scrape_configs:",
        "  - job_name: app",
        f"    static_configs: [{{targets: ['127.0.0.1:{scraped_port}']}}]",
    ]
    if rules:
        (folder / "rules.yml").write_text(rules)
        parts.append("rule_files: [rules.yml]")
    if alertmanager is not None:
        targets = f"[{{targets: ['127.0.0.1:{alertmanager.port}']}}]"
        parts.append(f"alerting: {{alertmanagers: [{{static_configs: {targets}}}]}}")
    config.write_text("\n".join(parts) + "\n")
    web.write_text(web_config)
    command = [
        prometheus_binary(),
        f"--config.file={config}",
        f"--web.config.file={web}",
        f"--storage.tsdb.path={folder / 'data'}",
        # As often as the tests look; a minute otherwise.
        "--rules.alert.resend-delay=1s",
        "--web.enable-lifecycle",
    ]
    scheme = "https" if "tls_server_config" in web_config else "http"
    return Server(folder, "prometheus", command, scheme=scheme)


def alertmanager_server(folder):
    """An Alertmanager that is not started yet; `Cause` inhibits `Effect`, nobody is told."""
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: nobody, group_wait: 0s, group_interval: 1s}\n"
        "receivers: [{name: nobody}]\n"
        "inhibit_rules:\n"
        "  - {source_matchers: ['alertname=Cause'], target_matchers: ['alertname=Effect']}\n"
    )
    command = [
        alertmanager_binary(),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
    ]
    # The one that scripts/get-alertmanager brings looks for its template in its own folder.
    return Server(folder, "alertmanager", command, cwd=_home_of(command[0]))


def _home_of(binary):
    """The folder above usr/bin; the binary's own where it stands elsewhere."""
    place = Path(binary).resolve().parent
    return place.parents[1] if place.parts[-2:] == ("usr", "bin") else place


@contextlib.contextmanager
def running_prometheus(folder, scraped_port, **more):
    """Starts it with its data in `folder`; yields its address; ends it by its own id."""
    with prometheus_server(folder, scraped_port, **more) as server:
        yield server.url
