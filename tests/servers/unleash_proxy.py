"""Stands between rolloutctl and an Unleash, real or fake, and breaks what the test says."""

from __future__ import annotations

import random
import threading

import httpx

from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers.scripted import Answer, Fault, ScriptedServer

_STATUSES = {
    ServiceFault.UNAUTHORIZED: (401, "UnauthorizedError"),
    ServiceFault.FORBIDDEN: (403, "PermissionError"),
    ServiceFault.MISSING: (404, "NotFoundError"),
    ServiceFault.CONFLICT: (409, "NameExistsError"),
    ServiceFault.SERVER_ERROR: (500, "UnknownError"),
}

SHARE_OF_FAULTS = 0.3
FAULTS = (
    "lost_request",
    "lost_answer",
    "cut",
    "twice",
    "late_request",
    "late_answer",
    "busy",
    "broken",
)


class UnleashProxy(ScriptedServer):
    """Forwards every request to `upstream`, unless `fault` says otherwise.

    Args:
        upstream: an address, or a function that answers requests (the fake).
    """

    def __init__(self, upstream):
        super().__init__(self._answer_one)
        self._upstream = upstream
        self._http = httpx.Client(timeout=30, verify=False)  # noqa: S501 - loopback, no TLS at all
        self.operation = None
        self.fault = None
        #: the flag whose writes are lost or cut off; others pass
        self.flag = ""

    def __exit__(self, *details):
        super().__exit__(*details)
        self._http.close()

    def forward(self, seen):
        """The answer of the server behind."""
        if callable(self._upstream):
            return self._upstream(seen)
        headers = {
            name: given
            for name, given in seen.headers.items()
            if name not in {"host", "connection", "content-length"}
        }
        answer = self._http.request(
            seen.method, self._upstream + seen.path, headers=headers, content=seen.body
        )
        return Answer(
            status=answer.status_code,
            body=answer.content,
            content_type=answer.headers.get("content-type", ""),
        )

    def _answer_one(self, seen):
        fault = self.fault
        writes = seen.method != "GET"
        if fault is None or not seen.path.startswith("/api/admin"):
            return self.forward(seen)
        if fault in _STATUSES:
            status, name = _STATUSES[fault]
            return Answer(status=status, body=f'{{"name":"{name}","message":"planted"}}')
        if fault is ServiceFault.RATE_LIMITED:
            return Answer(status=429, headers={"Retry-After": "3"}, body="slow down")
        if self.operation is Operation.OBSERVE:
            return Answer(fault=Fault.DROP)
        is_hit = writes and (self.operation is Operation.KILL or f"/{self.flag}/" in seen.path)
        if fault is ServiceFault.HALF_DONE:
            is_hit = writes and f"/{self.flag}/" in seen.path
        if not is_hit:
            return self.forward(seen)
        if fault is ServiceFault.LOST_ANSWER:
            self.forward(seen)
        return Answer(fault=Fault.DROP)


class UnreliableProxy(UnleashProxy):
    """Every third answer or so goes wrong while it may; the same ones for the same seed.

    Args:
        upstream: as for the proxy.
        seed: of the choices.
        late_s: how late a request arrives or its answer does, at most.
    """

    def __init__(self, upstream, seed, *, late_s=0.02):
        super().__init__(upstream)
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._late_s = late_s
        self.faults = 0
        self.is_unreliable = False

    def _answer_one(self, seen):
        if not self.is_unreliable or self._random.random() > SHARE_OF_FAULTS:
            return self.forward(seen)
        self.faults += 1
        return getattr(self, f"_{self._random.choice(FAULTS)}")(seen)

    def _wait(self):
        threading.Event().wait(self._random.uniform(0, self._late_s))

    def _lost_request(self, _):
        return Answer(fault=Fault.DROP)

    def _lost_answer(self, seen):
        self.forward(seen)
        return Answer(fault=Fault.DROP)

    def _cut(self, seen):
        found = self.forward(seen)
        return Answer(status=found.status, body=found.body, fault=Fault.CUT)

    def _twice(self, seen):
        self.forward(seen)
        return self.forward(seen)

    def _late_request(self, seen):
        self._wait()
        return self.forward(seen)

    def _late_answer(self, seen):
        found = self.forward(seen)
        self._wait()
        return found

    def _busy(self, _):
        return Answer(status=429, headers={"Retry-After": "2"}, body="slow down")

    def _broken(self, _):
        return Answer(status=503, body="<html>no backend</html>", content_type="text/html")
