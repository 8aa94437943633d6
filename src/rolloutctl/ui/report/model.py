"""What a report tells, as data; `gather` makes it from a rollout's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was intended or seen at a time, in basis points; None where it is not known.

    `is_confirmed`: seen after no older write could land any more.
    """

    at: datetime
    canary_bp: int | None
    shadow_bp: int | None
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCourse:
    """One target: what was intended, what was seen, and how it was before."""

    name: str
    address: str
    provider: str
    control: str
    canary: str
    intended: tuple[Point, ...]
    seen: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the rollout: a step, or `paused`, `rolling back`, `kill`.

    `ended`: how it ended; "" if it goes on. `is_wait`: a person was waited for.
    """

    name: str
    begins: datetime
    ends: datetime
    ended: str = ""
    is_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One recorded judgement; `value` is None where it came to no number."""

    at: datetime
    outcome: Outcome
    because: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCourse:
    """One gate over the rollout, and what its last judgement was made from.

    `measure` is what the values of its looks are: evidence, observed, spent; "" if they
    have none. `limit` is the last one; `fails` says on which side of it, "" if unknown.
    `queries` are (text, answer).
    """

    name: str
    kind: str
    source: str
    is_guardrail: bool
    looks: tuple[Look, ...]
    judgements: int
    measure: str
    limit: float
    fails: str
    numbers: tuple[tuple[str, float], ...]
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story. `tone`: good, bad, wait or nothing."""

    seq: int
    at: datetime
    text: str
    is_inner: bool
    tone: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """Everything that a report tells; `left_out` lines of the story are in the journal only."""

    rollout_id: str
    name: str
    description: str
    owner: str
    phase: Phase
    sentence: str
    began_at: datetime
    ended_at: datetime
    is_over: bool
    sha256: str
    playbook: Mapping[str, Any] = field(repr=False)
    events: int
    chain: str
    targets: tuple[TargetCourse, ...]
    steps: tuple[Span, ...]
    spans: tuple[Span, ...]
    gates: tuple[GateCourse, ...]
    lines: tuple[Line, ...]
    left_out: int
    people: tuple[tuple[str, str], ...]
    troubles: tuple[str, ...]
