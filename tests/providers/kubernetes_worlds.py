"""Services and routes of the fake cluster for the conformance suite."""

from __future__ import annotations

import json
from types import MappingProxyType

import yaml

from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.providers.kubernetes import Kubernetes, TargetSpec
from rolloutctl.providers.kubernetes.connection import forget
from rolloutctl.testing.conformance_world import Operation, ServiceFault
from servers.kube import manifests as m
from servers.kube.http import KubeServer
from servers.scripted import free_port

SECRET = "planted-service-account-token-0123456789"
BLUE, GREEN, RED = ({"app": "chat", "version": each} for each in ("blue", "green", "red"))


def made(cluster, *, replicas=3):
    """A namespace with two sides, each with its own Service, and one Service in front."""
    cluster.create(
        m.deployment("chat-blue", BLUE, replicas),
        m.deployment("chat-green", GREEN, replicas),
        m.service("chat", BLUE),
        m.service("chat-blue", BLUE),
        m.service("chat-green", GREEN),
        m.service("other", {"app": "chat"}),
    )


class KubernetesWorld:
    """One namespace of a cluster, by default a fake one, that knows one account."""

    secrets = (SECRET,)
    states = ()
    shadow = None
    spec = MappingProxyType({})
    arms = ("blue", "green")
    kind, name = "Service", "chat"

    def __init__(self, folder, *, server=None, namespace="chat"):
        self.folder, self.namespace = folder, namespace
        self.server = server or KubeServer()
        self.server.accounts = {SECRET: None, "somebody": None}
        self.hand = m.Hand(self.server.url, namespace, token="somebody")
        made(self.hand)
        self.prepare()
        self.provider = Kubernetes()
        self.target = self._target = self._make_target(self.server.url)

    def prepare(self):
        """Further objects."""

    def _make_target(self, url):
        forget()
        port = url.rpartition(":")[2]
        file = self.folder / f"kubeconfig-{port}.yaml"
        file.write_text(yaml.safe_dump(m.kubeconfig(url, token=SECRET)))
        spec = TargetSpec(
            context="lab",
            namespace=self.namespace,
            kubeconfig=str(file),
            **self.base_spec(),
            **self.spec,
        )
        control, canary = self.arms
        return Target(
            name="chat",
            provider="kubernetes",
            spec=spec,
            control=Arm(name="control", value=control),
            canary=Arm(name="canary", value=canary),
            shadow=self.shadow,
        )

    def base_spec(self):
        return {"strategy": "service-switch", "name": "chat"}

    def enter(self, state):
        raise NotImplementedError(state)

    def edit_elsewhere(self):
        place = "/metadata/labels"
        self.hand.edit(self.kind, self.name, [{"op": "add", "path": place, "value": {"a": "b"}}])

    def neighbour(self):
        return self.hand.get(self.kind, self.name)["metadata"].get("labels")

    def content(self):
        value = self.hand.get(self.kind, self.name)
        return json.dumps(value["spec"], sort_keys=True).encode()

    def break_next(self, operation, fault):
        if fault is ServiceFault.HALF_DONE:
            return False  # one patch
        if fault is ServiceFault.LOST_ANSWER and operation is Operation.OBSERVE:
            return False
        if fault is ServiceFault.CONFLICT and operation is Operation.OBSERVE:
            return False
        if fault is ServiceFault.UNREACHABLE:
            self.target = self._make_target(f"http://127.0.0.1:{free_port()}")
            return True
        is_read = operation is Operation.OBSERVE
        self.server.fault_on = frozenset() if is_read else frozenset({"PATCH"})
        self.server.fault = fault.value
        return True

    def mend(self):
        self.server.fault = None
        self.target = self._target

    def advance(self, seconds):
        """Its controllers need milliseconds."""

    def close(self):
        self.server.close()
        forget()


class SwitchWorld(KubernetesWorld):
    """Blue and green behind one Service."""

    states = ("a third colour", "no label", "another key")

    def enter(self, state):
        selector = {
            "a third colour": RED,
            "no label": {"app": "chat"},
            "another key": BLUE | {"app": "chat"},
        }[state]
        place = "/spec/selector"
        self.hand.edit("Service", "chat", [{"op": "replace", "path": place, "value": selector}])

    def edit_outside(self):
        place = "/spec/selector/version"
        now = self.hand.get("Service", "chat")["spec"]["selector"].get("version")
        other = "blue" if now == "green" else "green"
        self.hand.edit("Service", "chat", [{"op": "replace", "path": place, "value": other}])


class SideServicesWorld(SwitchWorld):
    """The same, where each side has a Service of its own."""

    spec = MappingProxyType({"side_services": "chat-{}"})


