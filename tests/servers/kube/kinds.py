"""The kinds of object that the fake knows, and what each demands of its objects."""

from __future__ import annotations

from dataclasses import dataclass

GATEWAY, ISTIO = "gateway.networking.k8s.io", "networking.istio.io"
WEIGHT_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A resource: where it is, and what it has."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    has_status: bool = True
    has_scale: bool = False
    has_generation: bool = False
    custom: bool = False

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base(self):
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


def _kinds():
    yield Kind(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
    yield Kind(group="", version="v1", plural="services", kind="Service")
    yield Kind(group="", version="v1", plural="pods", kind="Pod")
    yield Kind(group="", version="v1", plural="events", kind="Event", has_status=False)
    yield Kind(
        group="apps",
        version="v1",
        plural="deployments",
        kind="Deployment",
        has_scale=True,
        has_generation=True,
    )
    yield Kind(
        group="discovery.k8s.io",
        version="v1",
        plural="endpointslices",
        kind="EndpointSlice",
        has_status=False,
    )
    yield Kind(
        group="autoscaling",
        version="v2",
        plural="horizontalpodautoscalers",
        kind="HorizontalPodAutoscaler",
    )
    for group, plural, kind in (
        (GATEWAY, "httproutes", "HTTPRoute"),
        (ISTIO, "virtualservices", "VirtualService"),
        (ISTIO, "destinationrules", "DestinationRule"),
    ):
        yield Kind(
            group=group, version="v1", plural=plural, kind=kind, has_generation=True, custom=True
        )


KINDS = {(each.base, each.plural): each for each in _kinds()}

_MIRROR = {"backendRef", "percent", "fraction"}
_RULE = {"name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence"}


def unknown_fields(kind, value, gateway_version):
    """Drops what the installed schema does not know, in place; returns where it stood."""
    found = []
    if kind.plural != "httproutes":
        return found
    known = _MIRROR if gateway_version >= (1, 3) else _MIRROR - {"percent", "fraction"}
    for number, rule in enumerate(value.get("spec", {}).get("rules", ())):
        found += _dropped(rule, _RULE, f"spec.rules[{number}]")
        for place, one in enumerate(rule.get("filters", ())):
            where = f"spec.rules[{number}].filters[{place}].requestMirror"
            found += _dropped(one.get("requestMirror", {}), known, where)
    return found


def _dropped(holder, known, where):
    unknown = [name for name in holder if name not in known]
    for name in unknown:
        del holder[name]
    return [f'unknown field "{where}.{name}"' for name in unknown]


def invalid(kind, value):
    """Why the server refuses the object (422), or ""."""
    if kind.plural == "httproutes":
        for rule in value.get("spec", {}).get("rules", ()):
            for ref in rule.get("backendRefs", ()):
                weight = ref.get("weight", 1)
                is_int = isinstance(weight, int) and not isinstance(weight, bool)
                if not is_int or not 0 <= weight <= WEIGHT_MAX:
                    return f"spec.rules.backendRefs.weight: Invalid value: {weight!r}"
            names = [each["name"] for each in value["spec"]["rules"] if "name" in each]
            if len(set(names)) != len(names):
                return "spec.rules: Rule name must be unique within the route"
    if kind.plural == "services" and not isinstance(
        value.get("spec", {}).get("selector", {}), dict
    ):
        return "spec.selector: must be a map"
    if kind.plural == "deployments":
        replicas = value.get("spec", {}).get("replicas", 1)
        if not isinstance(replicas, int) or replicas < 0:
            return "spec.replicas: must be greater than or equal to 0"
    return ""
