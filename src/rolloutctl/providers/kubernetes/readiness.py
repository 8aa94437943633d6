"""Who is ready to get traffic: pods, EndpointSlices, Deployments.

EndpointSlices are what a data plane reads; Endpoints are deprecated since Kubernetes 1.33.
https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from rolloutctl.clock import SystemClock, random_suffix
from rolloutctl.errors import NotFound, Rejected, Unavailable
from rolloutctl.providers.kubernetes.api import Api, Object
from rolloutctl.providers.kubernetes.strategy import Side

SERVICE_LABEL = "kubernetes.io/service-name"
#: What cleanup notes on a Deployment that it scales down, for the way back.
REPLICAS_NOTE = "rolloutctl/replicas"
#: A kill writes a new value here, so that the version moves even where nothing changes.
FENCE = "rolloutctl/fence"
#: A cleanup notes here, on the Service or route, that the control may be gone.
CLEANED = "rolloutctl/cleaned"
#: On the way back the old side must have this share of what serves now, or it is brought up
#: first: all of it would let one broken pod of thirty hold up a kill, one pod of thirty would
#: fall over.
WAY_BACK_SHARE = 0.5
#: First and longest wait between two looks, in seconds.
LOOK_FIRST_S, LOOK_MAX_S = 0.01, 0.5
#: Pods whose health is asked for.
HEALTH_MAX = 20


def core(namespace: str, plural: str, name: str = "") -> str:
    """Path of a core object or collection."""
    return f"/api/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def apps(namespace: str, name: str = "") -> str:
    """Path of a Deployment, or of all."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments" + (f"/{name}" if name else "")


def serving(api: Api, namespace: str, service: str) -> frozenset[str]:
    """Names of the ready endpoints of a Service, from all of its slices."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    found = set()
    for piece in api.listed(path, labels={SERVICE_LABEL: service}):
        for endpoint in piece.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            # The API's own rule: an unknown readiness is to be read as ready.
            if conditions.get("ready") is not False and not conditions.get("terminating"):
                target = endpoint.get("targetRef") or {}
                found.add(str(target.get("name") or endpoint["addresses"][0]))
    return frozenset(found)


def ready_of(api: Api, side: Side) -> frozenset[str]:
    """Names of the side's ready pods."""
    if side.service and not side.subset:
        return serving(api, side.namespace, side.service)
    pods = api.listed(core(side.namespace, "pods"), labels=labels_of(api, side))
    return frozenset(each["metadata"]["name"] for each in pods if is_ready(each))


def is_ready(pod: Object) -> bool:
    """Ready, and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def labels_of(api: Api, side: Side) -> Mapping[str, str]:
    """The labels of the side's pods. Raises `Rejected` for a Service without a selector."""
    if side.labels:
        return side.labels
    service = api.get(core(side.namespace, "services", side.service))
    selector = service["spec"].get("selector")
    if not isinstance(selector, dict) or not selector:
        raise Rejected(
            f"Service {side.namespace}/{side.service} has no selector",
            hint="only Services that choose their pods by labels can be judged",
        )
    return {**selector, **_subset_labels(api, side)} if side.subset else selector


def _subset_labels(api: Api, side: Side) -> Mapping[str, str]:
    """Of Istio's DestinationRule for the host. Raises `Rejected` if no rule has the subset."""
    path = f"/apis/networking.istio.io/v1/namespaces/{side.namespace}/destinationrules"
    for rule in api.listed(path):
        spec = rule.get("spec") or {}
        if str(spec.get("host", "")).partition(".")[0] != side.service:
            continue
        for subset in spec.get("subsets") or ():
            if subset.get("name") == side.subset:
                return dict(subset.get("labels") or {})
    raise Rejected(
        f"no DestinationRule in {side.namespace} has the subset {side.subset} of {side.host}",
        hint="traffic to a subset that nobody declares is answered with 503",
    )


def deployments_of(api: Api, side: Side) -> list[Object]:
    """The Deployments whose pods the side's labels choose."""
    labels = labels_of(api, side)
    return [
        each
        for each in api.listed(apps(side.namespace))
        if labels.items() <= (each["spec"]["template"]["metadata"].get("labels") or {}).items()
    ]


def raise_unless_ready(api: Api, side: Side, needed: int) -> None:
    """SAFETY: before any patch that sends traffic there.

    Raises `Unavailable`: pods that start are a matter of time.
    """
    for deployment in deployments_of(api, side):
        meta, status = deployment["metadata"], deployment.get("status") or {}
        if int(status.get("observedGeneration") or 0) < meta.get("generation", 0):
            raise Unavailable(
                f"Deployment {meta['name']}: its controller has not seen the newest change",
                hint="it is tried again",
            )
    found = len(ready_of(api, side))
    if found < max(1, needed):
        raise Unavailable(
            f"{side.name} gets no traffic: {found} of {max(1, needed)} pods ready",
            hint=f"look: kubectl --namespace {side.namespace} get pods"
            f" --selector '{_selector(labels_of(api, side))}'",
        )


