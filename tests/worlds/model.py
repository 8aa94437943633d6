"""Random schedules of whole rollouts: operators, crashes, stalls, faults and racing drivers.

`Dials` says how bad a schedule may get, its seed decides the rest; the same dials give
the same schedule. `run` returns what was violated, or nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Invoke
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.measurement import DataState
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.errors import (
    JournalUnavailable,
    LeaseHeld,
    LeaseLost,
    Stale,
    Unavailable,
    WrongPhase,
)
from rolloutctl.runner import fence as fence_module
from rolloutctl.runner import kill as kill_module
from rolloutctl.runner import requests
from rolloutctl.runner import start as starting
from rolloutctl.runner.adapters import Adapters, InvokeResult
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill import KillOrder
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import Rollout
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    Fault,
)
from worlds.dials import Dials, model_playbook
from worlds.invariants import Invariants, flag_of
from worlds.invocations import SimInvoker, SimRun
from worlds.rollouts import ACTOR, KINDS
from worlds.turn_adapters import ServedLog, TurnClock, TurnJournal, TurnProvider, WatchedJournal
from worlds.turns import BegunInTurn, Process, Turns, TurnThreading

ROLLOUT = "r-1"
#: Quiet time at the end within which every rollout must come to rest.
QUIET_S = 3_000.0
WRITE_FAULTS = (
    Fault.LATE,
    Fault.LATE,
    Fault.LATE,
    Fault.NEVER,
    Fault.LOST_ANSWER,
    Fault.HALF_DONE,
    Fault.REFUSED_CONNECTION,
    Fault.RATE_LIMITED,
    Fault.SERVER_ERROR,
    Fault.CONFLICT,
    Fault.FORBIDDEN,
    Fault.REJECTED,
)
READ_FAULTS = (Fault.NEVER, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.FORBIDDEN)


@dataclass(slots=True)
class Model:
    """One schedule: its world, its processes, and what may still go wrong in it."""

    dials: Dials
    random: Random = field(init=False)
    clock: FakeClock = field(default_factory=FakeClock)
    source: FakeSource = field(default_factory=FakeSource)
    journal: WatchedJournal = field(default_factory=WatchedJournal)
    world: FakeWorld = field(init=False)
    turns: Turns = field(init=False)
    check: Invariants = field(init=False)
    playbook: Playbook = field(init=False)
    invoker: SimInvoker = field(init=False)
    begin: datetime = field(init=False)
    is_quiet: bool = False
    is_slow: bool = False
    key: str = ""
    crashes: int = 0
    stalls: int = 0
    journal_faults: int = 0
    processes: int = 0

    def __post_init__(self) -> None:
        dials = self.dials
        self.random = Random(f"{dials.seed}")  # noqa: S311 - repeatable by its seed
        self.begin = self.clock.now()
        self.playbook = model_playbook(dials)
        self.world = FakeWorld(clock=self.clock, fault=self.fault)
        self.clock.hooks.append(lambda _now: self.world.settle())
        before = split(dials.canary_before_bp)
        for name in self.playbook.targets:
            self.world.flags[flag_of(name)] = FakeFlag(exposure=before, note=f"note of {name}")
        self.turns = Turns(
            clock=self.clock,
            random=self.random,
            next_event=lambda: min((one.lands_at for one in self.world.late), default=None),
            disturb=self.disturb,
            latency_s=dials.latency_s,
        )
        self.check = Invariants(
            playbook=self.playbook,
            rollout_id=ROLLOUT,
            world=self.world,
            conditional=dials.conditional,
            restore=dict(self.world.flags),
            failures=self.turns.failures,
        )
        how = InvokeResult(ok=not dials.run_fails, message="exit", output="")
        self.invoker = SimInvoker(clock=self.clock, lasts_s=dials.run_s, how=how)
        self.check.invoker = self.invoker
        self.world.served = ServedLog(self.check.landed)
        self.journal.watch = self.check.recorded
        self.source.answers = {name: partial(self._answer, name) for name in ("success", "floor")}
        self.crashes, self.stalls = dials.crashes, dials.stalls
        self.journal_faults = dials.journal_faults

    # -- what goes wrong ----------------------------------------------------------

    def chance(self, share: float) -> bool:
        """True in `share` of the cases; never once the world is quiet."""
        return not self.is_quiet and share > 0 and self.random.random() < share

    def some_seconds(self, limit_s: float) -> float:
        """None, a few, or exactly as many as are allowed."""
        if self.is_quiet or not self.dials.fault_rate:
            return 0.0
        return self.random.choice((0.0, self.random.uniform(0.0, limit_s), limit_s))

    def fault(self, operation: str, flag: str) -> Fault | None:
        """What happens to this call."""
        del flag
        is_write = operation in {"apply", "restore", "kill"}
        if is_write and self.is_slow:
            self.is_slow = False
            return Fault.LATE
        if not self.chance(self.dials.fault_rate):
            return None
        fault = self.random.choice(WRITE_FAULTS if is_write else READ_FAULTS)
        if fault is Fault.HALF_DONE:
            self.check.half_done.add(self.key)
        return fault

    def journal_fault(self) -> str:
        """How the journal fails now; nothing if it does not."""
        if not self.journal_faults or not self.chance(0.02):
            return ""
        self.journal_faults -= 1
        return self.random.choice(("before", "after"))

    def disturb(self, process: Process) -> None:
        """Perhaps the process whose turn it is crashes or stalls instead."""
        if self.crashes and self.chance(0.01):
            self.crashes -= 1
            self.turns.crash(process)
        elif self.stalls and self.chance(0.01):
            self.stalls -= 1
            self.turns.stall(process, self.random.choice((1.0, 4.0, 6.0, 20.0, 90.0, 900.0)))

    def _answer(self, name: str, at: datetime):
        """What the metrics say, by the weather of the hour."""
        now_s = (at - self.begin).total_seconds()
        weather = "good"
        for since_s, what in self.dials.weather:
            weather = what if now_s >= since_s else weather
        match weather:
            case "bad" if name == "success":
                return 0.5
            case "floor-bad" if name == "floor":
                return 0.5
            case "missing":
                return DataState.EMPTY
            case "error":
                return Unavailable("the source does not answer")
            case _:
                return 0.99

    # -- processes ------------------------------------------------------------------

    def adapters(self) -> Adapters:
        """The adapters as one process has them."""
        return Adapters(
            kinds=KINDS,
            providers=dict.fromkeys(self.playbook.targets, TurnProvider(self)),
            sources={"fake": self.source},
            invoke=self._begin_command,
        )

    def _begin_command(self, effect: Invoke, key: str, timeout_s: float) -> SimRun:
        self.check.beginning(key)
        run = self.invoker(effect, key, timeout_s)
        run.epoch = self.check.intended[key].intended.epoch
        self.turns.step(f"begin {key}")
        return run

    def spawn_driver(self, *, after_s: float = 0.0) -> None:
        """A driver; when it crashes another one is started after a while."""
        self.processes += 1
        name = f"driver-{self.processes}"

        def again() -> None:
            if not self.check.is_over:
                self.spawn_driver(after_s=self.random.choice((0.0, 3.0, 7.0, 30.0)))

        self.turns.spawn(name, partial(self._drive, name), after_s=after_s, on_end=again)

    def _drive(self, owner: str) -> None:
        """As `start` and `agent` do: takes the lease when it is free, drives, comes back."""
        clock = TurnClock(self.turns)
        rollout = None
        while not self.check.is_over:
            try:
                if rollout is None:
                    rollout = Rollout.open(
                        ROLLOUT,
                        playbook=self.playbook,
                        adapters=self.adapters(),
                        journal=TurnJournal(self),
                        clock=clock,
                    )
                rollout.take_lease(owner, steal=self.chance(0.05))
                drive(rollout, poll_s=5.0)
            except LeaseHeld:
                pass
            except (LeaseLost, JournalUnavailable):
                rollout = None
            clock.sleep(7.0)

    def spawn_operator(self, after_s: float, verb: str) -> Process:
        """Another terminal, at its time."""
        self.processes += 1
        name = f"{verb}-{self.processes}"
        return self.turns.spawn(name, partial(self._act, verb), after_s=after_s)

    def _act(self, verb: str) -> None:
        try:
            match verb:
                case "kill" | "unfenced-kill":
                    self._kill(is_fenced=verb == "kill")
                case "edit" | "outside-kill" | "undo-edit":
                    self._edit(verb)
                case _:
                    requests.request(
                        TurnJournal(self), TurnClock(self.turns), ROLLOUT, partial(_ask, verb)
                    )
        except (WrongPhase, Stale, JournalUnavailable):
            pass

    def _kill(self, *, is_fenced: bool) -> None:
        adapters = self.adapters()
        # Without a fence of its own it can speak for the drivers only if one stood before it
        # began: what they send meanwhile lands when it has gone, and nobody told them to stop.
        is_fenced_before = self.check.is_killed
        end = kill_rollout(
            ROLLOUT,
            [
                KillOrder(target=target, provider=adapters.providers[name])
                for name, target in self.playbook.targets.items()
            ],
            journal=TurnJournal(self) if is_fenced else None,
            clock=TurnClock(self.turns),
            fence=ev.KillRequested(actor=ACTOR, reason="bad answers"),
        )
        is_fenced = is_fenced and not end.journal_error
        is_final = self.check.is_killed or self.check.is_over
        if end.is_confirmed and (is_fenced_before or (is_fenced and is_final)):
            self.check.confirm_kill()

    def _edit(self, verb: str) -> None:
        flag = self.random.choice(sorted(self.world.flags))
        was = self.check.restore[flag]
        match verb:
            case "edit":
                changes = {"exposure": split(self.random.choice((0, 500, 4200)), shadow_bp=70)}
            case "undo-edit":
                changes = {"exposure": was.exposure, "note": was.note}
            case _:
                changes = {"exposure": ZERO}
        self.world.edit(flag, **changes)
        self.check.edited(flag)
        self.turns.step(f"{verb} {flag}")

    # -- the whole --------------------------------------------------------------------

    def run(self) -> list[str]:
        """Chaos, then quiet; what was violated."""
        starting.start(
            self.playbook,
            Adapters(
                kinds=KINDS,
                providers=dict.fromkeys(
                    self.playbook.targets,
                    FakeProvider(
                        replace(self.world, fault=lambda _operation, _flag: None),
                        conditional=self.dials.conditional,
                    ),
                ),
            ),
            self.journal,
            clock=self.clock,
            rollout_id=ROLLOUT,
            actor=ACTOR,
        )
        self.check.recorded(self.journal.read(ROLLOUT)[0])
        for number in range(self.dials.drivers):
            self.spawn_driver(after_s=2.0 * number)
        for at_s, verb in self.dials.acts:
            self.spawn_operator(at_s, verb)
        chaos_s = max([60.0, *(at_s for at_s, _ in self.dials.acts)]) + 20.0
        self._until(chaos_s, lambda: self.check.is_over and not self.dials.acts)
        self.is_quiet = True
        self._come_to_rest()
        if self.random.random() < 0.5:  # every other one is taken back
            self._ask_for_an_end("rollback")
        self._late_landings()
        self.turns.end()
        return self.turns.failures

    def state(self) -> RolloutState:
        """The journal's truth."""
        assert self.check.state is not None
        return self.check.state

    def _until(self, seconds: float, is_done: Callable[[], bool]) -> None:
        self.turns.run(self.clock.now() + timedelta(seconds=seconds), is_done=is_done)

    def _come_to_rest(self) -> None:
        """I8: with nothing wrong any more, it ends, or waits for a human."""
        self._until(QUIET_S, self._is_at_rest)
        if self._is_at_rest() or self.turns.failures:
            self._unstick()
            return
        self.check.fail(f"I8 not at rest {QUIET_S:g} s after the last fault: {self.state().phase}")

    def _is_at_rest(self) -> bool:
        state = self.state()
        return state.phase.is_at_rest or (
            state.phase in {Phase.ASKING, Phase.PAUSED} and not state.open
        )

    def _unstick(self) -> None:
        """What got stuck while the world was broken ends well once somebody asks again."""
        if self.state().phase is Phase.STUCK:
            self._ask_for_an_end("kill" if self.check.is_killed else "rollback")

    def _ask_for_an_end(self, verb: str) -> None:
        if self.check.is_over or self.turns.failures:
            return
        for _ in range(2):
            # A driver that slept past the limit says stuck at its first failure; ask again.
            asking = self.spawn_operator(0.0, verb)
            self._until(QUIET_S, partial(self._has_answered, asking))
            if self.check.is_over:
                return
        if not self.check.is_over and not self.turns.failures:
            self.check.fail(f"I8 {verb} did not end in {QUIET_S:g} s: {self.state().phase}")

    def _has_answered(self, asking: Process) -> bool:
        """It is over, or stuck again after all that was asked."""
        is_stuck = asking.is_dead and self.state().phase is Phase.STUCK
        return self.check.is_over or is_stuck

    def _late_landings(self) -> None:
        """Every sleeper wakes up and every request lands; nothing may change any more."""
        self._until(2_000.0 if self.check.is_over else 60.0, lambda: False)


