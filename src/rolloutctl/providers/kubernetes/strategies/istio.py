"""Istio: weights of a VirtualService's destinations, and its mirror for the shadow.

An arm is the subset of a destination, or its host where it has none. Without Istio's webhook
the API server takes any numbers, so only percents that sum to 100 are written.
https://istio.io/latest/docs/reference/config/networking/virtual-service/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rolloutctl.core.answers import Capabilities
from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes.place import ISTIO, TargetSpec
from rolloutctl.providers.kubernetes.strategies.routed import Mirror, Routed
from rolloutctl.providers.kubernetes.strategies.weights import Op, Rule, Shape
from rolloutctl.providers.kubernetes.strategy import Permission, Side

_MIRROR, _SHARE = "mirror", "mirrorPercentage"
#: Older names of the same share; the server still takes them.
_OLD_SHARES = ("mirrorPercent", "mirror_percent")


def _name_of(ref: Mapping[str, Any]) -> str:
    """The subset, or the host where there is none."""
    destination = ref.get("destination") or {}
    return str(destination.get("subset") or destination.get("host", ""))


def _side(ref: Mapping[str, Any], namespace: str) -> Side:
    destination = ref.get("destination") or {}
    host, subset = str(destination.get("host", "")), str(destination.get("subset") or "")
    service, _, rest = host.partition(".")
    where = rest.partition(".")[0] or namespace
    name = f"Service {service}" + (f", subset {subset}" if subset else "")
    return Side(name=name, namespace=where, service=service, subset=subset, host=host)


class Istio(Routed):
    """Whole percents; mirrored requests in any share."""

    name: ClassVar[str] = ISTIO
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=100,
        shadow=True,
        conditional_write=True,
        write_timeout_s=30.0,
        propagation_s=5.0,
    )
    owned_path: ClassVar[tuple[str, ...]] = ("spec", "http")
    group: ClassVar[str] = "networking.istio.io"
    plural: ClassVar[str] = "virtualservices"
    shape: ClassVar[Shape] = Shape(
        rules="http",
        refs="route",
        name_of=_name_of,
        default=lambda count: 100 if count == 1 else 0,
        identity="destination",
        side_of=_side,
    )

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """See `Strategy.permissions`; subsets are labels that a DestinationRule holds."""
        rules = Permission(verb="list", resource="destinationrules", group=self.group)
        return [*super().permissions(spec), rules, Permission(verb="list", resource="pods")]

    def mirror_of(self, rule: Rule, target: Target) -> Mirror | None:
        """See `Routed`; both keys as they stand."""
        if _MIRROR not in rule.body or not _is_ours(rule.body[_MIRROR], target):
            return None
        names = (_MIRROR, _SHARE, *_OLD_SHARES)
        return {name: rule.body[name] for name in names if name in rule.body}

    def mirror_bp(self, mirror: Mirror) -> int:
        """See `Routed`; a mirror without a share mirrors everything."""
        if _SHARE in mirror:
            return round(float((mirror[_SHARE] or {}).get("value", 0.0)) * 100)
        for name in _OLD_SHARES:
            if name in mirror:
                return int(mirror[name]) * 100
        return FULL_BP

    def wanted_mirror(self, rule: Rule, target: Target, shadow_bp: int) -> Mirror:
        """See `Routed`."""
        share = {_SHARE: {"value": shadow_bp / 100}}
        old = self.mirror_of(rule, target)
        if old is not None:
            return {_MIRROR: old[_MIRROR], **share}
        if _MIRROR in rule.body or "mirrors" in rule.body:
            raise Rejected(
                f"rule {rule.name or rule.at} mirrors to somebody else already",
                hint="take that mirror away first: a rule has one",
            )
        if target.shadow is None:
            raise Rejected("nothing says where to mirror to", hint="add shadow: {flag: SUBSET}")
        refs = {_name_of(ref): ref for ref in rule.refs}
        like = refs.get(target.shadow.flag)
        destination = {"host": target.shadow.flag} if like is None else dict(like["destination"])
        return {_MIRROR: destination, **share}

    def mirror_ops(self, rule: Rule, target: Target, wanted: Mirror | None) -> Iterator[Op]:
        """See `Routed`."""
        path = f"/spec/{self.shape.rules}/{rule.at}"
        old, new = self.mirror_of(rule, target) or {}, wanted or {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            if name in old:
                yield {"op": "test", "path": f"{path}/{name}", "value": old[name]}
            if name in new:
                yield {"op": "add", "path": f"{path}/{name}", "value": new[name]}
            else:
                yield {"op": "remove", "path": f"{path}/{name}"}

    def mirror_side(self, mirror: Mirror, namespace: str) -> Side:
        """See `Routed`."""
        return _side({"destination": mirror[_MIRROR]}, namespace)


def _is_ours(mirror: Mapping[str, Any], target: Target) -> bool:
    shadow = {target.shadow.flag} if target.shadow else set()
    return _name_of({"destination": mirror}) in shadow | {target.canary.value} - {""}
