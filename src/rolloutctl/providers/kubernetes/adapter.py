"""The provider `kubernetes`: the port's calls, each handed to the target's strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

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
from rolloutctl.providers.kubernetes.writing import observe, write_back, write_exposure, write_zero

if TYPE_CHECKING:
    from rolloutctl.core.observation import ArmCounts, Finding
    from rolloutctl.providers.kubernetes.strategy import Strategy

#: A look is one call, or two.
READ_TIMEOUT_S = 15.0
_WAYS = f"{__package__}.strategies"
#: Strategy -> module and class; a new way to split traffic is one line here.
_STRATEGIES = {
    place.SERVICE_SWITCH: ("service_switch", "ServiceSwitch"),
    place.GATEWAY: ("gateway", "Gateway"),
    place.ISTIO: ("istio", "Istio"),
}


def strategy_of(spec: TargetSpec) -> Strategy:
    """The target's strategy, loaded at its first use."""
    module, name = _STRATEGIES[spec.strategy]
    found: Strategy = getattr(import_module(f"{_WAYS}.{module}"), name)()
    return found


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
        return strategy_of(spec_of(target)).capabilities

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
        return findings(Api(spec, Deadline(READ_TIMEOUT_S)), target, strategy_of(spec))

    def observe(self, target: Target) -> Observation:
        """See `Provider.observe`."""
        spec = spec_of(target)
        return observe(Api(spec, Deadline(READ_TIMEOUT_S)), target, strategy_of(spec))

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
        api = Api(spec, Deadline(timeout_s))
        return write_exposure(api, target, strategy_of(spec), exposure, expect)

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
        api = Api(spec, Deadline(timeout_s))
        return write_back(api, target, strategy_of(spec), snapshot, expect)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """See `Provider.kill`."""
        spec = spec_of(target)
        return write_zero(Api(spec, Deadline(timeout_s)), target, strategy_of(spec))

    def clean_up(self, target: Target, arm: str, action: str, *, timeout_s: float) -> str:
        """See `CleansUp.clean_up`."""
        from rolloutctl.providers.kubernetes.cleaning import clean_up  # noqa: PLC0415 - not on kill

        if arm != "control":
            raise Rejected(f"{format_address(target)}: only its control is cleaned up", hint="")
        spec = spec_of(target)
        return clean_up(Api(spec, Deadline(timeout_s)), target, strategy_of(spec), action)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """Cannot: the data plane splits requests, and nobody can be asked in advance."""
        del units, timeout_s
        raise Rejected(
            f"{format_address(target)} cannot be sampled: its data plane splits requests",
            hint="compare the arms' own request counts: a gate of kind sample-ratio",
        )
