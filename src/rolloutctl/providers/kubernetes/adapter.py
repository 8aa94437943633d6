"""The provider `kubernetes`: the port's calls, each handed to the target's strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from rolloutctl.clock import Deadline
from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.target import Target
from rolloutctl.errors import Rejected
from rolloutctl.providers.kubernetes import place
from rolloutctl.providers.kubernetes.api import Api
from rolloutctl.providers.kubernetes.place import (
    TargetSpec,
    format_address,
    parse_address,
    spec_of,
    spec_problems,
)
from rolloutctl.providers.kubernetes.writing import OneObject

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding
    from rolloutctl.providers.kubernetes.strategy import Way

#: A look is one call, or two.
READ_TIMEOUT_S = 15.0
_WAYS = f"{__package__}.strategies"
#: Strategy -> module and class; a new way to split traffic is one line here.
_STRATEGIES = {
    place.SERVICE_SWITCH: ("service_switch", "ServiceSwitch"),
    place.GATEWAY: ("gateway", "Gateway"),
    place.ISTIO: ("istio", "Istio"),
    place.REPLICAS: ("replicas", "Replicas"),
}


def way_of(spec: TargetSpec) -> Way:
    """How the target is served, loaded at its first use."""
    module, name = _STRATEGIES[spec.strategy]
    found: Any = getattr(import_module(f"{_WAYS}.{module}"), name)()  # Any: either protocol
    way: Way = found if hasattr(found, "apply") else OneObject(found)
    return way


class Kubernetes:
    """Drives Services and routes of clusters; holds no state."""

    name: ClassVar[str] = place.SCHEME
    capabilities: ClassVar[Capabilities] = Capabilities(
        weight_step_bp=1, shadow=True, conditional_write=True, write_timeout_s=30.0
    )
    TargetSpec: ClassVar[type] = TargetSpec

    def problems(self, spec: place.TargetSpec) -> Sequence[tuple[str, str, str]]:
        """See `core.ports.problems_of`."""
        return spec_problems(spec)

    def capabilities_for(self, target: Target) -> Capabilities:
        """See `core.ports.capabilities_of`."""
        return way_of(spec_of(target)).capabilities_for(target)

    def address(self, target: Target) -> str:
        """See `Provider.address`."""
        return format_address(target)

    def parse_address(self, address: str) -> Mapping[str, str]:
        """See `Provider.parse_address`."""
        return parse_address(address)

    def probe(self, target: Target) -> Sequence[Finding]:
        """See `Provider.probe`."""
        from rolloutctl.providers.kubernetes.probing import findings  # noqa: PLC0415 - not on kill

        spec = spec_of(target)
        return findings(Api(spec, Deadline(READ_TIMEOUT_S)), target, way_of(spec))

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`."""
        spec = spec_of(target)
        return way_of(spec).observe(Api(spec, Deadline(READ_TIMEOUT_S)), target)

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,  # noqa: ARG002 - the write states the whole exposure: idempotent by content
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.apply`."""
        spec = spec_of(target)
        return way_of(spec).apply(Api(spec, Deadline(timeout_s)), target, exposure, expect)

    def restore(
        self,
        target: Target,
        snapshot: Json,
        *,
        key: str,  # noqa: ARG002 - as in apply
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """See `Provider.restore`."""
        spec = spec_of(target)
        return way_of(spec).restore(Api(spec, Deadline(timeout_s)), target, snapshot, expect)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`."""
        spec = spec_of(target)
        return way_of(spec).kill(Api(spec, Deadline(timeout_s)), target)

    def clean_up(self, target: Target, arm: str, action: str, *, timeout_s: float) -> str:
        """See `CleansUp.clean_up`."""
        if arm != "control":
            raise Rejected(f"{format_address(target)}: only its control is cleaned up", hint="")
        spec = spec_of(target)
        return way_of(spec).clean_up(Api(spec, Deadline(timeout_s)), target, action)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """Cannot: the data plane splits requests, and nobody can be asked in advance."""
        del units, timeout_s
        raise Rejected(
            f"{format_address(target)} cannot be sampled: its data plane splits requests",
            hint="compare the arms' own request counts: a gate of kind sample-ratio",
        )