class RouteWorld(KubernetesWorld):
    """Weights of a route; neighbours are a second rule and a filter of somebody else."""

    arms = ("chat-blue", "chat-green")
    rules = ""

    def rule_path(self):
        return f"/spec/{self.rules}/0"

    def refs(self, **weights):
        """Backends with weights; None states none."""
        raise NotImplementedError

    def enter(self, state):
        refs = {
            "a third backend": {"chat-blue": 50, "chat-green": 25, "other": 25},
            "nobody has a weight": {"chat-blue": 0, "chat-green": 0},
            "no weight is written": {"chat-blue": None, "chat-green": None},
        }[state]
        self.set_refs(refs)

    def set_refs(self, weights):
        value = self.refs(**weights)
        path = f"{self.rule_path()}/{self.refs_key}"
        self.hand.edit(self.kind, self.name, [{"op": "replace", "path": path, "value": value}])

    def edit_outside(self):
        self.set_refs({"chat-blue": 70, "chat-green": 30})


class GatewayWorld(RouteWorld):
    """Two Services behind an HTTPRoute."""

    states = ("a third backend", "nobody has a weight", "no weight is written")
    kind, name, rules, refs_key = "HTTPRoute", "chat", "rules", "backendRefs"
    shadow = ShadowFlag(flag="chat-green")

    def prepare(self):
        header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
        split = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
            "filters": [header],
            "backendRefs": self.refs(**{"chat-blue": 100, "chat-green": 0}),
        }
        other = {"name": "other", "backendRefs": [{"name": "other", "port": 80}]}
        self.hand.create(m.httproute("chat", [split, other]))

    def refs(self, **weights):
        return [
            {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})
            for name, weight in weights.items()
        ]

    def base_spec(self):
        return {"strategy": "gateway", "name": "chat"}


class BareGatewayWorld(GatewayWorld):
    """No filter of anybody, a weight that is not written, a rule that is named."""

    spec = MappingProxyType({"rule": "split"})

    def prepare(self):
        split = {"name": "split", "backendRefs": self.refs(**{"chat-blue": None, "chat-green": 0})}
        self.hand.create(m.httproute("chat", [split]))


class IstioWorld(RouteWorld):
    """Two subsets of one host behind a VirtualService."""

    states = ("a third backend", "nobody has a weight")
    kind, name, rules, refs_key = "VirtualService", "chat", "http", "route"
    shadow = ShadowFlag(flag="chat-green")

    def prepare(self):
        labels = {"chat-blue": "blue", "chat-green": "green", "other": "blue"}
        self.hand.create(m.destinationrule("other", labels))
        http = [{"route": self.refs(**{"chat-blue": 100, "chat-green": 0}), "timeout": "3s"}]
        self.hand.create(m.virtualservice("chat", http))

    def refs(self, **weights):
        return [
            {"destination": {"host": "other", "subset": name}}
            | ({} if weight is None else {"weight": weight})
            for name, weight in weights.items()
        ]

    def base_spec(self):
        return {"strategy": "istio", "name": "chat"}


class ReplicasWorld(KubernetesWorld):
    """Four pods of two Deployments behind one Service."""

    states = ("a third Deployment", "more pods than stated", "no pod at all")
    arms = ("chat-blue", "chat-green")
    kind, name = "Deployment", "chat-blue"
    counts = {"chat-blue": 4, "chat-green": 0}  # noqa: RUF012 - read only

    def prepare(self):
        self.hand.create(m.deployment("chat-red", RED, 0))
        self._scale(self.counts)

    def _scale(self, counts):
        for name, count in counts.items():
            self.hand.scale(name, count)

    def base_spec(self):
        return {"strategy": "replicas", "name": "other", "replicas": 4}

    def enter(self, state):
        counts = {
            "a third Deployment": {"chat-blue": 2, "chat-green": 1, "chat-red": 1},
            "more pods than stated": {"chat-blue": 4, "chat-green": 4},
            "no pod at all": {"chat-blue": 0, "chat-green": 0, "chat-red": 0},
        }[state]
        self._scale(counts)

    def edit_outside(self):
        self._scale({"chat-green": 3})

    def break_next(self, operation, fault):
        if fault is ServiceFault.LOST_ANSWER and operation is not Operation.OBSERVE:
            return False  # two patches: the second is what may be lost
        if fault is ServiceFault.HALF_DONE and operation in {Operation.APPLY, Operation.RESTORE}:
            super().break_next(operation, ServiceFault.TIMEOUT)
            self.server.fault_skips = 1
            return True
        return super().break_next(operation, fault)

    def content(self):
        names = ("chat-blue", "chat-green")
        specs = [self.hand.get("Deployment", name)["spec"] for name in names]
        return json.dumps(specs, sort_keys=True).encode()


WORLDS = {
    "service-switch": SwitchWorld,
    "side services": SideServicesWorld,
    "gateway": GatewayWorld,
    "bare gateway": BareGatewayWorld,
    "istio": IstioWorld,
    "replicas": ReplicasWorld,
}
