"""The ready playbooks for Unleash on running servers, with an application on the real SDK.

A real Prometheus judges, the real command drives, each in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from providers.unleash_worlds import ENVIRONMENT, FEATURES, Server, strategy
from rolloutctl.clock import random_suffix
from servers import unleash_application
from servers.in_seconds import in_seconds
from servers.prometheus import prometheus_server, wait_until
from servers.unleash_server import ADMIN_TOKEN, CLIENT_TOKENS, unleash_to_kill

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 150
#: playbook -> (flag, label, variants with what metrics call them, shadow flag)
READY = {
    "unleash-model-canary.yaml": (
        "llm-model",
        "model",
        {"gpt-4": "gpt-4", "claude": "claude-3-5-sonnet-20241022"},
        "llm-model-shadow",
    ),
    "unleash-prompt-variants.yaml": ("support-prompt", "prompt", {"v3": "v3", "v4": "v4"}, ""),
    "unleash-ab-test.yaml": ("support-prompt", "prompt", {"v3": "v3", "v4": "v4"}, ""),
}
every_playbook = pytest.mark.parametrize("name", list(READY))


class Live:
    """One playbook, its flags on the running Unleash, its application, and its Prometheus."""

    def __init__(self, folder, url, name, stack, *, fail_above=2.0):
        self.folder, self.url = folder, url
        flag, label, self.names, shadow = READY[name]
        suffix = random_suffix()
        self.flag = f"{flag}-{suffix}"
        self.admin = Server(None, url)
        stack.callback(self.admin.close)
        self._make(self.flag, self._variants())
        text = (ROOT / "playbooks" / name).read_text("utf-8")
        text = in_seconds(text, hold="4s").replace(f"flag: {flag} ", f"flag: {self.flag} ")
        self.shadow = f"{shadow}-{suffix}" if shadow else ""
        if shadow:
            self._make(self.shadow, [], rollout=0)
            text = text.replace(f"flag: {shadow},", f"flag: {self.shadow},")
        self.playbook = folder / name
        self.playbook.write_text(text, "utf-8")
        self.before = self.admin.environment(self.flag)
        port = self._serve(stack, label, fail_above)
        self.page = f"http://127.0.0.1:{port}/metrics"
        self.prometheus = stack.enter_context(prometheus_server(folder, port))
        wait_until(self._is_scraped, what="Prometheus has the application's requests")

    def _make(self, flag, variants, *, rollout=100):
        self.admin.call("POST", FEATURES, {"name": flag, "type": "release"})
        base = f"{FEATURES}/{flag}/environments/{ENVIRONMENT}"
        self.admin.call("POST", f"{base}/strategies", strategy(rollout, variants=variants))
        self.admin.call("POST", f"{base}/on")

    def _variants(self):
        (control, canary) = self.names
        own = {"stickiness": "userId"}
        return [
            {"name": control, "weight": 1000, "weightType": "variable", **own},
            {"name": canary, "weight": 0, "weightType": "fix", **own},
        ]

    def _serve(self, stack, label, fail_above):
        words = [self.url, CLIENT_TOKENS[ENVIRONMENT], self.flag, label]
        words += [f"{name}={value}" for name, value in self.names.items()]
        words += ["--fail-above", str(fail_above), "--shadow", self.shadow]
        process = subprocess.Popen(
            [sys.executable, unleash_application.__file__, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context((self.folder / "application.log").open("wb")),
            text=True,
        )

        def end():
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            process.stdout.close()

        stack.callback(end)
        return int(process.stdout.readline().removeprefix("port "))

    def _is_scraped(self):
        asked = f"{self.prometheus.url}/api/v1/query?query=llm_requests_total"
        with contextlib.suppress(OSError), urllib.request.urlopen(asked) as answer:  # noqa: S310 - loopback
            return b'"value"' in answer.read()
        return False

    def share(self):
        """The canary's share of the application's latest requests."""
        with urllib.request.urlopen(self.page) as answer:  # noqa: S310 - loopback
            return float(answer.readline().split()[1])

    def command(self, *words):
        """The words of a command, and its environment."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ROLLOUTCTL_STORE": str(self.folder / "journal.db"),
            "UNLEASH_ADMIN_TOKEN": ADMIN_TOKEN,
            "UNLEASH_CLIENT_TOKEN": CLIENT_TOKENS[ENVIRONMENT],
        }
        return [sys.executable, "-m", "rolloutctl.cli.main", *words], environ

    def run(self, *words):
        """Runs a command to its end."""
        arguments, environ = self.command(*words)
        return subprocess.run(
            arguments,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def start_words(self):
        """`start` of the playbook against these servers."""
        inputs = {"unleash": self.url, "prometheus": self.prometheus.url}
        inputs["environment"] = ENVIRONMENT
        given = [word for pair in inputs.items() for word in ("--input", "=".join(pair))]
        return ["start", str(self.playbook), "--auto", "--id", "live", *given]


@pytest.fixture
def live(tmp_path, unleash_url):
    """Makes one; everything that it started ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name, **more: Live(tmp_path, unleash_url, name, stack, **more)


@pytest.mark.long
@every_playbook
def test_a_healthy_canary_is_served_to_every_user_in_the_end(live, name):
    """By the application's own counters."""
    found = live(name)

    done = found.run(*found.start_words())

    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: found.share() == 1.0, what="every request gets the canary", limit_s=10)
    assert "the SDK serves" in done.stdout or "verify_exposure" not in found.playbook.read_text()


