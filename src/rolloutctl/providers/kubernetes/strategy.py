"""The seam between one way to split traffic and everything else.

A strategy knows one kind of object: where the arms stand in it, and the patch that changes
their shares. Reading, compare-and-set, readiness, the fence of a kill and errors are the same
for all of them, and stand in `writing` and `readiness`. A new way is one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.providers.kubernetes.api import Api, Object, Patch
from rolloutctl.providers.kubernetes.place import TargetSpec

if TYPE_CHECKING:
    from rolloutctl.core.observation import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Pods that are to get traffic: behind a Service, or by labels alone.

    `service` is "" where only the labels are known; `labels` are empty where the Service's
    own selector says them. `subset` of `host` is Istio's: labels that stand in a
    DestinationRule, on top of the Service's.
    """

    name: str
    namespace: str
    service: str = ""
    labels: Mapping[str, str] | None = None
    subset: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one read showed.

    Attributes:
        owned: what restore puts back, exactly, and what the fingerprint is of.
        exposure: None where the object says something else than our two arms.
    """

    value: Object
    owned: Json
    exposure: Exposure | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A patch without its guard, who gets more traffic by it, and what it does in words.

    `before` is for the strategy's own `confirm`: what to go back to if the pods vanish.
    """

    patch: Patch
    gets: tuple[Side, ...] = ()
    says: str = ""
    before: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A verb that the strategy needs."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""


class Strategy(Protocol):
    """One kind of object; pure but for `confirm`."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    #: Path in managedFields whose owner is the last editor.
    owned_path: ClassVar[tuple[str, ...]]
    #: Whether a side must have as many ready pods as serve now before it gets traffic.
    needs_as_many: ClassVar[bool]

    def path(self, spec: TargetSpec) -> str:
        """The object's path at the API server."""
        ...

    def seen(self, value: Object, target: Target) -> Seen:
        """What the object says. Raises `Rejected` where the arms are not to be found in it."""
        ...

    def to_exposure(self, seen: Seen, target: Target, exposure: Exposure) -> Change:
        """The change to a stated exposure; no patch if it stands."""
        ...

    def to_owned(self, seen: Seen, target: Target, owned: Json) -> Change:
        """The change back to what a read showed earlier."""
        ...

    def to_zero(self, value: Object, target: Target) -> Change:
        """Control for everybody, from any state; no patch if it stands."""
        ...

    def served(self, api: Api, value: Object) -> int:
        """Ready endpoints that serve now."""
        ...

    def confirm(self, api: Api, value: Object, change: Change) -> str:
        """Waits until the data plane has been told; says what stands in the way, "" if nothing.

        `value` is the object as it was just written.
        """
        ...

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """What a rollout of such a target needs."""
        ...

    def remarks(self, api: Api, seen: Seen, target: Target) -> Sequence[tuple[str, str]]:
        """What a plan should warn of: (message, hint) each."""
        ...


class Way(Protocol):
    """How one strategy serves the port; `writing.OneObject` for all that write one object."""

    def capabilities_for(self, target: Target) -> Capabilities:
        """See `core.ports.capabilities_of`."""
        ...

    def observe(self, api: Api, target: Target) -> Observation:
        """See `Provider.observe`."""
        ...

    def apply(self, api: Api, target: Target, exposure: Exposure, expect: str | None) -> Receipt:
        """See `Provider.apply`."""
        ...

    def restore(self, api: Api, target: Target, snapshot: Json, expect: str | None) -> Receipt:
        """See `Provider.restore`."""
        ...

    def kill(self, api: Api, target: Target) -> Receipt:
        """See `Provider.kill`."""
        ...

    def clean_up(self, api: Api, target: Target, action: str) -> str:
        """See `CleansUp.clean_up`."""
        ...

    def permissions(self, spec: TargetSpec) -> Sequence[Permission]:
        """What a rollout of such a target needs."""
        ...

    def findings(self, api: Api, target: Target) -> Iterable[Finding]:
        """See `Provider.probe`; permissions are looked at before."""
        ...
