# ruff: noqa: N815 - the standard library's own names

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml

from servers.kube.cluster import APPLY_PATCH, Cluster, Refused
from servers.kube.kinds import KINDS
from servers.kube.rbac import Asked, is_allowed, review
from servers.kube.tables import ASKED, table_of

#: fault -> (status, reason, headers)
REFUSALS = {
    "unauthorized": (401, "Unauthorized", {}),
    "forbidden": (403, "Forbidden", {}),
    "missing": (404, "NotFound", {}),
    "conflict": (409, "Conflict", {}),
    "rate-limited": (429, "TooManyRequests", {"Retry-After": "3"}),
    "server-error": (500, "InternalError", {}),
}
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
WATCH_MAX_S = 60.0
SHORT_NAMES = {"services": ["svc"], "deployments": ["deploy"], "pods": ["po"], "namespaces": ["ns"]}


class KubeServer(ThreadingHTTPServer):
    """One API server; `accounts` maps bearer tokens to rules, None is everything."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # five would make the sixth of a burst wait a second

    def __init__(self, cluster=None, *, port=0):
        super().__init__(("127.0.0.1", port), Door)
        self.cluster = cluster or Cluster()
        self.accounts = {"": None}
        self.fault = None
        #: Methods that the fault meets; empty is all.
        self.fault_on = frozenset()
        #: How many requests that it would meet it lets pass.
        self.fault_skips = 0
        #: (method, path) of every request.
        self.calls = []
        #: Called with (method, path) before a request is done: the world changes meanwhile.
        self.before = None
        #: Pods whose health check fails, by name.
        self.sick = set()
        self.is_stopping = threading.Event()
        self.cluster.controllers.start()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Quiet: clients that go away are part of the tests."""

    def close(self, *, keep=False):
        """Ends the server; `keep` leaves the cluster's controllers running."""
        self.is_stopping.set()
        with self.cluster.lock:
            self.cluster.changed.notify_all()
        self.shutdown()
        self.server_close()
        self._thread.join(5)
        if not keep:
            self.cluster.controllers.stop()


