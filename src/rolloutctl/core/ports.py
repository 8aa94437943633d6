"""Protocols between the core, the runner and the adapters.

Must: every implementation passes the conformance suite of `rolloutctl.testing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from rolloutctl.core.effects import Effect
from rolloutctl.core.events import Event, Recorded, Started
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Measurement, Query, Reading, Series
from rolloutctl.core.observation import ArmCounts, Capabilities, Finding, Observation, Receipt
from rolloutctl.core.playbook import Playbook, Step, Target
from rolloutctl.core.verdict import Verdict


class Clock(Protocol):
    """The only way to the time."""

    def now(self) -> datetime:
        """Aware UTC time; must never run backwards within a process."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after `seconds` (at least 0) have passed."""
        ...


class Provider(Protocol):
    """Reads and writes targets of one service.

    Must: map every vendor exception to `Unauthorized`, `NotFound`, `Unavailable`,
    `Rejected` or `Conflict`; put a time limit on everything; hold no state between
    calls that a crash could lose. Must not: log, print, retry a write silently.
    Construction takes no arguments and does no I/O; SDKs load at first use.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    #: Frozen dataclass of the target's own keys (flag, project, …), decoded by `core.decode`.
    TargetSpec: ClassVar[type]

    def address(self, target: Target) -> str:
        """`provider://place`: identifies the thing written, equal for equal things."""
        ...

    def parse_address(self, address: str) -> Mapping[str, str]:
        """The reverse: fields of `TargetSpec`. Raises `UsageError` with the right form."""
        ...

    def probe(self, target: Target) -> Sequence[Finding]:
        """Reachable, authorised, preconditions; must write nothing.

        Problems are findings (refuse, warn), each with a hint; raises only
        `Unauthorized` and `Unavailable`.
        """
        ...

    def observe(self, target: Target) -> Observation:
        """What is true now. Must be one consistent read, never cached."""
        ...

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """Makes the target serve `exposure`; idempotent by `key`.

        Must refuse with `Conflict`, nothing written, when `expect` is a version that
        moved. Must take no longer than `timeout_s`. After a lost answer raises
        `Unavailable(may_have_landed=True)`.
        """
        ...

    def restore(
        self, target: Target, snapshot: Json, *, key: str, expect: str | None, timeout_s: float
    ) -> Receipt:
        """Writes a snapshot back, exactly; afterwards the fingerprint equals its own."""
        ...

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """Control for everybody, shadow off, by the fastest safe road.

        Must: work from any state of the target, need no earlier observation, read at
        most once, be safe twice, move the version even when nothing has to change if
        `capabilities.conditional_write`. Must never turn on what was off.
        """
        ...

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """Evaluates with the vendor's real SDK. Raises `Rejected` if it cannot."""
        ...


class CleansUp(Protocol):
    """A provider that can take away what a target's arm ran on; optional, for `cleanup`."""

    def clean_up(self, target: Target, arm: str, action: str, *, timeout_s: float) -> str:
        """Takes it away, and says what was done; nothing to do is done.

        Must refuse with `Rejected` while anybody is sent there. `arm` is "control", `action`
        "scale-to-zero" or "delete". Raises the mapped errors.
        """
        ...


class StopsForeign(Protocol):
    """A provider whose kill can be in the way of somebody else's work; optional."""

    def stopping_foreign(self) -> Provider:
        """The same provider; its kill also stops what is not ours, and says what it was."""
        ...


class NamesMetrics(Protocol):
    """A source that knows the names of its metrics; optional, for plan's typos."""

    def unknown_metrics(self, query: Query, at: datetime) -> Mapping[str, Sequence[str]]:
        """Metrics that the query names and the source does not have, with names it has.

        The names are candidates for "did you mean", not necessarily close. Raises as a query.
        """
        ...


def problems_of(provider: Provider, spec: Any) -> Sequence[tuple[str, str, str]]:
    """What the provider has against a target's own keys: (key, message, fix) each.

    A provider may have `problems(spec)`, for what can be said without reaching its service;
    lint shows it where it is written.
    """
    own = getattr(provider, "problems", None)
    return () if own is None else own(spec)


def capabilities_of(provider: Provider, target: Target) -> Capabilities:
    """What the provider can do for this target.

    A provider may have `capabilities_for(target)`, where some targets can do less than its
    class declares (a finer weight for one kind of flag only). Without it, all are alike.
    """
    own = getattr(provider, "capabilities_for", None)
    found: Capabilities = provider.capabilities if own is None else own(target)
    return found