def _ask(verb: str, state: RolloutState) -> ev.Event | None:
    match verb:
        case "reapply":
            return requests.resume(state, ACTOR, reapply=True)
        case "override":
            return requests.promote(state, ACTOR, "urgent", override=True)
        case "full":
            return requests.promote(state, ACTOR, "urgent", full=True)
        case _:
            return getattr(requests, verb)(state, ACTOR)


@contextmanager
def _in_turns(turns: Turns) -> Iterator[None]:
    """The kill's threads take turns too; a tracer (coverage) does not follow greenlets."""
    threading, begun = kill_module.threading, fence_module.Begun
    tracer = sys.gettrace()
    kill_module.threading = TurnThreading
    fence_module.Begun = BegunInTurn
    TurnThreading.turns = turns
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        kill_module.threading = threading
        fence_module.Begun = begun


def run(
    dials: Dials,
    *,
    trace: list[str] | None = None,
    ignored: frozenset[str] = frozenset(),
    keep: Callable[[Model], None] | None = None,
) -> list[str]:
    """Runs one schedule; what it violated of what is not `ignored`, empty if nothing."""
    model = Model(dials)
    model.check.ignored = ignored
    model.turns.trace = trace
    if keep is not None:
        keep(model)
    with _in_turns(model.turns):
        return [text for text in model.run() if text[:2] not in ignored]