@pytest.mark.long
@every_playbook
def test_a_canary_that_fails_from_a_tenth_on_is_taken_back_field_for_field(live, name):
    """The flag's environment is as it was, and the application serves control alone."""
    found = live(name, fail_above=0.1)

    done = found.run(*found.start_words())

    assert done.returncode == 10, done.stdout + done.stderr
    assert found.admin.environment(found.flag) == found.before
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


@every_playbook
def test_another_process_kills_it(live, name):
    """The driver ends as killed, and the real SDK serves control."""
    found = live(name)
    arguments, environ = found.command(*found.start_words())
    with (found.folder / "driver.log").open("wb") as log:
        driver = subprocess.Popen(
            arguments, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)

        killed = found.run("kill", "live", "--reason", "on call")
        code = driver.wait(30)
    finally:
        driver.kill()
        driver.wait(10)

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert code == 13
    wait_until(lambda: found.share() == 0.0, what="no request gets the canary", limit_s=10)


@pytest.mark.long
def test_a_server_that_is_killed_in_the_middle_holds_the_rollout_until_it_is_back(tmp_path):
    """The application goes on with what it knew; nothing is taken for a zero or a pass."""
    with contextlib.ExitStack() as stack:
        url, server = stack.enter_context(unleash_to_kill())
        found = Live(tmp_path, url, "unleash-prompt-variants.yaml", stack)
        arguments, environ = found.command(*found.start_words())
        with (found.folder / "driver.log").open("wb") as log:
            driver = subprocess.Popen(
                arguments, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: found.share() > 0.15, what="a quarter is served", limit_s=60)

            os.kill(server, signal.SIGKILL)
            code = driver.wait(TIMEOUT_S)
        finally:
            driver.kill()
            driver.wait(10)

        assert code == 0, (found.folder / "driver.log").read_text("utf-8")
        wait_until(lambda: found.share() == 1.0, what="every request gets the canary", limit_s=20)
        [served] = found.admin.environment(found.flag)["strategies"]
        assert {one["name"]: one["weight"] for one in served["variants"]} == {"v3": 0, "v4": 1000}


def test_of_two_who_drive_one_flag_the_second_is_told_who_and_what(live):
    """Two machines, two journals: nothing is written by the second, the first goes on."""
    found = live("unleash-prompt-variants.yaml")
    arguments, environ = found.command(*found.start_words())
    with (found.folder / "driver.log").open("wb") as log:
        driver = subprocess.Popen(
            arguments, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: found.share() > 0.0, what="the canary is served", limit_s=60)
        before = found.admin.environment(found.flag)

        second = found.run(*found.start_words(), "--store", str(found.folder / "other.db"))
        after = found.admin.environment(found.flag)
        killed = found.run("kill", "live")
    finally:
        driver.kill()
        driver.wait(10)

    said = second.stdout + second.stderr
    assert second.returncode not in {0, 1}, said
    assert "admin" in said, said  # who edited it last, from the event log
    assert "canary 5%" in said
    assert after == before
    assert killed.returncode == 0
