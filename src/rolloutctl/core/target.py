"""A target and its arms; apart from the playbook, because `kill ADDRESS` needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A population of a target: its value there and how metrics name it."""

    name: str
    value: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowFlag:
    """The second flag that the application asks: mirror this request?"""

    flag: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing whose exposure changes.

    `spec` is the provider's own `TargetSpec`; only that provider looks inside.
    """

    name: str
    provider: str
    spec: object
    control: Arm
    canary: Arm
    shadow: ShadowFlag | None = None
    unit: str = ""