def raise_unless_healthy(api: Api, side: Side) -> None:
    """Asks each pod through the API server. Raises `Unavailable` with the first that is not."""
    spec = api.spec
    if not spec.health_path:
        return
    for name in sorted(ready_of(api, side))[:HEALTH_MAX]:
        path = core(side.namespace, "pods", f"{name}:{spec.health_port}")
        try:
            api.raise_unless_ok(f"{path}/proxy{spec.health_path}")
        except (Unavailable, NotFound, Rejected) as error:
            raise Unavailable(
                f"{side.name} gets no traffic: pod {name} does not answer {spec.health_path}:"
                f" {error.message}",
                hint="any 2xx answer is healthy",
            ) from error


def bring_up(api: Api, side: Side, served: int) -> str:
    """On the way back: enough of the side is ready, or is scaled up and awaited.

    Says what was scaled, "" if nothing had to be. Raises `Unavailable` if it is not ready in
    time: what serves now goes on serving.
    """
    needed = way_back_needs(served)
    if len(ready_of(api, side)) >= needed:
        return ""
    deployments = deployments_of(api, side)
    done = [_scaled(api, each, max(served, needed)) for each in deployments]
    wait_until(api, lambda: len(ready_of(api, side)) >= needed)
    found = len(ready_of(api, side))
    if found < needed:
        what = "; ".join(filter(None, done)) or "no Deployment of it was found"
        raise Unavailable(
            f"{side.name} has {found} of {needed} ready pods that the way back needs ({what});"
            " what serves now goes on serving",
            hint="kill again when its pods are ready:"
            f" kubectl --namespace {side.namespace} get pods --watch",
        )
    return "; ".join(one for one in done if " scaled " in one)


def reclaim(api: Api, side: Side) -> None:
    """After a cleanup, even one that is under way: the side is started, and its version moves.

    SAFETY: a cleanup that was decided before scales down by compare-and-set, so it is refused
    from here on; one that was done is undone, and `bring_up` waits for it.

    Raises `Unavailable` where nothing is left to start; slices may still name its pods.
    """
    deployments = deployments_of(api, side)
    if not deployments:
        raise Unavailable(
            f"{side.name} was cleaned up, and no Deployment of it is left;"
            " what serves now goes on serving",
            hint="create it again, then kill: kubectl apply",
        )
    for deployment in deployments:
        meta, spec = deployment["metadata"], deployment["spec"]
        noted = str((meta.get("annotations") or {}).get(REPLICAS_NOTE, ""))
        current = int(spec.get("replicas", 1))
        wanted = current or (int(noted) if noted.isdigit() else 0) or 1
        change = {
            "metadata": {"annotations": {FENCE: random_suffix(10)}},
            "spec": {"replicas": wanted},
        }
        api.merge(apps(meta["namespace"], meta["name"]), change)


def way_back_needs(served: int) -> int:
    """How many ready pods the old side must have where `served` serve now."""
    return max(1, math.ceil(served * WAY_BACK_SHARE))


def _scaled(api: Api, deployment: Object, wanted: int) -> str:
    meta, spec = deployment["metadata"], deployment["spec"]
    noted = str((meta.get("annotations") or {}).get(REPLICAS_NOTE, ""))
    wanted = int(noted) if noted.isdigit() and int(noted) > 0 else wanted
    current = int(spec.get("replicas", 1))
    if current >= wanted:
        return f"Deployment {meta['name']} has {current} replicas, not all ready"
    scale = {"spec": {"replicas": wanted}}
    api.merge(f"{apps(meta['namespace'], meta['name'])}/scale", scale)
    return f"Deployment {meta['name']} scaled from {current} to {wanted}"


def wait_until(api: Api, is_so: Callable[[], bool], *, limit_s: float = math.inf) -> bool:
    """Looks until it is so, the limit or the call's deadline; False if it never was."""
    clock, wait_s = SystemClock(), LOOK_FIRST_S
    ends_at_s = api.deadline.remaining_s - limit_s
    while not is_so():
        # A last second is kept for whatever must be written back.
        if api.deadline.remaining_s <= max(1.0, ends_at_s) + wait_s:
            return False
        clock.sleep(wait_s)
        wait_s = min(LOOK_MAX_S, wait_s * 2)
    return True


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
