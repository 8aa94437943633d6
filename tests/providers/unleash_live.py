"""A ready playbook for Unleash at work: its flags, an application on the real SDK, Prometheus."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from providers.unleash_worlds import ENVIRONMENT, FEATURES, Server, strategy
from rolloutctl.clock import random_suffix
from servers import unleash_application
from servers.in_seconds import in_seconds
from servers.prometheus import prometheus_server, wait_until
from servers.unleash_server import ADMIN_TOKEN, CLIENT_TOKENS

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

    def start_words(self, through=""):
        """`start` of the playbook against these servers, Unleash behind an address of its own."""
        inputs = {"unleash": through or self.url, "prometheus": self.prometheus.url}
        inputs["environment"] = ENVIRONMENT
        given = [word for pair in inputs.items() for word in ("--input", "=".join(pair))]
        return ["start", str(self.playbook), "--auto", "--id", "live", *given]

    @contextlib.contextmanager
    def driving(self, *words):
        """`start` in a process of its own, ended with the block."""
        arguments, environ = self.command(*(words or self.start_words()))
        with self.log.open("wb") as log:
            driver = subprocess.Popen(
                arguments, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield driver
        finally:
            driver.kill()
            driver.wait(10)

    @property
    def log(self):
        """What the driver said."""
        return self.folder / "driver.log"
