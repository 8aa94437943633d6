"""Processes that take turns at every I/O boundary, in an order somebody else chooses.

Each process is a greenlet: real engine code with a real stack, stopped wherever it does
I/O or sleeps, for as long as the schedule says, for ever if it crashes there.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet

from rolloutctl.testing import FakeClock

#: More turns than this without an end is a loop that does not wait.
TURNS_MAX = 60_000
FOREVER = datetime.max.replace(tzinfo=FakeClock().now().tzinfo)


@dataclass(eq=False, slots=True)
class Process:
    """One thread of control; `group` is the process whose crash and stall it shares."""

    name: str
    fiber: greenlet
    wake_at: datetime
    group: str
    is_dead: bool = False
    on_end: Callable[[], None] | None = None


@dataclass(slots=True)
class Turns:
    """The scheduler. `disturb` may crash or stall the process whose turn it is."""

    clock: FakeClock
    random: Random
    #: called before time moves beyond a moment; answers the next moment to stop at
    next_event: Callable[[], datetime | None]
    disturb: Callable[[Process], None]
    latency_s: float = 0.0
    processes: list[Process] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    turns: int = 0
    hub: greenlet = field(default_factory=getcurrent)
    trace: list[str] | None = None

    def spawn(
        self,
        name: str,
        run: Callable[[], None],
        *,
        after_s: float = 0.0,
        group: str = "",
        on_end: Callable[[], None] | None = None,
    ) -> Process:
        """A process that begins `after_s` from now."""
        wake_at = self.clock.now() + timedelta(seconds=after_s)
        # Whoever starts it, it hands its turn back to the scheduler.
        fiber = greenlet(lambda: self._live(process, run), parent=self.hub)
        process = Process(name, fiber, wake_at, group or name)
        process.on_end = on_end
        self.processes.append(process)
        return process

    def _live(self, process: Process, run: Callable[[], None]) -> None:
        process.fiber.process = process
        try:
            run()
        except GreenletExit:
            pass
        except Exception:  # noqa: BLE001 - an engine that raises is a finding
            self.failures.append(f"I0 {process.name} died of\n{traceback.format_exc(limit=-6)}")
        process.is_dead = True

    def step(self, what: str = "") -> None:
        """An I/O boundary of the current process: somebody else may run now."""
        current = getcurrent()
        process = getattr(current, "process", None)
        if process is None:
            return
        if process.is_dead:
            raise GreenletExit
        if self.trace is not None:
            self.trace.append(f"{self.clock.now():%H:%M:%S.%f} {process.name} {what}")
        process.wake_at = self.clock.now() + timedelta(seconds=self.latency_s)
        self.hub.switch()

    def sleep(self, seconds: float) -> None:
        """The current process waits."""
        current = getcurrent()
        process = getattr(current, "process", None)
        if process is None:
            self.clock.advance(seconds)
            return
        if process.is_dead:
            raise GreenletExit
        process.wake_at = self.clock.now() + timedelta(seconds=max(0.0, seconds))
        self.hub.switch()

    def crash(self, process: Process) -> None:
        """The whole process is gone, with its threads."""
        for one in [each for each in self.processes if each.group == process.group]:
            one.is_dead = True
            self.processes.remove(one)
            if one.fiber:
                one.fiber.throw(GreenletExit)
            if self.trace is not None:
                self.trace.append(f"{self.clock.now():%H:%M:%S.%f} {one.name} CRASHED")
            if one.on_end is not None:
                one.on_end()

    def stall(self, process: Process, seconds: float) -> None:
        """The whole process stops for a while; it does not notice."""
        until = self.clock.now() + timedelta(seconds=seconds)
        if self.trace is not None:
            self.trace.append(f"{self.clock.now():%H:%M:%S.%f} {process.name} STALLS {seconds}")
        for one in self.processes:
            if one.group == process.group:
                one.wake_at = max(one.wake_at, until)

    def run(self, until: datetime, *, is_done: Callable[[], bool] = lambda: False) -> None:
        """Turns until nothing is left to do before `until`, or `is_done`."""
        while not self.failures and not is_done():
            now = self.clock.now()
            ready = [process for process in self.processes if process.wake_at <= now]
            if ready:
                self._turn(ready)
                continue
            soonest = min((process.wake_at for process in self.processes), default=FOREVER)
            event = self.next_event()
            if event is not None and event < soonest:
                soonest = event
            if soonest > until:
                self.clock.advance((until - now).total_seconds())
                return
            self.clock.advance(max(0.0, (soonest - now).total_seconds()))

    def _turn(self, ready: list[Process]) -> None:
        process = ready[0] if len(ready) == 1 else self.random.choice(ready)
        self.disturb(process)
        if process.is_dead or process.wake_at > self.clock.now():
            return
        self.turns += 1
        if self.turns > TURNS_MAX:
            self.failures.append(f"I8 {process.name} is busy without end")
            return
        process.fiber.switch()
        if process.is_dead and process in self.processes:
            self.processes.remove(process)
            if process.on_end is not None:
                process.on_end()

    def end(self) -> None:
        """Frees every process that is left."""
        for process in self.processes:
            process.on_end = None
        while self.processes:
            self.crash(self.processes[0])


class TurnThreading:
    """Stands for `threading` in `runner.kill`: its threads take turns as well."""

    class Thread:
        """A thread of the process that starts it."""

        def __init__(self, *, target: Callable[[], None], daemon: bool) -> None:
            del daemon
            self._target = target
            self._process: Process | None = None

        def start(self) -> None:
            """Takes its first turn some time later."""
            parent, turns = getcurrent().process, TurnThreading.turns
            name = f"{parent.name}/{len(turns.processes)}"
            self._process = turns.spawn(name, self._target, group=parent.group)

        def join(self, timeout: float) -> None:
            """Returns when the thread ended or the time is over."""
            turns = TurnThreading.turns
            ends_at = turns.clock.now() + timedelta(seconds=timeout)
            while not self._process.is_dead and turns.clock.now() < ends_at:
                turns.sleep(min(1.0, (ends_at - turns.clock.now()).total_seconds()))

    turns: Turns


class BegunInTurn:
    """Stands for `runner.workers.Begun`: the work takes its turns where it was begun."""

    def __init__(self, work: Callable[[], object], *, name: str) -> None:
        del name
        self._error: Exception | None = None
        self._answer: object = None
        try:
            self._answer = work()
        except Exception as error:  # noqa: BLE001 - raised where the answer is asked for
            self._error = error

    def ends_within(self, limit_s: float) -> bool:
        """It has ended."""
        del limit_s
        return True

    def answer(self) -> object:
        """What the work returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._answer
