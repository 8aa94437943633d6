# ruff: noqa: N815 - the standard library's own names
"""The door of the fake AWS: judges requests and answers, and breaks some on demand.

STS, IAM and CloudWatch stand behind the same door: `fake_iam`, told apart by the signature.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

from servers import fake_iam
from servers.aws_model import ModelError, check


class Err(Exception):
    def __init__(self, code, msg, **extra):
        self.status = {"ResourceNotFoundException": 404, "ConflictException": 409}.get(code, 400)
        self.code, self.body = code, {"Message": msg, **extra}


#: fault -> (status, AWS's name of it, headers)
REFUSALS = {
    "unauthorized": (401, "UnrecognizedClientException", {}),
    "forbidden": (403, "AccessDeniedException", {}),
    "missing": (404, "ResourceNotFoundException", {}),
    "conflict": (409, "ConflictException", {}),
    "rate-limited": (429, "ThrottlingException", {"Retry-After": "3"}),
    "server-error": (500, "InternalServerException", {}),
}


class H(BaseHTTPRequestHandler):
    """One request: judged, perhaps broken, done, and its answer judged too."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: two would wait 40 ms for an acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, *a):
        """Quiet."""

    def answer(self):
        """Reads, does and answers one request."""
        s = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        around = fake_iam.answered(s, self.headers, self.path, body)
        if around is not None:
            self.close_connection = around[0] == 0
            if around[0]:
                self.send(*around)
            return
        op, params = s.model.parse(self.command, self.path, self.headers, body)
        fault = s.fault if op and (not s.fault_on or op.name in s.fault_on) else None
        if fault == "timeout":
            self.close_connection = True
            return
        if fault in REFUSALS:
            status, code, headers = REFUSALS[fault]
            told = {"X-Amzn-ErrorType": code, **headers}
            self.send(status, told, json.dumps({"Message": f"injected {fault}"}).encode())
            return
        reply = self.work(op, params)
        if fault == "lost-answer":
            self.close_connection = True
            return
        self.send(*reply)

    def work(self, op, params):
        """Status, headers and body."""
        s = self.server
        fn = getattr(s, op.name, None) if op else None
        try:
            if fn is None:
                message = f"the fake does not know {op.name if op else self.path}"
                return 400, {"X-Amzn-ErrorType": "BadRequestException"}, message.encode()
            check(op.input_shape, params)
            with s.lock:
                s.calls.append((op.name, params))
                return s.model.render(op, fn(**params))
        except ModelError as x:  # ours to mend: kept for the test, not hidden in a 500
            s.violations.append((op.name, str(x)))
            told = json.dumps({"Message": f"model: {x}"}).encode()
            return 400, {"X-Amzn-ErrorType": "BadRequestException"}, told
        except Err as x:
            return x.status, {"X-Amzn-ErrorType": x.code}, json.dumps(x.body).encode()

    def send(self, status, headers, raw):
        """Writes the answer."""
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer
