"""A route whose backends have weights: reading, growing, going back, killing.

What differs between kinds of routes (where weights stand, how requests are mirrored, what
says that a change was taken) is in the subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rolloutctl.core.answers import Capabilities
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes.api import Api, Object
from rolloutctl.providers.kubernetes.place import TargetSpec
from rolloutctl.providers.kubernetes.readiness import ready_of, wait_until
from rolloutctl.providers.kubernetes.strategies import weights
from rolloutctl.providers.kubernetes.strategies.weights import Op, Rule, Shape
from rolloutctl.providers.kubernetes.strategy import Change, Permission, Seen, Side

#: Until whoever serves the route has taken a change and said so in its status.
SETTLE_S = 8.0
Mirror = Mapping[str, Any]


class Routed(ABC):
    """What all kinds of routes share."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    owned_path: ClassVar[tuple[str, ...]]
    needs_as_many: ClassVar[bool] = False
    group: ClassVar[str]
    plural: ClassVar[str]
    shape: ClassVar[Shape]

    # -- what differs -----------------------------------------------------------

    @abstractmethod
    def mirror_of(self, rule: Rule, target: Target) -> Mirror | None:
        """Our mirror in a rule, with everything that restores it; None if there is none."""

    @abstractmethod
    def mirror_bp(self, mirror: Mirror) -> int:
        """Its share of the requests."""

    @abstractmethod
    def wanted_mirror(self, rule: Rule, target: Target, shadow_bp: int) -> Mirror:
        """The mirror of a share, from what the rule has already. Raises `Rejected`."""

    @abstractmethod
    def mirror_ops(self, rule: Rule, target: Target, wanted: Mirror | None) -> Iterator[Op]:
        """Operations that make ours the wanted one, or take it away; others' stay."""

    @abstractmethod
    def mirror_side(self, mirror: Mirror, namespace: str) -> Side:
        """Who gets the mirrored requests."""

    def trouble(self, value: Object) -> str:
        """What stands between the newest generation and the data plane; "" if nothing."""
        del value
        return ""

    # -- the seam ---------------------------------------------------------------

    def path(self, spec: TargetSpec) -> str:
        """See `Strategy.path`."""
        return f"/apis/{self.group}/v1/namespaces/{spec.namespace}/{self.plural}/{spec.name}"

    def seen(self, value: Object, target: Target) -> Seen:
        """See `Strategy.seen`."""
        rules = weights.split_rules(value, target, self.shape)
        mirrors = [self.mirror_of(rule, target) for rule in rules]
        shadows = [0 if each is None else self.mirror_bp(each) for each in mirrors]
        exposure, detail = weights.exposure_of(rules, target, self.shape, shadows)
        if trouble := self.trouble(value):
            exposure, detail = None, trouble
        owned: Json = {
            "rules": [
                {
                    "rule": rule.name,
                    "refs": weights.owned_weights(rule, self.shape),
                    "mirror": None if mirror is None else dict(mirror),
                }
                for rule, mirror in zip(rules, mirrors, strict=True)
            ]
        }
        return Seen(value=value, owned=owned, exposure=exposure, detail=detail)

    def to_exposure(self, seen: Seen, target: Target, exposure: Exposure) -> Change:
        """See `Strategy.to_exposure`."""
        control, canary = weights.numbers(exposure.canary_bp)
        wanted = {target.control.value: control, target.canary.value: canary}
        change = _Making(self, seen.value)
        for rule in weights.split_rules(seen.value, target, self.shape):
            now = rule.weights(self.shape)
            strangers = sorted(name for name in now.keys() - wanted.keys() if now[name])
            if strangers:
                raise Rejected(
                    f"rule {rule.name or rule.at} also sends traffic to {', '.join(strangers)}",
                    hint="give them weight 0: a share of two arms cannot be stated beside them",
                )
            mirror = None
            if exposure.shadow_bp:
                mirror = self.wanted_mirror(rule, target, exposure.shadow_bp)
            is_same = all(now[name] == weight for name, weight in wanted.items())
            change.add(rule, target, {} if is_same else wanted, mirror)
        return change.done()

    def to_owned(self, seen: Seen, target: Target, owned: Json) -> Change:
        """See `Strategy.to_owned`."""
        saved = owned.get("rules") if isinstance(owned, Mapping) else None
        if not isinstance(saved, list):
            raise Rejected("the restore point holds no rules", hint="kubectl edit the route")
        change = _Making(self, seen.value)
        for each, rule in weights.matched(saved, seen.value, self.shape):
            change.add(rule, target, dict(each["refs"]), each["mirror"])
        return change.done()

    def to_zero(self, value: Object, target: Target) -> Change:
        """See `Strategy.to_zero`."""
        change = _Making(self, value)
        for rule in weights.split_rules(value, target, self.shape):
            now = rule.weights(self.shape)
            wanted = dict.fromkeys((name for name, weight in now.items() if weight), 0)
            wanted.pop(target.control.value, None)
            if not now[target.control.value]:
                wanted[target.control.value] = 100
            change.add(rule, target, wanted, None)
        return change.done()

    def served(self, api: Api, value: Object) -> int:
        """See `Strategy.served`; of the backend with the most ready endpoints."""
        namespace = str(value["metadata"]["namespace"])
        most = 0
        for body in value["spec"].get(self.shape.rules) or ():
            refs = body.get(self.shape.refs) or ()
            for ref in refs:
                if ref.get("weight", self.shape.default(len(refs))):
                    side = self.shape.side_of(ref, namespace)
                    most = max(most, len(ready_of(api, side)))
        return most

    def confirm(self, api: Api, value: Object, change: Change) -> str:
        """Until this generation was taken."""
        del change
        latest = [value]

        def is_taken() -> bool:
            if self.trouble(latest[0]):
                latest[0] = api.get(self.path(api.spec))
            return not self.trouble(latest[0])

        return "" if wait_until(api, is_taken, limit_s=SETTLE_S) else self.trouble(latest[0])

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """See `Strategy.permissions`."""
        return [
            Permission(verb="get", resource=self.plural, group=self.group, name=spec.name),
            Permission(verb="patch", resource=self.plural, group=self.group, name=spec.name),
            Permission(verb="get", resource="services"),
            Permission(verb="list", resource="endpointslices", group="discovery.k8s.io"),
            Permission(verb="list", resource="deployments", group="apps"),
            Permission(verb="patch", resource="deployments/scale", group="apps"),
            *([Permission(verb="get", resource="pods/proxy")] if spec.health_path else []),
        ]

    def remarks(self, api: Api, seen: Seen, target: Target) -> Sequence[tuple[str, str]]:
        """Backends without a ready pod."""
        namespace, found = str(seen.value["metadata"]["namespace"]), {}
        for rule in weights.split_rules(seen.value, target, self.shape):
            for ref in rule.refs:
                side = self.shape.side_of(ref, namespace)
                found[side.name] = side
        return [
            (
                f"{side.name} has no ready endpoint; no traffic is sent there",
                f"kubectl --namespace {side.namespace} get endpointslices",
            )
            for side in found.values()
            if not ready_of(api, side)
        ]


class _Making:
    """A change in the making, rule by rule."""

    def __init__(self, route: Routed, value: Object) -> None:
        self._route, self._value = route, value
        self._namespace = str(value["metadata"]["namespace"])
        self._patch: list[Op] = []
        self._gets: dict[str, Side] = {}
        self._words: dict[str, None] = {}

    def add(
        self, rule: Rule, target: Target, wanted: Mapping[str, int | None], mirror: Mirror | None
    ) -> None:
        """The operations of one rule, who gets more by them, and the words."""
        route, shape = self._route, self._route.shape
        operations = list(weights.weigh(rule, shape, wanted))
        self._patch += operations
        if operations:
            words = (f"{name}={'unset' if each is None else each}" for name, each in wanted.items())
            self._words |= dict.fromkeys(words)
        for side in weights.sides_that_get(self._namespace, rule, shape, wanted):
            self._gets[side.name] = side
        old = route.mirror_of(rule, target)
        mirrored = list(route.mirror_ops(rule, target, mirror))
        self._patch += mirrored
        if mirrored:
            share = "off" if mirror is None else f"{route.mirror_bp(mirror) / 100:g} %"
            self._words[f"mirror {share}"] = None
        if mirror is not None and old is None:
            side = route.mirror_side(mirror, self._namespace)
            self._gets[side.name] = side

    def done(self) -> Change:
        """The whole change."""
        meta = self._value["metadata"]
        where = f"{self._value.get('kind')} {meta['namespace']}/{meta['name']}"
        says = f"{where}: {', '.join(self._words)}" if self._words else ""
        return Change(patch=self._patch, gets=tuple(self._gets.values()), says=says)
