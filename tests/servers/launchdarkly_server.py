"""A fake LaunchDarkly on loopback: its REST API, the SDKs' stream, and what goes wrong."""

from __future__ import annotations

import contextlib
import json
import queue
from dataclasses import dataclass

from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers.scripted import Answer, Fault, ScriptedServer

_STATUSES = {
    ServiceFault.UNAUTHORIZED: (401, "unauthorized"),
    ServiceFault.FORBIDDEN: (403, "forbidden"),
    ServiceFault.MISSING: (404, "not_found"),
    ServiceFault.CONFLICT: (409, "optimistic_locking_error"),
    ServiceFault.SERVER_ERROR: (500, "internal_service_error"),
}
#: How often a stream that has nothing to say shows that it lives.
_HEARTBEAT_S = 0.5


@dataclass(frozen=True, kw_only=True)
class _Stream(Answer):
    """Events without end, for the SDK of one environment."""

    environment: str
    events: queue.Queue


class LaunchDarklyServer(ScriptedServer):
    """Answers for `fake`, unless `fault` says otherwise."""

    def __init__(self, fake):
        super().__init__(self._answer_one)
        self.fake = fake
        self.operation = None
        self.fault = None
        #: the flag whose writes are lost or cut off; others pass
        self.flag = ""

    def _answer_one(self, seen):
        if seen.method == "GET" and seen.path == "/all":
            found = self.fake.listen(seen.headers.get("authorization", ""))
            if found is None:
                return Answer(status=401, body='{"message": "unauthorized"}')
            return _Stream(environment=found[0], events=found[1])
        fault, writes = self.fault, seen.method == "PATCH" and "dryRun" not in seen.path
        if fault is None:
            return self.fake(seen)
        if fault in _STATUSES:
            status, code = _STATUSES[fault]
            return Answer(status=status, body=json.dumps({"code": code, "message": "planted"}))
        if fault is ServiceFault.RATE_LIMITED:
            body = '{"code": "rate_limited", "message": "planted"}'
            return Answer(status=429, headers={"Retry-After": "3"}, body=body)
        if self.operation is Operation.OBSERVE:
            return Answer(fault=Fault.DROP)
        is_hit = writes and (self.operation is Operation.KILL or seen.path.endswith(self.flag))
        is_hit = is_hit or (writes and f"/{self.flag}?" in seen.path)
        if not is_hit:
            return self.fake(seen)
        if fault is ServiceFault.LOST_ANSWER:
            self.fake(seen)
        return Answer(fault=Fault.DROP)

    def _answer(self, connection, answer):
        if not isinstance(answer, _Stream):
            return super()._answer(connection, answer)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            # Without chunks the SDK waits for a whole buffer.
            "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            connection.sendall(head.encode())
            while not self._stopped.is_set():
                connection.sendall(_chunk(answer.events))
        self.fake.unlisten(answer.environment, answer.events)
        return False


def _chunk(events):
    try:
        name, data = events.get(timeout=_HEARTBEAT_S)
    except queue.Empty:
        content = b":\n"
    else:
        content = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(content), content)
