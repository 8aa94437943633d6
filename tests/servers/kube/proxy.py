"""A door in front of a real API server: forwards, and breaks what a test asks it to break.

Clients come with a made-up token over plain HTTP on loopback; the door goes on with the
credentials of the kubeconfig. So faults can be injected without touching the cluster.
"""

from __future__ import annotations

import json
import threading
from http.server import ThreadingHTTPServer

import urllib3

from rolloutctl.providers.kubernetes.connection import connect
from rolloutctl.providers.kubernetes.place import TargetSpec
from servers.kube.cluster import Refused
from servers.kube.http import Door

READ_TIMEOUT_S = 30.0
FORWARDED = ("Content-Type", "Accept", "User-Agent")


class KubeProxy(ThreadingHTTPServer):
    """As `KubeServer` for whoever asks; `file` and `context` say what stands behind it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, file, context):
        super().__init__(("127.0.0.1", 0), ProxyDoor)
        spec = TargetSpec(
            context=context,
            namespace="default",
            strategy="service-switch",
            name="none",
            kubeconfig=file,
        )
        self.connection = connect(spec)
        self.accounts = {"": None}
        self.fault, self.fault_on, self.fault_skips = None, frozenset(), 0
        self.before, self.calls = None, []
        self.is_stopping = threading.Event()
        self.cluster = self
        self.lock = threading.RLock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Quiet: clients that go away are part of the tests."""

    def close(self):
        self.is_stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class ProxyDoor(Door):
    """One request, passed on."""

    def _work(self, raw):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.server.accounts:
            raise Refused(401, "Unauthorized", "Unauthorized")
        behind = self.server.connection
        headers = {name: self.headers[name] for name in FORWARDED if name in self.headers}
        try:
            answer = behind.pool.request(
                self.command,
                behind.url + self.path,
                body=raw or None,
                headers={**headers, **behind.headers()},
                timeout=READ_TIMEOUT_S,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Refused(503, "ServiceUnavailable", f"behind the door: {error}") from None
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            told = answer.data.decode(errors="replace")
            raise Refused(answer.status, "Unknown", told, plain=True) from None
