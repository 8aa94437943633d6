"""Gateway API: weights of an HTTPRoute's backends, and a mirror filter for the shadow.

Rules, backends and filters are atomic lists: a merge patch would replace them whole and lose
what others wrote, so each weight is patched by itself and its backend's name is tested.
`percent` of a mirror exists since Gateway API 1.3 (1.2 experimental); where the installed CRD
does not know it, the server would drop it and mirror everything. Patches are strict, so it
refuses instead. https://gateway-api.sigs.k8s.io/reference/spec/#httproute
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rolloutctl.core.answers import Capabilities
from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.target import Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.kubernetes.api import Api, Moved, Object
from rolloutctl.providers.kubernetes.place import GATEWAY
from rolloutctl.providers.kubernetes.strategies import weights
from rolloutctl.providers.kubernetes.strategies.routed import Mirror, Routed
from rolloutctl.providers.kubernetes.strategies.weights import Op, Rule, Shape
from rolloutctl.providers.kubernetes.strategy import Seen, Side

_MIRROR, _TYPE = "requestMirror", "RequestMirror"
#: What must hold of a route at its newest generation.
_CONDITIONS = ("Accepted", "ResolvedRefs")


def _side(ref: Mapping[str, Any], namespace: str) -> Side:
    name = str(ref.get("name", ""))
    if ref.get("kind", "Service") != "Service":
        raise Rejected(
            f"backend {name} is a {ref.get('kind')}: whether it is ready cannot be seen",
            hint="only Services can be backends of a rollout",
        )
    where = str(ref.get("namespace") or namespace)
    return Side(name=f"Service {name}", namespace=where, service=name)


class Gateway(Routed):
    """Any share, in steps of 0.01 %; mirrored requests in whole percents."""

    name: ClassVar[str] = GATEWAY
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=1,
        shadow=True,
        shadow_step_bp=100,
        conditional_write=True,
        write_timeout_s=30.0,
        propagation_s=2.0,
    )
    owned_path: ClassVar[tuple[str, ...]] = ("spec", "rules")
    group: ClassVar[str] = "gateway.networking.k8s.io"
    plural: ClassVar[str] = "httproutes"
    shape: ClassVar[Shape] = Shape(
        rules="rules",
        refs="backendRefs",
        name_of=lambda ref: str(ref.get("name", "")),
        default=lambda _: 1,
        identity="name",
        side_of=_side,
    )

    def trouble(self, value: Object) -> str:
        """What a gateway says against the newest generation, or has not said yet."""
        generation = value["metadata"].get("generation", 0)
        for parent in (value.get("status") or {}).get("parents") or ():
            who = (parent.get("parentRef") or {}).get("name", "a gateway")
            by_type = {each.get("type"): each for each in parent.get("conditions") or ()}
            for name in _CONDITIONS:
                condition = by_type.get(name) or {}
                if int(condition.get("observedGeneration") or 0) < generation:
                    return f"gateway {who} has not taken generation {generation} yet"
                if condition.get("status") != "True":
                    said = condition.get("message") or condition.get("reason") or "no reason"
                    return f"gateway {who} says {name} is {condition.get('status')}: {said}"
        return ""

    def remarks(self, api: Api, seen: Seen, target: Target) -> Sequence[tuple[str, str]]:
        """Backends without pods, no gateway, a CRD without percents."""
        found = [*super().remarks(api, seen, target)]
        if not (seen.value.get("status") or {}).get("parents"):
            hint = "whether a gateway takes the weights will not be seen"
            found.append(("no gateway reports on this route", hint))
        if target.shadow is not None:
            found += self._percents(api, seen, target)
        return found

    def _percents(self, api: Api, seen: Seen, target: Target) -> Iterator[tuple[str, str]]:
        """Asks the server itself, by a dry run: what it does not know it refuses."""
        rule = weights.split_rules(seen.value, target, self.shape)[0]
        old = self.mirror_of(rule, target)
        wanted = self.wanted_mirror(rule, target, 100 if old is None else 200)
        patch = list(self.mirror_ops(rule, target, wanted))
        try:
            api.patch(self.path(api.spec), patch, is_dry=True)
        except (Rejected, Moved, NotFound) as error:
            hint = "a shadow step needs Gateway API 1.3 or newer"
            yield f"this cluster refuses a mirrored percentage: {error.message}", hint

    # -- the mirror -------------------------------------------------------------

    def mirror_of(self, rule: Rule, target: Target) -> Mirror | None:
        """See `Routed`."""
        place = _place_of(rule, target)
        return None if place is None else dict(rule.body["filters"][place])

    def mirror_bp(self, mirror: Mirror) -> int:
        """See `Routed`; a mirror without a share mirrors everything."""
        said = mirror[_MIRROR]
        if "percent" in said:
            return int(said["percent"]) * 100
        if fraction := said.get("fraction"):
            whole = int(fraction.get("denominator") or 100)
            return round(FULL_BP * int(fraction["numerator"]) / whole)
        return FULL_BP

    def wanted_mirror(self, rule: Rule, target: Target, shadow_bp: int) -> Mirror:
        """See `Routed`."""
        old = self.mirror_of(rule, target)
        if old is not None:
            kept = {name: each for name, each in old[_MIRROR].items() if name != "fraction"}
            return {**old, _MIRROR: {**kept, "percent": shadow_bp // 100}}
        if target.shadow is None:
            raise Rejected("nothing says where to mirror to", hint="add shadow: {flag: SERVICE}")
        refs = {self.shape.name_of(ref): ref for ref in rule.refs}
        like = refs.get(target.shadow.flag) or refs[target.canary.value]
        kept = {name: like[name] for name in ("port", "namespace") if name in like}
        ref = {**kept, "name": target.shadow.flag}
        return {"type": _TYPE, _MIRROR: {"backendRef": ref, "percent": shadow_bp // 100}}

    def mirror_ops(self, rule: Rule, target: Target, wanted: Mirror | None) -> Iterator[Op]:
        """See `Routed`; a list of filters that only held ours goes with it."""
        path = f"/spec/{self.shape.rules}/{rule.at}/filters"
        place = _place_of(rule, target)
        filters: list[Mapping[str, Any]] = rule.body.get("filters") or []
        if place is None:
            if wanted is not None and "filters" not in rule.body:
                yield {"op": "add", "path": path, "value": [dict(wanted)]}
            elif wanted is not None:
                yield {"op": "add", "path": f"{path}/-", "value": dict(wanted)}
            return
        if wanted is not None and dict(wanted) == filters[place]:
            return
        yield {"op": "test", "path": f"{path}/{place}", "value": filters[place]}
        if wanted is not None:
            yield {"op": "replace", "path": f"{path}/{place}", "value": dict(wanted)}
        elif len(filters) == 1:
            yield {"op": "remove", "path": path}
        else:
            yield {"op": "remove", "path": f"{path}/{place}"}

    def mirror_side(self, mirror: Mirror, namespace: str) -> Side:
        """See `Routed`."""
        return _side(mirror[_MIRROR]["backendRef"], namespace)


def _place_of(rule: Rule, target: Target) -> int | None:
    """Where our mirror stands: one to the shadow, or to the canary."""
    shadow = {target.shadow.flag} if target.shadow else set()
    names = shadow | {target.canary.value} - {""}
    for place, one in enumerate(rule.body.get("filters") or ()):
        ref = (one.get(_MIRROR) or {}).get("backendRef") or {}
        if one.get("type") == _TYPE and ref.get("name") in names:
            return place
    return None