class Door(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: two would wait 40 ms for an acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, *a):
        """Quiet."""

    def answer(self):
        """Reads, perhaps breaks, does and answers one request."""
        server = self.server
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.calls.append((self.command, self.path))
        if server.before is not None:
            server.before(self.command, self.path)
        is_hit = server.fault and (not server.fault_on or self.command in server.fault_on)
        if is_hit and server.fault_skips:
            server.fault_skips -= 1
            is_hit = False
        fault = server.fault if is_hit else None
        if fault == "timeout" or server.is_stopping.is_set():
            self.close_connection = True
            return
        if fault in REFUSALS:
            status, reason, headers = REFUSALS[fault]
            self._send(status, _status(status, reason, f"injected {fault}"), headers)
            return
        try:
            reply = self._work(raw)
        except Refused as refused:
            if refused.is_plain:
                self._send_raw(refused.status, refused.message.encode(), "text/plain")
                return
            told = _status(refused.status, refused.reason, refused.message, refused.causes)
            self._send(refused.status, told)
            return
        if fault == "lost-answer":
            self.close_connection = True
            return
        if reply is not None:
            self._send(*reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    # -- requests ---------------------------------------------------------------

    def _work(self, raw):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.server.accounts:
            raise Refused(401, "Unauthorized", "Unauthorized")
        rules = self.server.accounts[token]
        if (found := discovery(url.path, self.server.cluster)) is not None:
            return 200, found
        base, kind_path = _based(url.path)
        body = _decoded(raw, self.headers.get("Content-Type", ""))
        if kind_path and kind_path[-1] == "selfsubjectaccessreviews":
            return 201, {**body, "status": review(rules, body["spec"])}
        return self._resource(base, kind_path, query, (rules, body))

    def _resource(self, base, path, query, account):
        rules, body = account
        namespace, plural, name, sub = _parted(path)
        cluster = self.server.cluster
        with cluster.lock:
            kind = cluster.kind_of(base, plural)
            cluster.controllers.catch_up()
            asked = Asked(
                verb=_verb(self.command, name, query),
                group=kind.group,
                resource=f"{plural}/{sub[0]}" if sub else plural,
                namespace=namespace,
                name=name,
            )
            if not is_allowed(rules, asked):
                raise Refused(403, "Forbidden", _forbidden(asked))
            if sub and sub[0] == "proxy":
                return self._proxy(kind, namespace, name)
            if asked.verb != "watch":
                reply = self._do(kind, (namespace, name, sub[0] if sub else ""), query, body)
                return self._tabled(kind, *reply) if not sub else reply
        self._watch(kind, namespace, query)
        return None

    def _do(self, kind, place, query, body):
        namespace, name, sub = place
        cluster = self.server.cluster
        agent = self.headers.get("User-Agent", "unknown").split("/")[0]
        manager = query.get("fieldManager", agent)
        dry = query.get("dryRun") == "All"
        match self.command:
            case "GET" if name:
                found = cluster.get(kind, namespace, name)
                return 200, cluster.scale_of(found) if sub == "scale" else found
            case "GET":
                return 200, self._listed(kind, namespace, query)
            case "POST":
                return 201, cluster.create(kind, namespace, body, manager=manager, dry=dry)
            case "PUT" if sub == "scale":
                old = cluster.get(kind, namespace, name)
                return 200, cluster.set_scale(kind, old, body, manager, dry=dry)
            case "PUT":
                return 200, cluster.replace(kind, namespace, name, body, manager=manager, dry=dry)
            case "DELETE":
                return 200, cluster.delete(kind, namespace, name)
        content_type = self.headers.get("Content-Type", "").split(";")[0]
        options = {
            "strict": query.get("fieldValidation") == "Strict",
            "force": query.get("force") == "true",
        }
        return 200, cluster.patch(
            kind, place, content_type, body, manager=manager, dry=dry, **options
        )

    def _tabled(self, kind, status, value):
        """As a table where `kubectl get` asks for one."""
        if self.command != "GET" or ASKED not in self.headers.get("Accept", ""):
            return status, value
        items = value.get("items", [value])
        return status, table_of(kind.plural, items, value["metadata"]["resourceVersion"])

    def _listed(self, kind, namespace, query):
        cluster = self.server.cluster
        items = [each for each in cluster.find(kind.plural, namespace) if _matches(each, query)]
        return {
            "apiVersion": kind.api_version,
            "kind": f"{kind.kind}List",
            "metadata": {"resourceVersion": str(cluster.latest)},
            "items": items,
        }

    def _proxy(self, kind, namespace, name):
        pod = self.server.cluster.get(kind, namespace, name.split(":")[0])
        if pod["metadata"]["name"] in self.server.sick:
            raise Refused(503, "ServiceUnavailable", "the server is currently unable to handle")
        # As vLLM answers /health: nothing at all.
        raise Refused(200, "", "", plain=True)

    # -- watch ------------------------------------------------------------------

    def _watch(self, kind, namespace, query):
        """Streams events in chunks until the client leaves or the time is up."""
        cluster = self.server.cluster
        ends = cluster.moment() + min(WATCH_MAX_S, float(query.get("timeoutSeconds", WATCH_MAX_S)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        at = int(query.get("resourceVersion") or cluster.latest)
        with contextlib.suppress(OSError):
            while cluster.moment() < ends and not self.server.is_stopping.is_set():
                with cluster.lock:
                    found = cluster.events_after(kind.plural, at)
                    if not found:
                        cluster.changed.wait(0.05)
                        continue
                for number, _, event, value in found:
                    at = number
                    is_here = namespace in {"", value["metadata"].get("namespace", "")}
                    if is_here and _matches(value, query):
                        _, shown = self._tabled(kind, 200, value)
                        line = json.dumps({"type": event, "object": shown}).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    # -- answers ----------------------------------------------------------------

    def _send(self, status, value, headers=None):
        with self.server.cluster.lock:
            raw = json.dumps(value).encode()
        self._send_raw(status, raw, "application/json", headers)

    def _send_raw(self, status, raw, content_type, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def discovery(path, cluster):
    """What clients ask before they ask; None for everything else."""
    kinds = [each for each in KINDS.values() if not each.custom or each.plural in cluster.crds]
    path = path.rstrip("/")
    if path == "/version":
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.2"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = {each.group: each.version for each in kinds if each.group}
        groups = [
            {
                "name": group,
                "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
            }
            for group, version in sorted(versions.items())
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    here = [each for each in kinds if each.base == path]
    if not here:
        return None
    resources = [
        {
            "name": f"{each.plural}{sub}",
            "singularName": each.kind.lower(),
            "namespaced": each.namespaced,
            "kind": each.kind,
            "shortNames": [] if sub else SHORT_NAMES.get(each.plural, []),
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        }
        for each in here
        for sub in ("", *(["/scale"] if each.has_scale else []))
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": here[0].api_version,
        "resources": resources,
    }


def _based(path):
    parts = path.strip("/").split("/")
    size = 2 if parts[0] == "api" else 3
    return "/" + "/".join(parts[:size]), parts[size:]


def _parted(path):
    """(namespace, plural, name, subresource path)."""
    parts = list(path)
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    plural, *rest = [*parts, ""][: max(1, len(parts))] or [""]
    return namespace, plural, rest[0] if rest else "", rest[1:]


def _verb(method, name, query):
    if method != "GET":
        return VERBS[method]
    if query.get("watch") in {"true", "1"}:
        return "watch"
    return "get" if name else "list"


def _decoded(raw, content_type):
    if not raw:
        return None
    try:
        is_yaml = content_type.startswith(APPLY_PATCH) or "yaml" in content_type
        return yaml.safe_load(raw) if is_yaml else json.loads(raw)
    except ValueError:
        raise Refused(400, "BadRequest", "the body is no JSON") from None


def _matches(value, query):
    meta = value["metadata"]
    for term in filter(None, query.get("labelSelector", "").split(",")):
        name, _, wanted = term.replace("==", "=").partition("=")
        if meta.get("labels", {}).get(name) != wanted:
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        name, _, wanted = term.partition("=")
        if name == "metadata.name" and meta["name"] != wanted:
            return False
    return True


def _forbidden(asked):
    group = f' in API group "{asked.group}"'
    return (
        f'{asked.resource} "{asked.name}" is forbidden: User "tester" cannot {asked.verb}'
        f' resource "{asked.resource}"{group} in the namespace "{asked.namespace}"'
    )


def _status(code, reason, message, causes=()):
    found = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return found | ({"details": {"causes": causes}} if causes else {})
