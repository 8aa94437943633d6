"""A rollout on fakes: its playbook, its world, and processes that may crash at any I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.decision import Do, Record
from rolloutctl.core.exposure import ZERO, Exposure, split
from rolloutctl.core.machine import fold
from rolloutctl.core.playbook import (
    Arm,
    Gate,
    GateLimits,
    Limits,
    OnDrift,
    Playbook,
    ShadowFlag,
    Step,
    Target,
)
from rolloutctl.core.ports import Kinds
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.errors import RolloutctlError
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.experiment import ExperimentGate
from rolloutctl.gates.threshold import Threshold
from rolloutctl.gates.threshold_spec import ThresholdSpec
from rolloutctl.runner import start as starting
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.kill import in_turn
from rolloutctl.runner.loop import DriveEnd, drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.steps.canary import Canary, CanarySpec
from rolloutctl.steps.experiment import ExperimentStep
from rolloutctl.steps.notify import Notify
from rolloutctl.steps.run import Run
from rolloutctl.steps.shadow import Shadow, ShadowSpec
from rolloutctl.steps.wait import Wait, WaitSpec
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    Fault,
    FlagSpec,
    MemoryJournal,
)
from worlds.invocations import SimInvoker

KINDS = Kinds(
    gates={"threshold": Threshold(), "compare": Compare(), "experiment": ExperimentGate()},
    steps={kind.name: kind() for kind in (Canary, Shadow, Wait, Run, Notify, ExperimentStep)},
)
ACTOR = ev.Actor(name="ana@host", terminal="pts/1", pid=1)
ROLLOUT = "r-test"


class Crash(BaseException):
    """The process dies here: nothing catches this."""


@dataclass(slots=True)
class Boundaries:
    """Counts I/O boundaries; the process dies at number `dies_at` (1 is the first)."""

    dies_at: int = 0
    count: int = 0
    names: list[str] = field(default_factory=list)

    def hit(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.count == self.dies_at:
            raise Crash(name)


class CrashingJournal:
    """The journal as one process sees it: dies before or after any call."""

    def __init__(self, journal: MemoryJournal, boundaries: Boundaries) -> None:
        self._journal = journal
        self._boundaries = boundaries

    def __getattr__(self, name: str):
        method = getattr(self._journal, name)

        def call(*args, **kwargs):
            writes = name in {"append", "create", "acquire_lease", "renew_lease"}
            if writes:
                self._boundaries.hit(f"journal.{name} before")
            result = method(*args, **kwargs)
            if writes:
                self._boundaries.hit(f"journal.{name} after")
            return result

        return call


class CrashingProvider:
    """The adapter as one process sees it; with `late`, a write dies and lands later."""

    def __init__(self, provider: FakeProvider, boundaries: Boundaries, *, late: bool) -> None:
        self._provider = provider
        self._boundaries = boundaries
        self._late = late
        self.capabilities = provider.capabilities
        self.name = provider.name

    def __getattr__(self, name: str):
        method = getattr(self._provider, name)
        if name not in {"observe", "apply", "restore", "kill"}:
            return method

        def call(*args, **kwargs):
            try:
                self._boundaries.hit(f"provider.{name} before")
            except Crash:
                if self._late and name != "observe":
                    self._send_and_die(method, args, kwargs)
                raise
            result = method(*args, **kwargs)
            self._boundaries.hit(f"provider.{name} after")
            return result

        return call

    def _send_and_die(self, method, args, kwargs) -> None:
        """The request left the process just before it died."""
        world = self._provider.world
        fault, world.fault = world.fault, lambda _operation, _flag: Fault.LATE
        try:
            method(*args, **kwargs)
        except RolloutctlError:
            pass
        finally:
            world.fault = fault


def target(name: str) -> Target:
    return Target(
        name=name,
        provider="fake",
        spec=FlagSpec(flag=f"flag-{name}"),
        control=Arm(name="control", value="old"),
        canary=Arm(name="canary", value="new"),
        shadow=ShadowFlag(flag=f"shadow-{name}"),
    )


def threshold(name: str, query: str, **limits) -> Gate:
    return Gate(
        name=name,
        kind="threshold",
        source="fake",
        spec=ThresholdSpec(query=query, fail="< 0.95"),
        limits=GateLimits(interval_s=30.0, **limits),
    )


def playbook(
    *,
    targets: tuple[str, ...] = ("llm",),
    on_drift: OnDrift = OnDrift.PAUSE,
    confirm: bool = False,
    deadline_s: float = 86400.0,
    steps: tuple[Step, ...] = (),
) -> Playbook:
    every = steps or (
        step(0, "shadow", ShadowSpec(shadow=1000), targets),
        step(1, "canary", CanarySpec(canary=500), targets, confirm=confirm),
        step(2, "wait", WaitSpec(wait=20.0), targets, gates=()),
        step(3, "canary", CanarySpec(canary=5000), targets),
        step(4, "canary", CanarySpec(canary=10000), targets),
    )
    return Playbook(
        name="test",
        document="{}",
        sha256="0" * 64,
        targets={name: target(name) for name in targets},
        gates={
            "success": threshold("success", "success"),
            "floor": threshold("floor", "floor"),
        },
        guardrails=("floor",),
        steps=every,
        on_drift=on_drift,
        limits=Limits(deadline_s=deadline_s, rollback_s=300.0, observe_s=20.0),
    )


def step(index, kind, spec, targets, *, gates=("success",), confirm=False, before=()) -> Step:
    return Step(
        index=index,
        name=f"{kind}-{index}",
        kind=kind,
        spec=spec,
        targets=targets,
        hold_s=60.0 if kind != "wait" else 0.0,
        gates=gates,
        before=before,
        confirm=confirm,
    )


@dataclass
class Stage:
    """One world with one rollout, and the processes that drive it."""

    playbook: Playbook
    conditional: bool = False
    late: bool = False
    clock: FakeClock = field(default_factory=FakeClock)
    source: FakeSource = field(default_factory=FakeSource)
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def __post_init__(self) -> None:
        self.world = FakeWorld(clock=self.clock)
        for name in self.playbook.targets:
            self.world.flags[f"flag-{name}"] = FakeFlag(note=f"note of {name}")
        self.source.answers = {"success": lambda _at: 0.99, "floor": lambda _at: 0.99}
        self.invoker = SimInvoker(clock=self.clock)
        self._operators: list[tuple[float, Callable[[Stage], None]]] = []
        self._begin = self.clock.now()
        self.clock.hooks.append(self._operate)
        self.processes = 0

    # -- operators ------------------------------------------------------------

    def at(self, seconds: float, act: Callable[[Stage], None]) -> Stage:
        """At `seconds` after the beginning, another process does `act`."""
        self._operators.append((seconds, act))
        return self

    def _operate(self, now) -> None:
        due = [
            (at, act) for at, act in self._operators if now >= self._begin + timedelta(seconds=at)
        ]
        self._operators = [one for one in self._operators if one not in due]
        for _, act in due:
            act(self)

    def canary_goes_bad(self, seconds: float, *, query: str = "success") -> Stage:
        bad_from = self._begin + timedelta(seconds=seconds)
        self.source.answers[query] = lambda at: 0.5 if at >= bad_from else 0.99
        return self

    # -- processes ------------------------------------------------------------

    def adapters(self, boundaries: Boundaries) -> Adapters:
        provider = FakeProvider(self.world, conditional=self.conditional)
        mine = CrashingProvider(provider, boundaries, late=self.late)
        return Adapters(
            kinds=KINDS,
            providers=dict.fromkeys(self.playbook.targets, mine),
            sources={"fake": self.source},
            invoke=self._invoke(boundaries),
            fan_out=in_turn,
        )

    def _invoke(self, boundaries: Boundaries):
        def begin(effect, key, timeout_s):
            boundaries.hit("invoke before")
            run = self.invoker(effect, key, timeout_s)
            boundaries.hit("invoke after")
            return run

        return begin

    def begin(self) -> None:
        starting.start(
            self.playbook,
            self.adapters(Boundaries()),
            self.journal,
            clock=self.clock,
            rollout_id=ROLLOUT,
            actor=ACTOR,
        )

    def process(self, boundaries: Boundaries | None = None) -> Rollout:
        """A new process that opens the rollout and takes the lease from the dead one."""
        boundaries = boundaries or Boundaries()
        self.processes += 1
        rollout = Rollout.open(
            ROLLOUT,
            playbook=self.playbook,
            adapters=self.adapters(boundaries),
            journal=CrashingJournal(self.journal, boundaries),
            clock=self.clock,
        )
        rollout.take_lease(f"process-{self.processes}", steal=True)
        return rollout

    def process_view(self, boundaries: Boundaries) -> Rollout:
        """A process that only looks: no lease (the kill switch needs none)."""
        return Rollout.open(
            ROLLOUT,
            playbook=self.playbook,
            adapters=self.adapters(boundaries),
            journal=CrashingJournal(self.journal, boundaries),
            clock=self.clock,
        )

    def drive(self, boundaries: Boundaries | None = None) -> DriveEnd:
        """Drives until at rest, or until only a human could go on."""
        moved_at = self.clock.now()
        rollout = self.process(boundaries)

        def stop(decision) -> str:
            nonlocal moved_at
            if isinstance(decision, Do | Record) or self._operators:
                moved_at = self.clock.now()
            waits = rollout.state.phase in {Phase.ASKING, Phase.PAUSED}
            patient = self.clock.now() - moved_at < timedelta(seconds=300)
            return "human" if waits and not patient else ""

        return drive(rollout, stop=stop, poll_s=5.0)

    def drive_with_crash(self, dies_at: int, *, away_s: float) -> tuple[DriveEnd | None, str]:
        """Dies at a boundary, is away for a while, and goes on in a new process."""
        boundaries = Boundaries(dies_at=dies_at)
        died_at = ""
        try:
            end = self.drive(boundaries)
        except Crash as crash:
            died_at = str(crash)
            self.clock.advance(away_s)
            end = self.drive()
        return end, died_at

    # -- what is true -----------------------------------------------------------

    def state(self) -> RolloutState:
        return fold(ROLLOUT, self.journal.read(ROLLOUT))

    def exposures(self) -> dict[str, Exposure]:
        self.world.settle()
        return {name: self.world.flags[f"flag-{name}"].exposure for name in self.playbook.targets}

    def final(self) -> tuple:
        """What must be equal whether or not a process died on the way."""
        self.clock.advance(60.0)
        self.world.settle()
        flags = {
            name: (flag.exposure, flag.note) for name, flag in sorted(self.world.flags.items())
        }
        return (self.state().phase, flags)

    def planned_exposures(self) -> set[Exposure]:
        """Everything that the plan, the restore points and a kill may ever serve."""
        planned = {ZERO}
        shadow = 0
        for one in self.playbook.steps:
            if one.kind == "shadow":
                shadow = one.spec.shadow
                planned.add(split(0, shadow_bp=shadow))
            elif one.kind == "canary":
                planned.add(split(one.spec.canary, shadow_bp=one.spec.shadow))
                # a half-done write: the new weights, the shadow still as before
                planned.add(split(one.spec.canary, shadow_bp=shadow))
        return planned
