"""Blue-green: one label in a Service's selector says who serves everybody.

The selector's change reaches the EndpointSlices within some 20 ms. With more than 100 pods
a side there are several slices, which follow one after the other: for some milliseconds both
sides serve. It is never empty, because the new side is ready before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rolloutctl.core.answers import Capabilities
from rolloutctl.core.exposure import FULL_BP, Exposure, split
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes.api import Api, Moved, Object
from rolloutctl.providers.kubernetes.place import SERVICE_SWITCH, TargetSpec, spec_of
from rolloutctl.providers.kubernetes.readiness import (
    core,
    ready_of,
    serving,
    wait_until,
)
from rolloutctl.providers.kubernetes.strategy import Change, Permission, Seen, Side
from rolloutctl.providers.kubernetes.undoing import BACK_TRIES_MAX, fence_of, unmoved

#: Until all slices agree; the slowest seen on a real server was 35 ms.
SETTLE_S = 8.0


class ServiceSwitch:
    """Everybody or nobody, in one patch."""

    name: ClassVar[str] = SERVICE_SWITCH
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=FULL_BP, conditional_write=True, write_timeout_s=30.0, propagation_s=1.0
    )
    owned_path: ClassVar[tuple[str, ...]] = ("spec", "selector")
    needs_as_many: ClassVar[bool] = True

    def path(self, spec: TargetSpec) -> str:
        """See `Strategy.path`."""
        return core(spec.namespace, "services", spec.name)

    def seen(self, value: Object, target: Target) -> Seen:
        """See `Strategy.seen`."""
        selector, label = _selector(value), spec_of(target).label
        exposure, detail = None, ""
        side = selector.get(label)
        if side == target.control.value:
            exposure = split(0)
        elif side == target.canary.value:
            exposure = split(FULL_BP)
        elif side is None:
            detail = f"its selector has no {label}: {_words(selector)}"
        else:
            detail = f"{label} is {side!r}, neither of the two arms"
        return Seen(value=value, owned={"selector": selector}, exposure=exposure, detail=detail)

    def to_exposure(self, seen: Seen, target: Target, exposure: Exposure) -> Change:
        """See `Strategy.to_exposure`."""
        if exposure.canary_bp not in {0, FULL_BP}:
            raise Rejected(
                f"a Service is switched as a whole, not by {exposure.canary_bp / 100:g} %",
                hint="write switch: canary, or split a route (strategy: gateway)",
            )
        arm = target.canary if exposure.canary_bp else target.control
        selector = _selector(seen.value)
        label = spec_of(target).label
        if label not in selector:
            known = ", ".join(sorted(selector)) or "none"
            raise Rejected(
                f"Service {_name(seen.value)} has no label {label} in its selector",
                hint=f"its selector has: {known}; set label: in the target",
            )
        return _change(seen.value, {**selector, label: arm.value}, target)

    def to_owned(self, seen: Seen, target: Target, owned: Json) -> Change:
        """See `Strategy.to_owned`."""
        old = owned.get("selector") if isinstance(owned, Mapping) else None
        if not isinstance(old, dict) or not old:
            raise Rejected("the restore point holds no selector", hint="kubectl edit service")
        return _change(seen.value, old, target)

    def served(self, api: Api, value: Object) -> int:
        """See `Strategy.served`."""
        meta = value["metadata"]
        return len(serving(api, meta["namespace"], meta["name"]))

    def to_zero(self, value: Object, target: Target) -> Change:
        """See `Strategy.to_zero`."""
        wanted = {**_selector(value), spec_of(target).label: target.control.value}
        return _change(value, wanted, target)

    def confirm(self, api: Api, value: Object, change: Change) -> str:
        """Until the slices show the new side only; back at once if it is gone meanwhile."""
        meta = value["metadata"]
        where = (meta["namespace"], meta["name"])
        side = change.gets[0] if change.gets else _side(value, _selector(value), api.spec)
        seen: list[frozenset[str]] = [frozenset(), frozenset()]

        def is_settled() -> bool:
            return bool(seen[0]) and seen[0] <= seen[1]

        def is_over() -> bool:
            seen[0], seen[1] = serving(api, *where), ready_of(api, side)
            # Waiting for pods that are gone is an outage while the old side could serve.
            return is_settled() or (not seen[1] and bool(_left_behind(api, value, change)))

        wait_until(api, is_over, limit_s=SETTLE_S)
        if is_settled():
            return ""
        if seen[1]:
            return f"its slices still name {', '.join(sorted(seen[0] - seen[1])[:3]) or 'nobody'}"
        return self._undone(api, value, change)

    def _undone(self, api: Api, value: Object, change: Change) -> str:
        """SAFETY: the pods vanished between the look and the patch; the Service stands empty."""
        wanted, before = _selector(value), change.before or {}
        who = f"{_words(wanted)} has no ready pod"
        if not _left_behind(api, value, change):
            rest = f", nor has {_words(before)}" if before else ""
            return f"{who}{rest}: the Service is empty"
        now = value
        for number in range(BACK_TRIES_MAX):
            # A kill that came after this write has its own fence, and looks after itself.
            if _selector(now) != wanted or fence_of(now) != fence_of(value):
                return f"{who}, and somebody else changed the Service meanwhile"
            back = {"op": "replace", "path": "/spec/selector", "value": dict(before)}
            try:
                api.patch(self.path(api.spec), [*unmoved(now, number), back])
            except Moved:
                now = api.get(self.path(api.spec))
            else:
                return f"{who} any more: it was switched back to {_words(before)}"
        return f"{who}, and others write the Service without pause"

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """See `Strategy.permissions`."""
        needed = [
            Permission(verb="get", resource="services", name=spec.name),
            Permission(verb="patch", resource="services", name=spec.name),
            Permission(verb="list", resource="endpointslices", group="discovery.k8s.io"),
            Permission(verb="list", resource="deployments", group="apps"),
            Permission(verb="patch", resource="deployments/scale", group="apps"),
        ]
        if not spec.side_services:
            needed.append(Permission(verb="list", resource="pods"))
        if spec.health_path:
            needed.append(Permission(verb="get", resource="pods/proxy"))
        return needed

    def remarks(self, api: Api, seen: Seen, target: Target) -> Sequence[tuple[str, str]]:
        """Nobody behind the canary yet."""
        spec, found = spec_of(target), []
        for arm in (target.control, target.canary):
            labels = {**_selector(seen.value), spec.label: arm.value}
            ready = len(ready_of(api, _side(seen.value, labels, spec)))
            if not ready:
                hint = f"kubectl --namespace {spec.namespace} get pods -l {_words(labels)}"
                found.append((f"{arm.value} has no ready pod; no traffic is sent there", hint))
        if seen.value["spec"].get("sessionAffinity") == "ClientIP":
            hint = "clients stay with their pod until it is gone"
            found.append(("the Service has sessionAffinity: ClientIP", hint))
        return found


def _left_behind(api: Api, value: Object, change: Change) -> frozenset[str]:
    """Ready pods of the side that served before the change."""
    if not change.before:
        return frozenset()
    return ready_of(api, _side(value, change.before, api.spec))


def _change(value: Object, wanted: Mapping[str, str], target: Target) -> Change:
    old, spec = _selector(value), spec_of(target)
    side = _side(value, wanted, spec)
    if old == wanted:
        return Change(patch=(), gets=(side,))
    changed = {name for name in old.keys() | wanted.keys() if old.get(name) != wanted.get(name)}
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/spec/selector", "value": old},
        {"op": "replace", "path": "/spec/selector", "value": dict(wanted)},
    ]
    says = ", ".join(
        f"{name} {old.get(name, 'unset')} -> {wanted.get(name, 'unset')}"
        for name in sorted(changed)
    )
    return Change(patch=patch, gets=(side,), says=f"Service {_name(value)}: {says}", before=old)


def _side(value: Object, labels: Mapping[str, str], spec: TargetSpec) -> Side:
    arm = labels.get(spec.label, "")
    service = spec.side_services.replace("{}", arm) if spec.side_services else ""
    namespace = value["metadata"]["namespace"]
    return Side(name=f"{spec.label} {arm}", namespace=namespace, service=service, labels=labels)


def _selector(value: Object) -> dict[str, str]:
    found = value.get("spec", {}).get("selector")
    if not isinstance(found, dict) or not found:
        raise Rejected(
            f"Service {_name(value)} has no selector",
            hint="a Service without one cannot be switched by its label",
        )
    return found


def _name(value: Object) -> str:
    meta = value["metadata"]
    return f"{meta['namespace']}/{meta['name']}"


def _words(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={each}" for name, each in sorted(labels.items()))
