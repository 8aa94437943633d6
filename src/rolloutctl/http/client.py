"""The client: one request, one answer or one mapped error, within a stated time.

Nothing is ever sent twice: whether a write may be repeated is the runner's decision.
Every request of every adapter passes `HttpClient.send`; a rate budget by host belongs there.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from rolloutctl import __version__
from rolloutctl.clock import monotonic_s
from rolloutctl.credentials import redact
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.http.access import Tls
from rolloutctl.http.address import host_of, split
from rolloutctl.http.exchange import HttpRequest, HttpResponse, raise_for_status
from rolloutctl.http.pool import pool_for

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 10.0
#: No caller waits longer, whatever it asks for.
TIMEOUT_MAX_S = 3600.0
BODY_BYTES_MAX = 16 * 1024 * 1024
#: An error's body is only quoted; more of it is not waited for.
ERROR_BODY_BYTES_MAX = 16 * 1024
#: Calls to one host that were given up and still hang. Beyond it that host is refused at
#: once: threads are bounded, and one hanging host cannot use up what others need.
HUNG_CALLS_MAX = 32

_hung: Counter[str] = Counter()
_hung_lock = threading.Lock()


class HttpClient:
    """Sends requests with limits on time and size; safe to use from many threads.

    Args:
        tls: certificate checking.
        connect_timeout_s: limit for reaching the host.
        total_timeout_s: limit for the whole exchange, name resolution to last byte.
        body_bytes_max: a larger answer is refused.
    """

    def __init__(
        self,
        tls: Tls | None = None,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self._tls = tls or Tls()
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._body_bytes_max = body_bytes_max

    def send(self, request: HttpRequest, *, timeout_s: float | None = None) -> HttpResponse:
        """Sends once and returns the answer if its status is 2xx or expected.

        Args:
            request: what to send.
            timeout_s: for this request instead of the client's; nothing is sent after it.

        Raises:
            Unauthorized: 401, 403, 407.
            NotFound: 404, 410.
            Conflict: 409, 412.
            Rejected: another 4xx, a redirect, or an address that cannot be used.
            Unavailable: 408, 425, 429, 5xx, no answer in time, a broken connection, an
                answer too large. `may_have_landed` is set if the request writes and may
                have reached the server.
        """
        split(request.url)
        limit_s = self._total_timeout_s if timeout_s is None else min(timeout_s, TIMEOUT_MAX_S)
        if limit_s <= 0:
            raise Unavailable(f"{request.title}: not sent, its time was over before")
        call = _Call(
            request,
            pool=pool_for(self._tls),
            connect_s=min(self._connect_timeout_s, limit_s),
            total_s=limit_s,
            bytes_max=self._body_bytes_max,
        )
        response = call.run()
        raise_for_status(response)
        return response


class _Call:
    """One exchange in its own thread, so that nothing can make the caller wait longer.

    httpx bounds each socket operation but neither name resolution nor a server that
    sends its headers one byte at a time; a switch that must stop traffic may hang on neither.
    """

    def __init__(
        self,
        request: HttpRequest,
        *,
        pool: httpx.Client,
        connect_s: float,
        total_s: float,
        bytes_max: int,
    ) -> None:
        self._request = request
        self._pool = pool
        self._connect_s = connect_s
        self._total_s = total_s
        self._bytes_max = bytes_max
        self._deadline_s = monotonic_s() + total_s
        self._host = host_of(request.url)
        self._sent = False  # True from the moment a first byte may have left
        self._given_up = False
        self._finished = threading.Event()
        self._lock = threading.Lock()
        self._response: HttpResponse | None = None
        self._error: Exception | None = None

    def run(self) -> HttpResponse:
        """The answer, whatever its status; raises `Unavailable` or `Rejected`."""
        if _hung[self._host] >= HUNG_CALLS_MAX:
            raise Unavailable(
                f"{self._request.title}: {HUNG_CALLS_MAX} earlier calls to this host still hang"
            )
        threading.Thread(target=self._work, name=f"http {self._host}", daemon=True).start()
        if not self._finished.wait(self._total_s) and self._give_up():
            raise self._unavailable(f"no answer within {self._total_s:g} s")
        if self._error is not None:
            mapped = self._mapped(self._error)
            if mapped is self._error:
                raise mapped
            raise mapped from self._error
        if self._response is None:
            raise AssertionError("a finished call has an answer or an error")
        return self._response

    def _give_up(self) -> bool:
        with self._lock:
            if self._finished.is_set():
                return False
            self._given_up = True
        with _hung_lock:
            _hung[self._host] += 1
        return True

    def _work(self) -> None:
        try:
            self._response = self._exchange()
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread, raised there
            self._error = error
        with self._lock:
            self._finished.set()
        if self._given_up:
            with _hung_lock:
                _hung[self._host] -= 1

    def _exchange(self) -> HttpResponse:
        import httpx  # noqa: PLC0415 - 100 ms, paid by those who speak HTTP

        request = self._request
        outgoing = self._pool.build_request(
            request.method,
            request.url,
            # No compression: a small answer cannot unpack into a huge one.
            headers={
                "user-agent": f"rolloutctl/{__version__}",
                "accept-encoding": "identity",
                **request.headers,
            },
            content=request.body or None,
            timeout=httpx.Timeout(self._total_s, connect=self._connect_s, pool=self._connect_s),
            extensions={"trace": self._trace},
        )
        answer = self._pool.send(outgoing, stream=True, follow_redirects=False)
        try:
            return HttpResponse(
                request=request,
                status=answer.status_code,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=self._read(answer),
            )
        finally:
            answer.close()

    def _trace(self, event: str, _: object) -> None:
        # httpcore announces each stage; before this one nothing of ours has left.
        if not event.endswith("send_request_headers.started"):
            return
        # SAFETY: under the lock, so that a caller who was told "not sent" is right for ever:
        # a name resolved or a connection made too late sends nothing.
        with self._lock:
            if self._given_up or monotonic_s() > self._deadline_s:
                raise self._unavailable("not sent, connecting took all its time")
            self._sent = True

    def _read(self, answer: httpx.Response) -> bytes:
        if not answer.is_success:
            return self._read_up_to(answer, ERROR_BODY_BYTES_MAX)
        if not self._request.needs_body:
            return b""
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise self._unavailable("the answer is compressed although that was not asked for")
        body = self._read_up_to(answer, self._bytes_max + 1)
        if len(body) > self._bytes_max:
            raise self._unavailable(f"the answer is larger than {self._bytes_max} bytes")
        return body

    def _read_up_to(self, answer: httpx.Response, limit: int) -> bytes:
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) >= limit or monotonic_s() > self._deadline_s:
                break
        if monotonic_s() > self._deadline_s:
            raise self._unavailable(f"no whole answer within {self._total_s:g} s")
        return bytes(body[:limit])

    def _mapped(self, error: Exception) -> Exception:
        import httpx  # noqa: PLC0415 - already loaded by the call

        title = self._request.title
        if isinstance(error, httpx.TimeoutException):
            return self._unavailable(f"no answer within {self._total_s:g} s")
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)):
            return Rejected(f"{title}: the address cannot be used: {redact(str(error))}")
        if isinstance(error, (httpx.LocalProtocolError, ValueError)) and not self._sent:
            return Rejected(f"{title}: the request cannot be built: {redact(str(error))}")
        if isinstance(error, (httpx.HTTPError, OSError)):
            reason = redact(str(error)) or type(error).__name__
            hint = (
                "name the authority in tls.ca_file"
                if "CERTIFICATE_VERIFY_FAILED" in reason
                else "check the address and that the service is up"
            )
            return self._unavailable(reason, hint=hint)
        return error  # ours already, or a bug that must be seen

    def _unavailable(self, reason: str, *, hint: str = "") -> Unavailable:
        return Unavailable(
            f"{self._request.title}: {reason}",
            hint=hint or "check the address and that the service is up",
            may_have_landed=self._request.writes and self._sent,
        )
