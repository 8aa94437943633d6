"""An application on the real UnleashClient, with users of its own and Prometheus metrics.

Usage: python unleash_application.py URL TOKEN FLAG LABEL NAME=VALUE… [--shadow FLAG]
       [--fail-above SHARE] [--fail-while FILE] [--per-s REQUESTS]

Each request asks the flag for its user's variant, and is counted under {LABEL="VALUE"} of that
variant's NAME. The canary, the last NAME, fails half of its requests once it gets more than SHARE
of them, and while FILE exists. Prints "port N" when it answers; ends with its standard input.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rolloutctl.clock import SystemClock, monotonic_s

SDK_POLL_S = 1
TICK_S = 0.05
USERS = 40_000
BOUNDS = (0.1, 0.5, 2.5)
#: Conversations that are solved, by arm: what an A/B test looks for.
SOLVED = (0.40, 0.70)
#: Requests over which the canary's share is told.
RECENT = 400


class Service:
    """Counts what its users get."""

    def __init__(self, client, wanted):
        self.client, self.wanted = client, wanted
        self.labels = dict(one.split("=", 1) for one in wanted.names)
        self.canary = list(self.labels)[-1]
        self.counts: Counter[str] = Counter()
        self.recent: deque[bool] = deque(maxlen=RECENT)
        self.random = random.Random(7)  # noqa: S311 - made-up users
        self.lock = threading.Lock()
        self.is_bad = False

    def run(self):
        """Serves requests at the wanted rate, for ever."""
        each = max(1, round(self.wanted.per_s * TICK_S))
        while True:
            began_s = monotonic_s()
            with self.lock:
                self.is_bad = self.wanted.fail_while.is_file()
                for _ in range(each):
                    self.request()
            SystemClock().sleep(max(0.0, TICK_S - (monotonic_s() - began_s)))

    def request(self):
        """One user's request, and the mirrored one if the shadow flag says so."""
        context = {"userId": f"user-{self.random.randrange(USERS)}"}
        name = self.client.get_variant(self.wanted.flag, context)["name"]
        if name not in self.labels:
            return
        is_canary = name == self.canary
        self.recent.append(is_canary)
        fails = self.is_bad or sum(self.recent) / len(self.recent) > self.wanted.fail_above
        is_bad = is_canary and fails and self.random.random() < 0.5
        self.count(self.labels[name], "live", is_bad=is_bad)
        is_solved = self.random.random() < SOLVED[is_canary]
        own = f'{self.wanted.label}="{self.labels[name]}"'
        self.counts[f"llm_conversations_total{{{own}}}"] += 1
        self.counts[f"llm_conversations_solved_total{{{own}}}"] += is_solved
        shadow = self.wanted.shadow
        if shadow and self.client.is_enabled(shadow, context):
            self.count(self.labels[self.canary], "shadow", is_bad=False)

    def count(self, label, mode, *, is_bad):
        """One answered request."""
        own = f'{self.wanted.label}="{label}",mode="{mode}"'
        status = "502" if is_bad else "200"
        took_s = self.random.lognormvariate(-3.5, 0.5)
        self.counts[f'llm_requests_total{{{own},status="{status}"}}'] += 1
        self.counts[f"llm_cost_usd_total{{{own}}}"] += 0.01 * self.random.lognormvariate(0, 0.3)
        self.counts[f"llm_tokens_total{{{own}}}"] += 300 * self.random.lognormvariate(0, 0.3)
        for bound in (*BOUNDS, float("inf")):
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            name = f'llm_request_duration_seconds_bucket{{{own},le="{le}"}}'
            self.counts[name] += took_s <= bound

    def page(self):
        """The metrics, and the share that the canary had of late."""
        with self.lock:
            share = sum(self.recent) / max(1, len(self.recent))
            lines = [f"{name} {count}" for name, count in sorted(self.counts.items())]
        return "\n".join([f"canary_share {share}", *lines, ""])


def main(wanted):
    """Runs until standard input ends."""
    from UnleashClient import UnleashClient  # noqa: PLC0415 - after the arguments are right

    folder = tempfile.TemporaryDirectory()  # the SDK's copy of the flags, on its own
    client = UnleashClient(
        f"{wanted.url}/api",
        "lab",
        cache_directory=folder.name,
        refresh_interval=SDK_POLL_S,
        disable_metrics=True,
        disable_registration=True,
        custom_headers={"Authorization": wanted.token},
    )
    client.initialize_client()
    service = Service(client, wanted)

    class Page(BaseHTTPRequestHandler):
        """Answers Prometheus."""

        def do_GET(self):
            """The metrics."""
            content = service.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    for work in (service.run, server.serve_forever):
        threading.Thread(target=work, daemon=True).start()
    print(f"port {server.server_port}", flush=True)  # noqa: T201 - its caller reads it
    sys.stdin.read()
    client.destroy()
    folder.cleanup()


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "token", "flag", "label"):
        parser.add_argument(name)
    parser.add_argument("names", nargs="+", metavar="NAME=VALUE")
    parser.add_argument("--shadow", default="")
    parser.add_argument("--fail-above", type=float, default=2.0)
    parser.add_argument("--fail-while", type=Path, default=Path("/nowhere"))
    parser.add_argument("--per-s", type=float, default=300.0)
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