class MetricSource(Protocol):
    """Answers queries; constructed with its decoded `Spec`, no I/O in the constructor.

    A source may have the static method `text_problems(texts, kind)`: what it could never answer
    of a gate's texts by key, as (key, message, fix) each; lint shows them.
    """

    name: ClassVar[str]
    Spec: ClassVar[type]
    #: Which `QueryKind`s it can answer; lint refuses gates that need another.
    kinds: ClassVar[frozenset[str]]

    def probe(self) -> Sequence[Finding]:
        """Reachable and authorised? Raises as `Provider.probe`."""
        ...

    def query(self, query: Query, at: datetime) -> Measurement:
        """The answer at `at`. Empty, NaN and stale are states of the answer.

        Raises `Unauthorized`, `Unavailable`, `Rejected` (the query itself is wrong).
        """
        ...

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Past answers. Raises `Rejected` if the source keeps no history."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What people are told. `key` is the same when it is told again.

    `rollout_id` is empty for the kill of a playbook's targets that no rollout holds.
    `reference` is what the notifier returned for an earlier message of this rollout, ""
    before the first: a chat message to update, an alert to resolve.
    """

    key: str
    rollout_id: str
    playbook: str
    event: str
    phase: str
    text: str
    at: datetime
    reference: str = ""


class Notifier(Protocol):
    """Tells people; constructed with its decoded `Spec`."""

    name: ClassVar[str]
    Spec: ClassVar[type]

    def notify(self, message: Message, *, timeout_s: float) -> str | None:
        """Returns after delivery. Raises mapped errors; must not retry by itself.

        What it returns is kept in the journal, secrets excluded by the notifier, and given
        back as `Message.reference`; None or "" keeps what there is.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """What a gate may know when it asks and judges.

    Attributes:
        now: the one time of this judgement.
        since: when the current step's exposure was in force; None before it is.
        arms: names for references: {"control.labels.model": "gpt-4", …}; shadow labels
            are already laid over the canary's in a step that only mirrors.
        arms_ever: all such names that the rollout may come to use: where the canary is
            served, and where it is only mirrored; the same in every step.
        exposure: what the gate's target serves in this step; None before the first write.
        interval_s: the gate's interval; a streak breaks after 3 of them without data.
        warm_up_s: seconds after `since` in which events are not evidence.
        error_rate: the chance (0..1), within the whole rollout, that a statistical gate
            may fail a healthy canary: its part of `limits.false_aborts`.
        looks: how often the gate is planned to look in the whole rollout.
        min_sample: the gate's `min_sample`; 0 where it states none.
        has_passed: the gate stands at a pass in this step, before this look.
    """

    now: datetime
    since: datetime | None
    arms: Mapping[str, str]
    exposure: Exposure | None
    interval_s: float
    warm_up_s: float = 0.0
    error_rate: float = 0.05
    looks: int = 120
    min_sample: float = 0.0
    arms_ever: tuple[Mapping[str, str], ...] = ()
    has_passed: bool = False


class GateKind(Protocol):
    """One method of judging; pure, constructed without arguments.

    `Any` stands for the kind's own `Spec`: only the kind looks inside. A kind may say, as
    class attributes that are False where they are missing:

    * `spends_error_rate`: it errs by chance, at the rate that the context gives it.
    * `carries_evidence`: its evidence holds across steps, and is handed on to the next.
    * `keeps_evidence`: besides, no operator goes past its evidence: what was counted stays
      counted after a promotion with `--override` and after a pause that it asked for.
    * `compares_arms`: it asks once per arm (`${arm.…}`) and needs both to be served.
    * `judges_split`: it holds units against the weights, so nobody is served beside them.

    A kind whose failure does not mean that the canary is bad may say with `default_on_fail`
    (an `OnFail`) what it leads to unless the gate says otherwise.

    * `is_implied`: a kind of step makes it; nobody writes it under `gates`.

    And, as a method that is taken for True where it is missing:

    * `counts_events(spec) -> bool`: its verdicts have a `sample`, so `min_sample` can hold.
    """

    name: ClassVar[str]
    Spec: ClassVar[type]

    def problems(self, spec: Any) -> Sequence[tuple[str, str, str]]:
        """What is wrong with a decoded spec: (key, message, fix) each; lint shows them."""
        ...

    def queries(self, spec: Any, context: GateContext) -> Sequence[Query]:
        """What to ask at `context.now`, in a fixed order."""
        ...

    def texts(self, spec: Any) -> Mapping[str, str]:
        """The texts that hold `${…}` references, by key, for lint."""
        ...

    def query_kinds(self, spec: Any) -> frozenset[str]:
        """The `QueryKind`s it will ask."""
        ...

    def assess(
        self, spec: Any, evidence: Json, readings: Sequence[Reading], context: GateContext
    ) -> tuple[Json, Verdict]:
        """One judgement; evidence is None at first. Must not raise on any reading.

        Must never answer PASS for missing, not-a-number, stale or erroneous readings.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step kind may know when it plans."""

    playbook: Playbook
    step: Step
    #: what each target serves when the step begins
    exposures: Mapping[str, Exposure]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """How far a step is, once its effects are done."""

    applied_at: datetime
    hold_ends_at: datetime
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The kind has nothing against leaving (gates, hold and people permitting)."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Not yet; look again at `until`."""

    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The step cannot succeed; the playbook's `on_fail` follows."""

    because: str


