"""The plan as data: targets, steps, writes, gates, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Capabilities, Finding, Observation, Severity
from rolloutctl.core.sight import Sight
from rolloutctl.errors import PlanRefused

#: Findings named in the message of a refused plan; the plan itself shows all.
REFUSALS_NAMED_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSeen:
    """What was found out about a target before the plan.

    `observation` is None where it could not be observed; `findings` then say why.
    `holder` is the open rollout that holds the address, "" if none is known to.
    """

    address: str
    capabilities: Capabilities
    observation: Observation | None
    findings: tuple[Finding, ...] = ()
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """One target's exposure before and after a step."""

    target: str
    before: Exposure
    after: Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGate:
    """A gate of a step as the plan shows it."""

    name: str
    kind: str
    source: str
    interval_s: float
    warm_up_s: float
    observe_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step: its writes, its other effects, and what it waits for.

    `least_s` is the shortest time it can take: hold, warm-up and passes in a row.
    """

    index: int
    name: str
    kind: str
    writes: tuple[PlannedWrite, ...]
    others: tuple[str, ...]
    before: tuple[PlannedGate, ...]
    gates: tuple[PlannedGate, ...]
    hold_s: float
    least_s: float
    confirm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTarget:
    """One target as it is now: also its restore point."""

    name: str
    provider: str
    address: str
    control: str
    canary: str
    observation: Observation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSight:
    """What one gate will be able to see in one step."""

    step: int
    gate: str
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a person must know before the first write.

    `sights` are the gates that could be foreseen; `promise` says how often all of the
    statistical ones err, "" without any.
    """

    name: str
    sha256: str
    targets: tuple[PlannedTarget, ...]
    steps: tuple[PlannedStep, ...]
    guardrails: tuple[PlannedGate, ...]
    findings: tuple[Finding, ...]
    least_s: float
    deadline_s: float
    sights: tuple[PlannedSight, ...] = ()
    promise: str = ""

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What makes the plan impossible or unsafe."""
        return tuple(f for f in self.findings if f.severity is Severity.REFUSE)

    def raise_if_unsafe(self) -> None:
        """Raises `PlanRefused` naming what speaks against it; silent otherwise."""
        if not self.refusals:
            return
        first = self.refusals[:REFUSALS_NAMED_MAX]
        more = len(self.refusals) - len(first)
        text = "; ".join(finding.message for finding in first)
        raise PlanRefused(
            f"the plan of {self.name} is refused, nothing was touched: {text}"
            + (f"; and {more} more" if more else ""),
            hint="; ".join(f.hint for f in first if f.hint) or "rolloutctl plan shows all of it",
        )
