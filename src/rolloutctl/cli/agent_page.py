"""What an agent answers over HTTP: `/metrics`, `/healthz`, `/readyz`. It takes no orders.

`/healthz` says whether the process still goes round: a supervisor restarts it if not.
`/readyz` says whether it can do its work, which a restart may not mend (a full disk).
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socket import AF_INET6
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder

from rolloutctl.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.cli.agent_metrics import AgentMetrics

#: A look that is older than this many seconds means that the agent hangs.
STALE_S = 30.0
#: A client that is silent for so many seconds is let go.
IDLE_S = 10
#: Requests at once; more are refused, so that a page can never take the agent's threads.
REQUESTS_MAX = 16
_PORT_MAX = 65_535

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*):(?P<port>\d{1,5})")
_WITHOUT_HOST = "127.0.0.1"


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `:PORT` (this machine only) or `[::1]:PORT`.

    Raises `UsageError` with an example.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > _PORT_MAX:
        raise UsageError(
            f"--listen: {text!r} is no address to listen on",
            hint="write HOST:PORT, such as 127.0.0.1:9464, or 0.0.0.0:9464 for every interface",
        )
    return found["host"].strip("[]") or _WITHOUT_HOST, int(found["port"])


class AgentPage:
    """Knows how the agent is; `beat` is called with every round of its loop.

    Args:
        metrics: what it counts.
        now: the time.
    """

    def __init__(self, metrics: AgentMetrics, now: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._now = now
        self._beat_at = now()

    def beat(self) -> None:
        """The agent's loop went round."""
        self._beat_at = self._now()

    def health(self) -> tuple[bool, dict[str, object]]:
        """Whether the loop still goes round, and since when not."""
        age_s = (self._now() - self._beat_at).total_seconds()
        is_well = age_s < STALE_S
        body: dict[str, object] = {"status": "ok" if is_well else "hangs"}
        if not is_well:
            body["because"] = f"the agent's loop has not gone round for {age_s:.0f} s"
        return is_well, body

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """Whether the journal can be read as well."""
        is_well, body = self.health()
        if not is_well:
            return False, body
        looked_at, trouble = self._metrics.standing()
        if trouble:
            return False, {"status": "no journal", "because": trouble}
        if looked_at is None:
            return False, {"status": "starting", "because": "the journal was not read yet"}
        return True, body

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics page in the form that the client asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._metrics.registry), content_type


class _Handler(BaseHTTPRequestHandler):
    page: AgentPage
    slots: threading.BoundedSemaphore
    timeout = IDLE_S
    wbufsize = -1
    server_version = "rolloutctl"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers one request, if there is a free hand."""
        if not self.slots.acquire(blocking=False):
            self._send_json(503, {"status": "busy", "because": "too many requests at once"})
            return
        try:
            self._answer(self.path.partition("?")[0])
        finally:
            self.slots.release()

    def do_HEAD(self) -> None:
        """The same without the page."""
        self.do_GET()

    def _answer(self, path: str) -> None:
        if path == "/metrics":
            body, content_type = self.page.exposition(self.headers.get("Accept", ""))
            self._send(200, body, content_type)
        elif path in {"/healthz", "/readyz"}:
            is_well, answer = self.page.health() if path == "/healthz" else self.page.readiness()
            self._send_json(200 if is_well else 503, answer)
        else:
            self._send_json(404, {"error": "there are /metrics, /healthz and /readyz"})

    def _send_json(self, status: int, body: dict[str, object]) -> None:
        self._send(status, json.dumps(body).encode() + b"\n", "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Says nothing: a scrape every few seconds is no news."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of a client that went away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants a socket


class _Server6(_Server):
    address_family = AF_INET6


@contextmanager
def served(page: AgentPage, host: str, port: int) -> Iterator[str]:
    """Serves the page within the block, and yields its URL; port 0 takes a free one.

    Raises `UsageError` if the address cannot be had.
    """
    handler = type(
        "Handler",
        (_Handler,),
        {"page": page, "slots": threading.BoundedSemaphore(REQUESTS_MAX)},
    )
    try:
        server = (_Server6 if _is_6(host) else _Server)((host, port), handler)
    except OSError as error:
        raise UsageError(
            f"--listen {host}:{port}: {error.strerror or error}",
            hint="choose another port or an address of this machine; port 0 takes a free one",
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="page", daemon=True)
    thread.start()
    shown = f"[{host}]" if _is_6(host) else host
    try:
        yield f"http://{shown}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_6(host: str) -> bool:
    try:
        return ip_address(host).version == 6  # noqa: PLR2004 - IPv6
    except ValueError:
        return False
