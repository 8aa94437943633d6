"""An application behind a feature flag: made-up users, their requests, and Prometheus metrics.

Whatever SDK it asks: `ask` tells the variant of a user, `mirrors` whether to mirror the request.
Each request is counted under {LABEL="VALUE"} of that variant's name. The canary, the last name,
fails half of its requests once it gets more than a share of them, and while a file exists.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rolloutctl.clock import SystemClock, monotonic_s

TICK_S = 0.05
USERS = 40_000
BOUNDS = (0.1, 0.5, 2.5)
#: Conversations that are solved, by arm: what an A/B test looks for.
SOLVED = (0.40, 0.70)
#: Requests over which the canary's share is told.
RECENT = 400


@dataclass
class Service:
    """Counts what its users get."""

    ask: Callable[[int], str]
    mirrors: Callable[[int], bool]
    label: str
    names: Mapping[str, str]
    fail_above: float = 2.0
    fail_while: Path = Path("/nowhere")
    per_s: float = 300.0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self):
        self.canary = list(self.names)[-1]
        self.recent: deque[bool] = deque(maxlen=RECENT)
        self.random = random.Random(7)  # noqa: S311 - made-up users
        self.lock = threading.Lock()
        self.is_bad = False

    def begin(self):
        """Serves and answers in threads of its own; the port of its metrics."""
        service = self

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
        for work in (self.run, server.serve_forever):
            threading.Thread(target=work, daemon=True).start()
        return server.server_port

    def run(self):
        """Serves requests at the wanted rate, for ever."""
        each = max(1, round(self.per_s * TICK_S))
        while True:
            began_s = monotonic_s()
            with self.lock:
                self.is_bad = self.fail_while.is_file()
                for _ in range(each):
                    self.request()
            SystemClock().sleep(max(0.0, TICK_S - (monotonic_s() - began_s)))

    def request(self):
        """One user's request, and the mirrored one if the shadow flag says so."""
        user = self.random.randrange(USERS)
        name = self.ask(user)
        if name not in self.names:
            return
        is_canary = name == self.canary
        self.recent.append(is_canary)
        fails = self.is_bad or sum(self.recent) / len(self.recent) > self.fail_above
        is_bad = is_canary and fails and self.random.random() < 0.5
        self.count(self.names[name], "live", is_bad=is_bad)
        is_solved = self.random.random() < SOLVED[is_canary]
        own = f'{self.label}="{self.names[name]}"'
        self.counts[f"llm_conversations_total{{{own}}}"] += 1
        self.counts[f"llm_conversations_solved_total{{{own}}}"] += is_solved
        if self.mirrors(user):
            self.count(self.names[self.canary], "shadow", is_bad=False)

    def count(self, label, mode, *, is_bad):
        """One answered request."""
        own = f'{self.label}="{label}",mode="{mode}"'
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
