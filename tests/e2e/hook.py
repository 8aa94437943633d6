"""A webhook that keeps what it is told, in the order in which it was told; or never answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: A hanging webhook is let go at the latest after this, in seconds.
HANG_S = 60.0


class Hook(ThreadingHTTPServer):
    """`calls` has (path, headers, body) of every request, in order of arrival."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls = []
        self.status = 204
        self.answers = threading.Event()  # cleared: no call is answered
        self.answers.set()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self):
        """Where to send it."""
        return f"http://127.0.0.1:{self.server_port}/hook"

    def messages(self, rollout="r-1"):
        """What it was told of a rollout, repetitions left out, by their place in its journal."""
        told = {}
        for _, _, body in list(self.calls):
            message = json.loads(body)
            if message["rollout"] == rollout:
                told.setdefault(message["key"], message)
        return list(told.values())

    def events(self, rollout="r-1"):
        """The names of the events it was told of, in order."""
        return [message["event"] for message in self.messages(rollout)]

    def close(self):
        """Answers whoever still waits, and ends."""
        self.answers.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        """Keeps the call; answers once it may."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.calls.append((self.path, dict(self.headers), body))
        self.server.answers.wait(HANG_S)
        try:
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            return  # whoever asked has long gone

    def log_message(self, *arguments):
        """Says nothing."""
