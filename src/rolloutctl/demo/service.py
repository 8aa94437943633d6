"""The demo's application: a small HTTP service that answers with one of two models.

`GET /ask?user=ID` answers as the flags say, `GET /metrics` is for Prometheus,
`GET /healthz` says that it is up. Run by hand:
`python -m rolloutctl.demo.service --flags flags.json --port 8100 [--regression]`.
With `--bad-while FILE` the canary is bad for as long as that file exists.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from rolloutctl.clock import SystemClock
from rolloutctl.demo import lifeline
from rolloutctl.demo.flags import Flags
from rolloutctl.demo.metrics import LIVE, SHADOW, ServiceMetrics
from rolloutctl.demo.models import CANARY, CONTROL, MODELS, Answer, Backend, Overload

HOST = "127.0.0.1"
#: Mirrored questions in flight; more are dropped, so that shadow traffic can never
#: slow the answers that people wait for.
SHADOWS_MAX = 32
SHADOW_THREADS = 8
#: A silent connection is closed after so many seconds.
IDLE_S = 60
USER_LENGTH_MAX = 200
#: How often the file of `--bad-while` is looked for, in seconds.
LOOK_S = 0.2


class Application:
    """Answers questions: picks the model, waits for it, counts, mirrors."""

    def __init__(self, flags: Flags, *, is_fragile: bool) -> None:
        self.metrics = ServiceMetrics()
        self._flags = flags
        self._backends = {name: Backend(model) for name, model in MODELS.items()}
        self._overload = Overload() if is_fragile else None
        self._clock = SystemClock()
        self._shadow_slots = threading.BoundedSemaphore(SHADOWS_MAX)
        self._shadow_pool = ThreadPoolExecutor(SHADOW_THREADS, thread_name_prefix="shadow")

    def follow(self, bad_while: Path) -> None:
        """Breaks the canary while the file exists; looks from a thread of its own."""
        threading.Thread(target=self._follow, args=(bad_while,), daemon=True).start()

    def _follow(self, bad_while: Path) -> None:
        was_bad = False
        while True:
            is_bad = bad_while.exists()
            if is_bad != was_bad:
                backend = self._backends[CANARY]
                backend.break_down() if is_bad else backend.recover()
                was_bad = is_bad
            self._clock.sleep(LOOK_S)

    def answer(self, user: str) -> Answer:
        """The live answer to one user's question; mirrors it if the flag says so."""
        name = self._flags.model_for(user)
        if name not in self._backends:
            name = CONTROL
        if self._overload is not None and self._overload.passes_with(name):
            self._backends[CANARY].break_down()
        if name != CANARY and self._flags.mirrors(user):
            self._mirror()
        return self._ask(name, LIVE)

    def _ask(self, name: str, mode: str) -> Answer:
        answer = self._backends[name].draw()
        self._clock.sleep(answer.latency_s)
        self.metrics.count(answer, mode)
        return answer

    def _mirror(self) -> None:
        if self._shadow_slots.acquire(blocking=False):
            self._shadow_pool.submit(self._ask_and_discard)

    def _ask_and_discard(self) -> None:
        try:
            self._ask(CANARY, SHADOW)
        finally:
            self._shadow_slots.release()


class _Handler(BaseHTTPRequestHandler):
    application: Application
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    # One packet an answer: without these two, a kept-alive connection waits 40 ms
    # for the kernel's delayed acknowledgement between the header and the body.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answers one request."""
        url = urlsplit(self.path)
        if url.path == "/ask":
            self._ask(parse_qs(url.query).get("user", [""])[0])
        elif url.path == "/metrics":
            page, content_type = self.application.metrics.exposition(self.headers.get("Accept", ""))
            self._send(200, page, content_type)
        elif url.path == "/healthz":
            self._send_json(200, {"status": "ok"})
        else:
            self._send_json(404, {"error": "there are /ask, /metrics and /healthz"})

    def _ask(self, user: str) -> None:
        if not 0 < len(user) <= USER_LENGTH_MAX:
            self._send_json(400, {"error": "say who asks: /ask?user=ID"})
            return
        answer = self.application.answer(user)
        self._send_json(answer.status, {"user": user, "model": answer.model})

    def _send_json(self, status: int, body: dict[str, str]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Says nothing: 120 lines a second help nobody."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of a client that went away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants a socket


def build_server(
    flags_path: Path, *, port: int, is_fragile: bool, bad_while: Path | None = None
) -> ThreadingHTTPServer:
    """A bound server on loopback; port 0 takes a free one. The caller serves and closes."""
    application = Application(Flags(flags_path), is_fragile=is_fragile)
    if bad_while is not None:
        application.follow(bad_while)
    handler = type("Handler", (_Handler,), {"application": application})
    return _Server((HOST, port), handler)


def main(arguments: list[str] | None = None) -> None:
    """Serves until SIGTERM; prints `port N` once it accepts connections."""
    parser = argparse.ArgumentParser(prog="python -m rolloutctl.demo.service")
    parser.add_argument("--flags", type=Path, required=True, help="flagd flag-definition file")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--regression", action="store_true", help="the canary goes bad as its share reaches 25%%"
    )
    parser.add_argument(
        "--bad-while", type=Path, metavar="FILE", help="the canary is bad while FILE exists"
    )
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args(arguments)
    lifeline.end_on_sigterm()
    if options.with_parent:
        lifeline.end_with_parent()
    server = build_server(
        options.flags,
        port=options.port,
        is_fragile=options.regression,
        bad_while=options.bad_while,
    )
    sys.stdout.write(f"port {server.server_address[1]}\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
