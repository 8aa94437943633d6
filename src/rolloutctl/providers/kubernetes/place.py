"""Where traffic is split: a target's own keys, and `kubernetes://CONTEXT/NAMESPACE/…`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.target import Target
from rolloutctl.core.units import Name, doc
from rolloutctl.errors import Rejected, UsageError

SCHEME = "kubernetes"
IN_CLUSTER = "in-cluster"
SERVICE_SWITCH, GATEWAY, ISTIO, REPLICAS = "service-switch", "gateway", "istio", "replicas"
STRATEGIES = (SERVICE_SWITCH, GATEWAY, ISTIO, REPLICAS)
_FORM = f"{SCHEME}://CONTEXT/NAMESPACE/{SERVICE_SWITCH}/SERVICE?label=version"
_PLACE_PARTS = 3
#: Names of objects: RFC 1123, as the API server checks them.
_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")
#: Keys that an address carries behind `?` where they are not at their default: without them a
#: kill would write another thing, or another cluster.
_IDENTITY = ("label", "rule", "kubeconfig")
#: Keys that whoever types an address may add.
_EXTRA = (*_IDENTITY, "side_services")
REPLICAS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The keys of a `kubernetes` target."""

    context: Name = doc(
        "Context of the kubeconfig, or in-cluster. Always named: whatever context happens to be"
        " current must not decide which cluster is changed."
    )
    namespace: Name = doc("Namespace.")
    strategy: Name = doc(
        "service-switch (a Service's selector), gateway (weights of an HTTPRoute), istio"
        " (weights of a VirtualService) or replicas (pods of two Deployments)."
    )
    name: Name = doc("The Service, HTTPRoute or VirtualService.")
    label: Name = doc(
        "service-switch: the label of the selector whose value is the arm (version).",
        default="version",
    )
    rule: Name = doc(
        "gateway, istio: name of the rule that is split (every rule with both arms).", default=""
    )
    side_services: Name = doc(
        "service-switch: a Service for each side, {} for the arm: chat-{}. Then the kill needs"
        " no right to list pods.",
        default="",
    )
    ready: int = doc(
        "How many ready pods the side must have that gets traffic (service-switch: as many as"
        " serve now; others: 1).",
        default=0,
    )
    health_path: str = doc(
        "Path that each pod of the canary must answer with 2xx before it gets traffic, asked"
        " through the API server (none).",
        default="",
    )
    health_port: int = doc("Port of health_path.", default=8080)
    replicas: int = doc("replicas: pods of both Deployments together.", default=0)
    kubeconfig: str = doc("Another kubeconfig than $KUBECONFIG or ~/.kube/config.", default="")


_DEFAULTS = {
    each.name: each.default for each in fields(TargetSpec) if isinstance(each.default, (str, int))
}


def spec_of(target: Target) -> TargetSpec:
    """The target's own keys. Raises `Rejected` for what cannot be a target."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    for key, message, fix in spec_problems(target.spec):
        raise Rejected(f"target {target.name}: {key}: {message}", hint=fix)
    return target.spec


def spec_problems(spec: TargetSpec) -> Sequence[tuple[str, str, str]]:
    """What is wrong with the keys: (key, message, fix) each."""
    return tuple(_problems(spec))


def _problems(spec: TargetSpec) -> Iterator[tuple[str, str, str]]:
    if spec.strategy not in STRATEGIES:
        yield "strategy", f"{spec.strategy!r} is no strategy", f"one of {', '.join(STRATEGIES)}"
        return
    for key in ("namespace", "name"):
        if not _OBJECT.fullmatch(value := getattr(spec, key)):
            yield key, f"{value!r} is no name of an object", "a-z, 0-9, - and ."
    if not _LABEL.fullmatch(spec.label):
        yield "label", f"{spec.label!r} is no label key", "write label: version"
    if not spec.context:
        fix = f"kubectl config get-contexts names them; inside a pod write {IN_CLUSTER}"
        yield "context", "no context is named", fix
    yield from _misplaced(spec)
    yield from _numbers(spec)


def _misplaced(spec: TargetSpec) -> Iterator[tuple[str, str, str]]:
    belongs = {
        "label": (SERVICE_SWITCH,),
        "side_services": (SERVICE_SWITCH,),
        "rule": (GATEWAY, ISTIO),
        "replicas": (REPLICAS,),
    }
    for key, strategies in belongs.items():
        if getattr(spec, key) != _DEFAULTS[key] and spec.strategy not in strategies:
            yield key, f"{spec.strategy} has no {key}", f"remove it, or use {strategies[0]}"
    if spec.side_services and spec.side_services.count("{}") != 1:
        fix = "write side_services: chat-{}"
        yield "side_services", f"{spec.side_services!r} has no place for the arm", fix


def _numbers(spec: TargetSpec) -> Iterator[tuple[str, str, str]]:
    if spec.ready < 0:
        yield "ready", f"{spec.ready} pods cannot be ready", "write ready: 3"
    if spec.health_path and not spec.health_path.startswith("/"):
        yield "health_path", f"{spec.health_path!r} is no path", f"write /{spec.health_path}"
    if spec.strategy == REPLICAS and not 0 < spec.replicas <= REPLICAS_MAX:
        fix = "write how many pods both Deployments have together: replicas: 10"
        yield "replicas", f"{spec.replicas} pods cannot be shared", fix
    elif spec.strategy == REPLICAS and FULL_BP % spec.replicas:
        near = max(count for count in range(1, spec.replicas) if FULL_BP % count == 0)
        message = f"a share of {spec.replicas} pods is no whole number of basis points"
        yield "replicas", message, f"write replicas: {near}, or split a route"


def format_address(target: Target) -> str:
    """The address; what stands behind `?` tells apart what shares an object."""
    if not isinstance(target.spec, TargetSpec):
        raise TypeError(f"target {target.name} was not built for {SCHEME}")
    spec = target.spec
    place = (spec.context, spec.namespace, spec.strategy, spec.name)
    path = "/".join(quote(each, safe="") for each in place)
    kept = {name: getattr(spec, name) for name in _IDENTITY}
    extra = {name: value for name, value in kept.items() if value != _DEFAULTS[name]}
    return f"{SCHEME}://{path}" + (f"?{urlencode(extra)}" if extra else "")


def parse_address(address: str) -> Mapping[str, str]:
    """Fields of `TargetSpec`. Raises `UsageError` with the right form."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UsageError(f"{address!r} is not an address: {error}", hint=f"write {_FORM}") from None
    place = [unquote(each) for each in (parts.netloc, *parts.path.split("/")[1:])]
    extra = dict(parse_qsl(parts.query))
    is_whole = len(place) == _PLACE_PARTS + 1 and all(place)
    if parts.scheme != SCHEME or not is_whole or extra.keys() - set(_EXTRA):
        raise UsageError(
            f"{address!r} is not the address of a Service or route", hint=f"write {_FORM}"
        )
    if place[2] not in STRATEGIES:
        raise UsageError(
            f"{address!r}: {place[2]!r} is none of {', '.join(STRATEGIES)}", hint=f"write {_FORM}"
        )
    return dict(zip(("context", "namespace", "strategy", "name"), place, strict=True)) | extra
