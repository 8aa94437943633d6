"""Objects that tests and labs put into a cluster, through its API like anybody."""

from __future__ import annotations

import json
import urllib.request


def deployment(name, labels, replicas=3):
    """A Deployment of pods with these labels."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}]},
            },
        },
    }


def service(name, selector):
    """A Service in front of them."""
    spec = {"ports": [{"port": 80, "targetPort": 8080}], "selector": selector}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def httproute(name, rules):
    """An HTTPRoute of a gateway that need not exist."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": rules},
    }


def virtualservice(name, http):
    """A VirtualService of Istio."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": [name], "http": http},
    }


def destinationrule(name, subsets):
    """A DestinationRule whose subsets are versions."""
    found = [{"name": each, "labels": {"version": labels}} for each, labels in subsets.items()]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name},
        "spec": {"host": name, "subsets": found},
    }


def kubeconfig(url, *, token="", context="lab", namespace="chat"):
    """A kubeconfig with one context, as a document."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token} if token else {}}],
        "contexts": [
            {"name": context, "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        ],
        "current-context": context,
    }


_BASES = {
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{}/virtualservices",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{}/destinationrules",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
}


class Hand:
    """Somebody with a plain HTTP client: creates, reads and edits objects."""

    def __init__(self, url, namespace="chat", token=""):
        self.url, self.namespace, self.token = url, namespace, token

    def path(self, kind, name="", sub=""):
        return "/".join(filter(None, (_BASES[kind].format(self.namespace), name, sub)))

    def ask(self, method, path, body=None, content_type="application/json"):
        headers = {"Content-Type": content_type, "User-Agent": "kubectl-edit/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - loopback, http only
            self.url + path, data=raw, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.load(answer)

    def create(self, *objects):
        for each in objects:
            self.ask("POST", self.path(each["kind"]), each)

    def get(self, kind, name):
        return self.ask("GET", self.path(kind, name))

    def edit(self, kind, name, operations):
        """A JSON patch, as somebody with kubectl edit."""
        patch = "application/json-patch+json"
        return self.ask("PATCH", self.path(kind, name), operations, patch)

    def scale(self, name, replicas):
        body = {"spec": {"replicas": replicas}}
        patch = "application/merge-patch+json"
        return self.ask("PATCH", self.path("Deployment", name, "scale"), body, patch)

    def slices(self, service):
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        found = self.ask("GET", f"{path}?labelSelector=kubernetes.io/service-name={service}")
        return sorted(
            one["targetRef"]["name"]
            for each in found["items"]
            for one in each["endpoints"] or ()
            if one["conditions"]["ready"]
        )
