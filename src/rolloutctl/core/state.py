"""What a rollout is at one moment: the result of folding its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rolloutctl.core.events import (
    Actor,
    Cause,
    FinishedAs,
    GateRecord,
    HeldAs,
    Intended,
    PromoteRequested,
    TargetKilled,
)
from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Observation
from rolloutctl.core.verdict import Outcome, Verdict


class Phase(StrEnum):
    """Where a rollout is. Terminal: SUCCEEDED, ROLLED_BACK, KILLED."""

    RUNNING = "running"
    ASKING = "asking"  # a step waits for a human
    PAUSED = "paused"
    ROLLING_BACK = "rolling-back"
    KILLING = "killing"
    HELD = "held"  # time is up; open, but nobody drives it
    STUCK = "stuck"  # a rollback or kill is not confirmed
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled-back"
    KILLED = "killed"

    @property
    def is_terminal(self) -> bool:
        """The rollout is over and confirmed."""
        return self in _TERMINAL

    @property
    def is_at_rest(self) -> bool:
        """Nothing happens any more unless an operator asks for it."""
        return self in _TERMINAL or self in {Phase.HELD, Phase.STUCK}


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.KILLED})


@dataclass(frozen=True, kw_only=True)  # no slots: `evolve` copies it faster
class TargetState:
    """What the journal knows of one target.

    Attributes:
        exposure: what we last saw it serve after a write of ours (or at the start).
        fingerprint: the configuration we last saw as ours; another one is drift.
        wanted: the last exposure of ours that was in force; None before the first.
        drift: what somebody else wrote, until cleared.
        is_to_reapply: the edit was accepted for writing over; ours is to be written again.
        restored_at: when a restore was last seen in force.
        retry_at: no earlier attempt to write or read it.
        observed_at: last look by this process; not journalled, None after a restart.
    """

    name: str
    address: str
    restore_point: Observation
    settle_s: float
    write_timeout_s: float
    exposure: Exposure | None
    fingerprint: str
    wanted: Exposure | None = None
    is_written: bool = False
    drift: Observation | None = None
    is_to_reapply: bool = False
    is_outside_killed: bool = False
    outside_because: str = ""
    restored_at: datetime | None = None
    is_settled: bool = False
    failures: int = 0
    retry_at: datetime | None = None
    last_error: str = ""
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIntent:
    """An intent whose end is not recorded, and when it was recorded."""

    intended: Intended
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Why and since when the rollout goes back.

    Attributes:
        fence_at: what settling counts from.
        tried_from: what `limits.rollback` counts from: the first attempt of who drives
            now; None before it. Time in which nobody tried is no reason to give up.
        take_overs: how often another driver went on with it and had the limit anew.
    """

    cause: Cause
    because: str
    fence_at: datetime
    actor: Actor | None
    tried_from: datetime | None = None
    take_overs: int = 0


@dataclass(frozen=True, kw_only=True)  # no slots: `evolve` copies it faster
class StepState:
    """The step being worked on.

    `done` maps effect keys to when they were seen in force; `base` is what the targets
    served when the step was entered.
    """

    index: int
    entered_at: datetime
    base: Mapping[str, Exposure]
    done: Mapping[str, datetime] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_begun: bool = False  # the first intent is recorded: `before` gates are behind
    extended_until: datetime | None = None
    is_asked: bool = False
    is_approved: bool = False
    failure: str = ""  # an effect of the step failed for good, or its end is unknown
    follows_on_fail: bool = False  # it ran and failed, or was taken back: what `on_fail` says
    is_failure_told: bool = False  # a pause named the failure: `resume` is an answer to it


@dataclass(frozen=True, kw_only=True)  # no slots: `evolve` copies it faster
class RolloutState:
    """Everything `decide` may know of a rollout."""

    rollout_id: str
    name: str
    sha256: str
    started_at: datetime
    deadline_from: datetime
    seq: int
    phase: Phase
    targets: Mapping[str, TargetState]
    epoch: int = 0
    steps_left: int = 0
    step: StepState | None = None
    gates: Mapping[str, GateRecord] = field(default_factory=dict)
    open: Mapping[str, OpenIntent] = field(default_factory=dict)
    written_order: tuple[str, ...] = ()
    exposed_since: datetime | None = None
    promote: PromoteRequested | None = None
    promote_at: datetime | None = None
    is_fast: bool = False  # promote --full: the steps before the last skip hold and gates
    resume_to: Phase = Phase.RUNNING
    paused_because: str = ""
    rollback: Rollback | None = None
    killed_at: datetime | None = None
    kill_actor: Actor | None = None
    kill_reason: str = ""
    kills: Mapping[str, TargetKilled] = field(default_factory=dict)
    held_as: HeldAs | None = None
    finished_as: FinishedAs | None = None
    ended_because: str = ""
    stuck_targets: tuple[str, ...] = ()
    notified: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)  # by notifier, its last one


def with_target(state: RolloutState, target: TargetState) -> RolloutState:
    """The state with one target's part replaced."""
    return evolve(state, targets={**state.targets, target.name: target})


def without_step_gates(state: RolloutState, *, override: bool) -> dict[str, GateRecord]:
    """Only the guardrails' standing: that of the step's gates ends with its exposure.

    Evidence that holds across steps is handed on, unless an operator went past it.
    """
    kept = {}
    for name, record in state.gates.items():
        if record.is_guardrail:
            kept[name] = record
        elif record.is_kept or (record.is_carried and not override):
            kept[name] = _only_evidence(record)
    return kept


def resumed_gates(state: RolloutState) -> dict[str, GateRecord]:
    """Evidence that holds for the whole rollout; every standing begins anew.

    SAFETY: whoever resumes after a failure goes past its evidence, or it would fail again
    at once. What is only counted, such as money spent, nobody goes past.
    """
    return {
        name: _only_evidence(record)
        for name, record in state.gates.items()
        if record.is_kept or (record.is_carried and record.verdict.outcome is not Outcome.FAIL)
    }


_NOT_JUDGED = Verdict(outcome=Outcome.INCONCLUSIVE, because="not judged in this step yet")


def _only_evidence(record: GateRecord) -> GateRecord:
    return GateRecord(
        verdict=_NOT_JUDGED,
        measured=_NOT_JUDGED,
        evidence=record.evidence,
        judged_at=record.judged_at,
        is_guardrail=record.is_guardrail,
        is_carried=True,
        is_kept=record.is_kept,
    )
