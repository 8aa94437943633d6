"""Requests through a fake cluster: who would serve them now, as metrics pages of its pods.

No bytes flow. At each scrape the requests since the last one are counted where the cluster's
objects would have sent them: by the route's weights to Services, by EndpointSlices to pods. A
request that finds no ready endpoint is lost, and counted as that.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rolloutctl.clock import monotonic_s

BOUNDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
FAST_S, SLOW_S = 0.3, 25.0
HISTOGRAMS = ("http_request_duration_seconds", "vllm:e2e_request_latency_seconds")


class Traffic(ThreadingHTTPServer):
    """One metrics page for all pods; `entry` is (kind, name) of what clients call."""

    daemon_threads = True

    def __init__(self, cluster, entry, *, namespace="llm", per_s=200.0):
        super().__init__(("127.0.0.1", 0), _Page)
        self.cluster, self.entry, self.namespace, self.per_s = cluster, entry, namespace, per_s
        #: version -> share of its answers that fail, or are slow
        self.failing, self.slow = {}, {}
        self.lost = 0.0
        self._served = defaultdict(float)
        self._failed = defaultdict(float)
        self._slow = defaultdict(float)
        self._last = monotonic_s()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def page(self):
        """What Prometheus scrapes."""
        with self._lock, self.cluster.lock:
            self._go_on()
            return "".join(self._lines()).encode()

    def shares(self):
        """Version -> share of the requests, mirrored ones beside; "" is nobody."""
        kind, name = self.entry
        if kind == "Service":
            return self._of_service(name)
        route = self.cluster.objects["httproutes", self.namespace, name]
        rule, found = route["spec"]["rules"][0], defaultdict(float)
        refs = rule["backendRefs"]
        total = sum(ref.get("weight", 1) for ref in refs)
        for ref in refs:
            share = ref.get("weight", 1) / total if total else 0.0
            for version, part in self._of_service(ref["name"]).items():
                found[version] += share * part
        for one in rule.get("filters", ()):
            mirror = one["requestMirror"]
            for version, part in self._of_service(mirror["backendRef"]["name"]).items():
                found[version] += mirror.get("percent", 100) / 100 * part
        return found

    def _of_service(self, name):
        pods = [
            one["targetRef"]["name"]
            for each in self.cluster.find("endpointslices", self.namespace)
            if each["metadata"]["labels"]["kubernetes.io/service-name"] == name
            for one in each["endpoints"] or ()
            if one["conditions"]["ready"]
        ]
        found = defaultdict(float)
        for pod in pods:
            value = self.cluster.objects.get(("pods", self.namespace, pod))
            version = value["metadata"]["labels"].get("version", "") if value else ""
            found[version] += 1 / len(pods)
        return found or {"": 1.0}

    def _go_on(self):
        now = monotonic_s()
        events, self._last = (now - self._last) * self.per_s, now
        for version, share in self.shares().items():
            if not version:
                self.lost += events * share
                continue
            self._served[version] += events * share
            self._failed[version] += events * share * self.failing.get(version, 0.001)
            self._slow[version] += events * share * self.slow.get(version, 0.001)

    def _lines(self):
        for version, exact in self._served.items():
            served, failed = int(exact), int(self._failed[version])
            slow = int(self._slow[version])
            label = f'version="{version}"'
            yield f'http_requests_total{{{label},status="5xx"}} {failed}\n'
            yield f'http_requests_total{{{label},status="2xx"}} {served - failed}\n'
            for name in HISTOGRAMS:
                for bound in BOUNDS:
                    below = (served - slow if bound >= FAST_S else 0) + slow * (bound >= SLOW_S)
                    yield f'{name}_bucket{{{label},le="{bound}"}} {below}\n'
                yield f'{name}_bucket{{{label},le="+Inf"}} {served}\n'
                yield f"{name}_sum{{{label}}} {(served - slow) * FAST_S + slow * SLOW_S}\n"
                yield f"{name}_count{{{label}}} {served}\n"


class _Page(BaseHTTPRequestHandler):
    """Every path is the page."""

    def log_message(self, *a):
        """Quiet."""

    def do_GET(self):
        raw = self.server.page()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
