"""The journal's alphabet: one frozen class per event.

Events say what happened, never what to do. Times are on the envelope (`Recorded`)
and in fields that name a moment other than the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rolloutctl.core.effects import Effect
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Reading
from rolloutctl.core.observation import Observation, Receipt
from rolloutctl.core.verdict import Verdict


class Cause(StrEnum):
    """Why a rollback began; it decides the exit code."""

    GATE = "gate"
    GUARDRAIL = "guardrail"
    STEP = "step"  # a run step failed, a step kind gave up
    OPERATOR = "operator"  # rollback, abort, reject
    DRIFT = "drift"
    INTERRUPTED = "interrupted"  # SIGTERM or SIGINT with --on-exit rollback
    OUTSIDE_KILL = "outside-kill"


class FinishedAs(StrEnum):
    """How a rollout ended."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled-back"
    KILLED = "killed"


class HeldAs(StrEnum):
    """Why the weight is held with nobody driving it any more."""

    TIMED_OUT = "timed-out"
    INCONCLUSIVE = "inconclusive"


class Why(StrEnum):
    """Why a write did not happen."""

    REFUSED = "refused"  # the provider said no for good
    TAKEN_BACK = "taken-back"  # the service undid it by itself, because of an alarm of its own
    CONFLICT = "conflict"  # the version moved between reading and writing
    UNAVAILABLE = "unavailable"  # not sent, or certainly without effect
    NOT_LANDED = "not-landed"  # looked after the deadline: the target is as before
    HALF_DONE = "half-done"  # every part is as before or as wanted: write it again
    DRIFTED = "drifted"  # looked before or after: somebody else edited the target
    FAILED = "failed"  # an invocation ran and failed
    ENDED = "ended"  # we ended an invocation before its time: way back, kill, driver gone
    UNKNOWN = "unknown"  # nobody saw the end of an invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asked, from where: "ana@host", "pts/3", process id."""

    name: str
    terminal: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoint:
    """What a target was, whole, before our first write.

    `settle_s` and `write_timeout_s` are the provider's capabilities at the start:
    decisions must not need the adapter.
    """

    target: str
    address: str
    observation: Observation
    settle_s: float = 0.0
    write_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The rollout exists; from now on only the journal says what it is."""

    name: str
    document: str
    sha256: str
    restore_points: tuple[RestorePoint, ...]
    actor: Actor
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTaken:
    """A process drives from here on; `epoch` is its fencing number."""

    epoch: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntered:
    """The rollout works on this step now."""

    step: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """An effect may leave the process until `deadline`, and not later."""

    key: str
    effect: Effect
    before: Observation | None
    deadline: datetime
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The effect took place and was seen.

    `after` is None only for effects on no target. `output` is what an invocation said.
    """

    key: str
    receipt: Receipt
    after: Observation | None
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFailed:
    """The effect did not take place.

    `after` is what was seen instead, where somebody looked. Recorded without an open
    intent when the target could not even be read.
    """

    key: str
    target: str
    why: Why
    message: str
    retry_after_s: float = 0.0
    after: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """Somebody else edited the target; what they wrote is kept here."""

    target: str
    observation: Observation
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCleared:
    """The target is as we left it again; with `accepted`, that edit will be written over."""

    target: str
    because: str
    accepted: Observation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideKilled:
    """Another hand set the target to zero; it is never re-applied."""

    target: str
    observation: Observation


@dataclass(frozen=True, kw_only=True)  # no slots: `evolve` copies it faster
class GateRecord:
    """A gate's standing within one step: counts, evidence, the verdict after limits.

    `measured` is the last single verdict; `verdict` is what decisions use. The evidence
    of one that `is_carried` is handed on to the next step, without standing or counts;
    of one that `is_kept` whatever an operator went past.
    """

    verdict: Verdict
    measured: Verdict
    evidence: Json
    judged_at: datetime
    failures: int = 0
    silences: int = 0
    errors: int = 0
    passes_in_row: int = 0
    judgements: int = 0
    is_guardrail: bool = False
    is_carried: bool = False
    is_kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateJudged:
    """A gate was judged; a later one of the same gate replaces it.

    Not every judgement is recorded: one is when the verdict changes, before any
    decision that used it, and at a slow pace otherwise. `previous` and `since` are what
    the judgement started from, so that it can be computed again from this event alone.
    """

    gate: str
    step: int
    record: GateRecord
    readings: tuple[Reading, ...]
    previous: GateRecord | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExtended:
    """An inconclusive gate earned the step more time, once."""

    step: int
    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The step waits for a human's approve or reject."""

    step: int
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A human said yes to the question."""

    step: int
    actor: Actor
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The weight stays where it is. `actor` is None when a rule paused it."""

    because: str
    actor: Actor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """An operator undid the pause. `reapply` writes drifted targets again."""

    actor: Actor
    reason: str = ""
    reapply: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequested:
    """An operator wants the hold to end now."""

    actor: Actor
    reason: str = ""
    override: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRefused:
    """The promotion was refused: these gates do not pass."""

    gates: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLeft:
    """The step is done; gates, time and people agreed, or an override is recorded."""

    step: int
    because: str
    override: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackStarted:
    """Back to the restore points, in reverse order."""

    cause: Cause
    because: str
    actor: Actor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A restored target was seen restored after no older write could land."""

    target: str
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A restored target is not as restored any more; it will be written again."""

    target: str
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRequested:
    """The fence: after this no intent is accepted, ever."""

    actor: Actor
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKilled:
    """What the kill switch reached on one target.

    `zero_at_s` and `settled_at_s` count from the kill's start; None if not observed.
    """

    target: str
    confirmed: bool
    zero_at_s: float | None
    settled_at_s: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Time is up; the weight stays and nobody drives it."""

    held_as: HeldAs
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A rollback or kill is not confirmed; a human must look at `targets`."""

    targets: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A notifier was told of an event, or could not be (`error`).

    `reference` is where the notifier finds what it told, for its later messages.
    """

    notifier: str
    of_seq: int
    error: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end, confirmed."""

    finished_as: FinishedAs
    because: str


Event = (
    Started
    | LeaseTaken
    | StepEntered
    | Intended
    | Applied
    | ApplyFailed
    | Drifted
    | DriftCleared
    | OutsideKilled
    | GateJudged
    | HoldExtended
    | Asked
    | Approved
    | Paused
    | Resumed
    | PromoteRequested
    | PromoteRefused
    | StepLeft
    | RollbackStarted
    | Settled
    | Unsettled
    | KillRequested
    | TargetKilled
    | Held
    | Stuck
    | Notified
    | Finished
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event in its place: `seq` counts from 1 within a rollout, `at` is UTC."""

    seq: int
    at: datetime
    event: Event