StepAdvice = Leave | Stay | GiveUp


class StepKind(Protocol):
    """One kind of step; pure, constructed without arguments.

    `Spec` is a frozen dataclass: the field named like the kind holds the value of the
    step's key (`canary: 5%`), its other fields are further keys of the step. Fields of
    type `Weight`, `Duration`, `Cohort` and nested frozen dataclasses are decoded by
    `core.decode`. A kind may have, as methods:

    * `implied_gate(spec, step) -> ImpliedGate`: a gate that judges the step besides those
      that it names; called where `problems` found none.
    * `remarks(spec) -> Sequence[str]`: what the plan should say of it.
    """

    name: ClassVar[str]
    Spec: ClassVar[type]

    def problems(self, spec: Any, step: Step) -> Sequence[tuple[str, str, str]]:
        """What is wrong with a decoded spec: (key, message, fix) each."""
        ...

    def plan(self, spec: Any, context: StepContext) -> Sequence[Effect]:
        """Every effect of the step, in order; must be the same at every call."""
        ...

    def advance(self, spec: Any, progress: StepProgress, now: datetime) -> StepAdvice:
        """May the step be left, as far as its kind is concerned?"""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """The pure plug-ins that `decide` needs, by name."""

    gates: Mapping[str, GateKind]
    steps: Mapping[str, StepKind]


class Catalog(Protocol):
    """Names and classes of installed plug-ins, one group at a time.

    Groups: "providers", "sources", "notifiers", "gates", "steps".
    """

    def names(self, group: str) -> Sequence[str]:
        """Known names, sorted; loads nothing."""
        ...

    def load(self, group: str, name: str) -> Any:
        """The plug-in class. Raises `NotFound` with the known names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to drive one rollout until `expires_at`."""

    rollout_id: str
    epoch: int
    owner: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """One line of the journal's table of contents."""

    rollout_id: str
    name: str
    sha256: str
    created_at: datetime
    is_open: bool
    head_seq: int
    lease: Lease | None


class Journal(Protocol):
    """The only memory of a rollout; every method is one transaction.

    Must: when a method returns, what it wrote survives power loss. All raise
    `JournalUnavailable` with the file, the cause and what to do.
    """

    def create(
        self, rollout_id: str, started: Started, *, at: datetime, holds: Sequence[str]
    ) -> None:
        """Begins a rollout with `Started` as event 1 and takes its addresses.

        Raises `Conflict` if the id exists or an open rollout holds one of `holds`,
        naming it.
        """
        ...

    def append(
        self,
        rollout_id: str,
        events: Sequence[Event],
        *,
        at: datetime,
        expect_seq: int,
        epoch: int | None,
    ) -> int:
        """Adds events, all or none; returns the new head.

        Raises `Stale` when the head is not `expect_seq`; `LeaseLost` when `epoch` is
        given and is not the current one. SAFETY (rule 2): an `Intended` among the
        events is refused with `Stale` after `KillRequested`, when `epoch` is None,
        and while another intent on the same target is open. `Finished` closes the rollout
        and frees its addresses.
        """
        ...

    def read(self, rollout_id: str, *, after_seq: int = 0) -> Sequence[Recorded]:
        """Events after a seq, in order. Raises `NotFound` for an unknown rollout."""
        ...

    def heads(self) -> Mapping[str, int]:
        """Rollout id -> head seq of the open rollouts; cheap enough to poll."""
        ...

    def rollouts(self, *, open_only: bool = False) -> Sequence[RolloutRow]:
        """The table of contents, newest first."""
        ...

    def acquire_lease(
        self, rollout_id: str, owner: str, *, now: datetime, ttl_s: float, steal: bool = False
    ) -> Lease:
        """Takes the lease and a new epoch, and records `LeaseTaken`.

        `steal` takes it from an owner known to be dead. Raises `LeaseHeld`.
        """
        ...

    def renew_lease(self, lease: Lease, *, now: datetime, ttl_s: float) -> Lease:
        """Prolongs it. Raises `LeaseLost` if another epoch began."""
        ...

    def release_lease(self, lease: Lease) -> None:
        """Gives it up if it is still ours; no error otherwise."""
        ...

    def close(self) -> None:
        """Frees files and connections; safe twice."""
        ...
