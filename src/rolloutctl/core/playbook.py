"""The playbook as data: frozen, complete, references to inputs already replaced.

Built only by `core.parse.parse_playbook`; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rolloutctl.core.target import Arm, ShadowFlag, Target

__all__ = [
    "Arm",
    "Gate",
    "GateLimits",
    "Limits",
    "NotifierEntry",
    "OnDrift",
    "OnFail",
    "OnInconclusive",
    "OnSilence",
    "Playbook",
    "ShadowFlag",
    "Source",
    "Step",
    "Target",
]


class OnFail(StrEnum):
    """What a failing gate leads to."""

    ROLLBACK = "rollback"
    PAUSE = "pause"


class OnSilence(StrEnum):
    """What no data or an error leads to; never a pass."""

    WAIT = "wait"
    PAUSE = "pause"
    FAIL = "fail"


class OnInconclusive(StrEnum):
    """What an undecided gate leads to at the end of the hold."""

    WAIT = "wait"
    EXTEND_ONCE = "extend-once"
    PAUSE = "pause"
    FAIL = "fail"


class OnDrift(StrEnum):
    """What somebody else's edit of a target leads to."""

    PAUSE = "pause"
    REAPPLY = "reapply"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What belongs to every gate, whatever its kind.

    Attributes:
        interval_s: seconds between two measurements.
        warm_up_s: seconds after the step's write before the first judgement counts.
        failure_limit: failing measurements tolerated within a step (0 = the first fails).
        consecutive_successes: passing measurements in a row that make a pass.
        min_sample: events below which nothing is judged.
        observe_only: recorded, never acted on.
    """

    interval_s: float = 30.0
    warm_up_s: float = 0.0
    failure_limit: int = 0
    consecutive_successes: int = 1
    min_sample: float = 0.0
    observe_only: bool = False
    on_fail: OnFail = OnFail.ROLLBACK
    on_no_data: OnSilence = OnSilence.WAIT
    on_error: OnSilence = OnSilence.WAIT
    on_inconclusive: OnInconclusive = OnInconclusive.WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A condition that must pass. `spec` is the gate kind's own `Spec`."""

    name: str
    kind: str
    source: str
    spec: object
    limits: GateLimits
    target: str = ""  # which target `${canary…}` means; empty with a single target


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where measurements come from. `spec` is the source kind's own `Spec`."""

    name: str
    kind: str
    spec: object


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierEntry:
    """Who is told. `spec` is the notifier kind's own `Spec`."""

    name: str
    kind: str
    spec: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the playbook. `spec` is the step kind's own `Spec`.

    `targets` are the names it changes: all of the playbook's unless it says. `growth_s` is
    how long the service itself may take to bring the step's write to everybody.
    """

    index: int
    name: str
    kind: str
    spec: object
    targets: tuple[str, ...]
    hold_s: float = 0.0
    growth_s: float = 0.0
    before: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    confirm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the whole rollout, in seconds.

    `false_abort_rate` is the share of healthy rollouts (0..1) that the statistical gates
    may abort, all of them together.
    """

    deadline_s: float = 7 * 86400.0
    rollback_s: float = 600.0
    observe_s: float = 30.0
    false_abort_rate: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A whole rollout, declared.

    `document` is the canonical JSON of the YAML with inputs replaced: parsing it again
    gives this playbook, so the journal carries it and the file is never read again.
    `sha256` is the hash of that document.
    """

    name: str
    document: str
    sha256: str
    targets: Mapping[str, Target]
    gates: Mapping[str, Gate]
    steps: tuple[Step, ...]
    sources: Mapping[str, Source] = field(default_factory=dict)
    notifiers: Mapping[str, NotifierEntry] = field(default_factory=dict)
    guardrails: tuple[str, ...] = ()
    description: str = ""
    owner: str = ""
    on_fail: OnFail = OnFail.ROLLBACK
    on_drift: OnDrift = OnDrift.PAUSE
    limits: Limits = field(default_factory=Limits)
