"""What a provider says of a target: findings, observations, receipts, counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rolloutctl.core.answers import Capabilities, Observation, Receipt
from rolloutctl.core.exposure import Exposure

__all__ = ["ArmCounts", "Capabilities", "Finding", "Observation", "Receipt", "Severity"]


class Severity(StrEnum):
    """How much a finding matters to the plan."""

    OK = "ok"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a probe or a plan found, with the way out."""

    severity: Severity
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """How many of N units each arm got when the vendor's SDK was asked.

    `other` counts units that got a value of neither arm; `errors` SDK failures.
    `propagation_s` is how long the SDK needed to see the current state. `context` names
    the fields that an application must send to get its share; `missing` are those that the
    flag reads and the units did not carry. `reasons` is why the SDK chose as it did and how
    often, in its own words, where it tells. `evaluated_by` says who evaluated what, where it
    was not the vendor's SDK. `growing` is what the service itself says it serves just now, where
    it grows a write at its own pace.
    """

    units: int
    arms: tuple[tuple[str, int], ...]
    shadow: int = 0
    other: int = 0
    errors: int = 0
    propagation_s: float = 0.0
    context: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    evaluated_by: str = ""
    growing: Exposure | None = None
