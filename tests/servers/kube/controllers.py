"""What a cluster does by itself: pods for Deployments, slices for Services, route status.

Everything happens a little after its cause. `slice_lag_s` is the time from a selector's
change to its EndpointSlice; a Service of more than 100 pods has several slices, which
follow one after the other, so that for some milliseconds they disagree.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading

from servers.kube.kinds import KINDS

SLICE_MAX = 100
TICK_S = 0.002
POD, SLICE, DEPLOYMENT, SERVICE, ROUTE = (
    next(each for each in KINDS.values() if each.kind == name)
    for name in ("Pod", "EndpointSlice", "Deployment", "Service", "HTTPRoute")
)
MANAGER = "kube-controller-manager"


class Controllers:
    """Runs after every write and on every tick; holds the cluster's lock meanwhile."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.slice_lag_s = 0.008
        #: Seconds from a pod's creation to its readiness.
        self.startup_s = 0.0
        #: Deployments whose new pods never become ready.
        self.broken = set()
        #: Deployments that their controller has not got to yet.
        self.unseen = set()
        #: Whether somebody looks after HTTPRoutes and writes their status.
        self.has_gateway = True
        self._due = {}
        self._is_working = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        """Once: a server that comes back finds them running."""
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join(5)

    def _run(self):
        while not self._ended.wait(TICK_S):
            with self.cluster.lock:
                self.catch_up()

    def catch_up(self):
        """What is due by now; a look at a cluster where nothing is costs nothing."""
        if self._due:
            self.wake()

    def wake(self):
        """Everything that is due; a write of ours does not wake us again."""
        if self._is_working:
            return
        self._is_working = True
        try:
            for each in self.cluster.find("deployments", ""):
                if each["metadata"]["name"] not in self.unseen:
                    self._keep_pods(each)
            self._drop_orphans()
            for each in self.cluster.find("services", ""):
                self._keep_slices(each)
            if self.has_gateway and "httproutes" in self.cluster.crds:
                for each in self.cluster.find("httproutes", ""):
                    self._keep_route(each)
        finally:
            self._is_working = False

    # -- pods -------------------------------------------------------------------

    def _keep_pods(self, deployment):
        meta = deployment["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        wanted = deployment["spec"].get("replicas", 1)
        pods = self._pods_of(deployment)
        for number in range(wanted):
            if f"{name}-{number}" not in pods:
                self._make_pod(deployment, f"{name}-{number}")
        for pod in sorted(pods, key=_number)[::-1]:
            if _number(pod) >= wanted:
                self.cluster.delete(POD, namespace, pod)
        pods = self._pods_of(deployment)
        for pod in pods.values():
            self._age(pod, name)
        ready = sum(is_ready(each) for each in self._pods_of(deployment).values())
        available = "True" if ready >= wanted else "False"
        status = {
            "observedGeneration": meta["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": wanted - ready,
            "conditions": [{"type": "Available", "status": available}],
        }
        self._set_status(DEPLOYMENT, deployment, status)

    def _pods_of(self, deployment):
        meta = deployment["metadata"]
        return {
            each["metadata"]["name"]: each
            for each in self.cluster.find("pods", meta["namespace"])
            if each["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]
        }

    def _make_pod(self, deployment, name):
        meta = deployment["metadata"]
        template = deployment["spec"]["template"]
        owner = {"kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True}
        digest = hashlib.sha256(f"{meta['uid']}/{name}".encode()).digest()
        value = {
            "metadata": {
                "name": name,
                "labels": dict(template["metadata"]["labels"]),
                "ownerReferences": [owner],
            },
            "spec": template.get("spec", {}),
            "status": status_of(is_up=False) | {"podIP": f"10.{digest[0]}.{digest[1]}.{digest[2]}"},
        }
        self.cluster.create(POD, meta["namespace"], value, manager=MANAGER)
        self._due[meta["namespace"], name] = self.cluster.moment() + self.startup_s

    def _age(self, pod, deployment):
        meta = pod["metadata"]
        due = self._due.get((meta["namespace"], meta["name"]))
        if due is None or deployment in self.broken or self.cluster.moment() < due:
            return
        del self._due[meta["namespace"], meta["name"]]
        self._set_status(POD, pod, {**pod["status"], **status_of(is_up=True)})

    def _drop_orphans(self):
        owners = {each["metadata"]["uid"] for each in self.cluster.find("deployments", "")}
        for pod in self.cluster.find("pods", ""):
            if pod["metadata"]["ownerReferences"][0]["uid"] not in owners:
                meta = pod["metadata"]
                self.cluster.delete(POD, meta["namespace"], meta["name"])

    def set_ready(self, namespace, name, *, is_up):
        """A pod's kubelet reports that its readiness changed; nothing sets it back."""
        with self.cluster.lock:
            pod = self.cluster.get(POD, namespace, name)
            self._due.pop((namespace, name), None)
            self._set_status(POD, pod, {**pod["status"], **status_of(is_up=is_up)})

    # -- slices -----------------------------------------------------------------

    def _keep_slices(self, service):
        meta = service["metadata"]
        selector = service["spec"].get("selector")
        if not selector:
            return
        pods = [
            each
            for each in self.cluster.find("pods", meta["namespace"])
            if selector.items() <= each["metadata"].get("labels", {}).items()
        ]
        chunks = [pods[at : at + SLICE_MAX] for at in range(0, len(pods), SLICE_MAX)] or [[]]
        names = [f"{meta['name']}-{number:05d}" for number in range(len(chunks))]
        for number, (name, chunk) in enumerate(zip(names, chunks, strict=True)):
            self._keep_slice(service, name, chunk, lag_s=self.slice_lag_s * (number + 1))
        for each in self.cluster.find("endpointslices", meta["namespace"]):
            labels, name = each["metadata"]["labels"], each["metadata"]["name"]
            if labels["kubernetes.io/service-name"] == meta["name"] and name not in names:
                self._keep_slice(service, name, [], lag_s=self.slice_lag_s)

    def _keep_slice(self, service, name, pods, *, lag_s):
        namespace = service["metadata"]["namespace"]
        endpoints = [_endpoint(each) for each in pods] or None
        old = self.cluster.objects.get(("endpointslices", namespace, name))
        key = (namespace, f"slice/{name}")
        if old is not None and old["endpoints"] == endpoints:
            self._due.pop(key, None)
            return
        due = self._due.setdefault(key, self.cluster.moment() + lag_s)
        if old is not None and self.cluster.moment() < due:
            return
        self._due.pop(key, None)
        if old is not None:
            new = {**old, "metadata": dict(old["metadata"]), "endpoints": endpoints}
            self.cluster.replace(SLICE, namespace, name, new, manager=MANAGER)
            return
        value = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
            },
            "addressType": "IPv4",
            "ports": [{"port": 8080, "protocol": "TCP", "name": ""}],
            "endpoints": endpoints,
        }
        self.cluster.create(SLICE, namespace, value, manager=MANAGER)

    # -- routes -----------------------------------------------------------------

    def _keep_route(self, route):
        meta = route["metadata"]
        services = {each["metadata"]["name"] for each in self.cluster.find("services", "")}
        names = {
            ref["name"]
            for rule in route["spec"].get("rules", ())
            for ref in rule.get("backendRefs", ())
        }
        missing = sorted(names - services)
        resolved = _condition("ResolvedRefs", not missing, meta, "BackendNotFound")
        if missing:
            resolved["message"] = f"backend {missing[0]} not found"
        parent = {
            "parentRef": route["spec"].get("parentRefs", [{"name": "gateway"}])[0],
            "controllerName": "example.com/gateway",
            "conditions": [_condition("Accepted", True, meta, "Accepted"), resolved],
        }
        self._set_status(ROUTE, route, {"parents": [parent]})

    def _set_status(self, kind, value, status):
        if value.get("status") == status:
            return
        meta = value["metadata"]
        place = (meta["namespace"], meta["name"], "status")
        body = [{"op": "add", "path": "/status", "value": status}]
        kind_of = "application/json-patch+json"
        self.cluster.patch(kind, place, kind_of, body, manager=MANAGER)


def status_of(*, is_up, waiting="ContainerCreating", restarts=0):
    """A pod's status as its kubelet would report it."""
    state = {"running": {}} if is_up else {"waiting": {"reason": waiting}}
    container = {"name": "main", "ready": is_up, "restartCount": restarts, "state": state}
    return {
        "phase": "Running" if is_up else "Pending",
        "conditions": [{"type": "Ready", "status": "True" if is_up else "False"}],
        "containerStatuses": [container],
    }


def is_ready(pod):
    """Whether its condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _endpoint(pod):
    meta, up = pod["metadata"], is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": up, "serving": up, "terminating": False},
        "targetRef": {
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
    }


def _condition(kind, is_true, meta, reason):
    return {
        "type": kind,
        "status": "True" if is_true else "False",
        "reason": kind if is_true else reason,
        "observedGeneration": meta["generation"],
    }


def _number(pod):
    with contextlib.suppress(ValueError):
        return int(pod.rpartition("-")[2])
    return 0
