"""One pass over every open rollout that nobody drives, then the end: for cron and CI jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import SimpleQueue

from rolloutctl.clock import monotonic_s
from rolloutctl.core.decide import decide
from rolloutctl.core.decision import Decision, Finish, WaitUntil
from rolloutctl.core.ports import RolloutRow
from rolloutctl.core.state import Phase
from rolloutctl.runner.agent import AgentPorts
from rolloutctl.runner.exposure_source import are_asking
from rolloutctl.runner.invocations import LOOK_S
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.owner import take_over
from rolloutctl.runner.rollout import STOPPED, Rollout
from rolloutctl.runner.telling import FLUSH_S, THREADS_MAX, Teller, has_untold
from rolloutctl.runner.tick import tick
from rolloutctl.runner.workers import Work, Workers, at_once

#: Ticks of one rollout in one pass: a bound, not a plan.
TICKS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """How a pass left one rollout.

    `phase` is None if it could not be opened; `next_at` if nothing is due by itself;
    `error` is set where it was not driven (`LeaseHeld`: another process does). One that was
    not looked at, because the pass was stopped, has neither phase nor error.
    """

    rollout_id: str
    phase: Phase | None
    because: str
    next_at: datetime | None = None
    error: Exception | None = None
    rollout: Rollout | None = None


def tick_once(ports: AgentPorts, *, stop: Callable[[], bool] = lambda: False) -> Sequence[Passed]:
    """Does everything that is due on every open rollout nobody drives.

    A rollout that fails does not disturb the others, and none waits for a notifier: last
    messages are waited for once all are done, together at most `telling.FLUSH_S`.
    `ports.on_event` is not called. Once `stop` says so, nothing more is begun.

    Raises:
        JournalUnavailable: the journal cannot be read at all.
    """
    turns = Workers(ports.workers, name="turn") if ports.workers else None
    tellers = Workers(THREADS_MAX, name="tell") if ports.workers else None
    run, tell = turns.run if turns else at_once, tellers.run if tellers else at_once
    rows = ports.journal.rollouts(open_only=True)
    done: SimpleQueue[_Pass] = SimpleQueue()
    for row in rows:
        run(partial(_pass_over, _Pass(row, ports, tell=tell, stop=stop), done))
    passes = {one.row.rollout_id: one for one in (done.get() for _ in rows)}
    until_s = monotonic_s() + FLUSH_S
    for one in passes.values():
        attempt(partial(one.let_go, max(0.0, until_s - monotonic_s())))
    for workers in (turns, tellers):
        if workers is not None:
            workers.close()
    return [passes[row.rollout_id].passed() for row in rows]


def _pass_over(one: _Pass, done: SimpleQueue[_Pass]) -> None:
    """In a worker: whatever happens, the pass is put into `done`."""
    one.error = attempt(one.drive)
    if one.teller is None or one.teller.is_idle or one.error is not None:
        attempt(partial(one.let_go, 0.0))
    done.put(one)


class _Pass:
    """One rollout's pass: opened, driven until it would wait, let go."""

    def __init__(
        self,
        row: RolloutRow,
        ports: AgentPorts,
        *,
        tell: Callable[[Work], None],
        stop: Callable[[], bool],
    ) -> None:
        self.row = row
        self.teller: Teller | None = None
        self.error: Exception | None = None
        self._ports = ports
        self._tell = tell
        self._stop = stop
        self._rollout: Rollout | None = None
        self._last: Decision | None = None

    def drive(self) -> None:
        """Ticks until it would wait. Raises `LeaseHeld`, `LeaseLost`, what a tick raises."""
        if self._stop():
            return
        self._rollout = rollout = self._ports.open_rollout(self.row)
        if rollout.state.phase.is_at_rest and not has_untold(rollout):
            # Nothing is done at rest, so no lease is needed to say why it rests.
            kinds, now = rollout.adapters.kinds, rollout.clock.now()
            self._last = decide(rollout.playbook, rollout.state, kinds, now)
            return
        take_over(rollout, self._ports.owner)
        self.teller = Teller(rollout, run=self._tell)
        ticks = 0
        while ticks < TICKS_MAX:
            self.teller.settle()
            self._last = tick(rollout)
            if isinstance(self._last, Finish) or self._stop():
                break
            if not isinstance(self._last, WaitUntil):
                ticks += 1
            elif rollout.invocations.is_busy or _is_asking(rollout):
                # Left now it would be ended, and no pass would ever see it through; it has
                # a time limit of its own, and the guardrails are judged meanwhile.
                rollout.clock.sleep(LOOK_S)
            else:
                break
        self.teller.settle()

    def let_go(self, limit_s: float) -> None:
        """Delivers what can be delivered within `limit_s`, gives the lease back; safe twice."""
        try:
            if self._rollout is not None:
                self._rollout.invocations.close(self._rollout, STOPPED)
            if self.teller is not None:
                self.teller.flush(limit_s)
                self.teller.close()
                self.teller = None
        finally:
            if self._rollout is not None:
                self._rollout.release_lease()

    def passed(self) -> Passed:
        """How it was left."""
        last, error, rollout = self._last, self.error, self._rollout
        if error is not None:
            because = f"{type(error).__name__}: {error}"
        else:
            because = last.because if last is not None else "stopped before it was looked at"
        return Passed(
            rollout_id=self.row.rollout_id,
            phase=rollout.state.phase if rollout is not None else None,
            because=because,
            next_at=last.at if isinstance(last, WaitUntil) else None,
            error=error,
            rollout=rollout,
        )


def _is_asking(rollout: Rollout) -> bool:
    """An SDK's answer is on its way, and will be judged: not so while it is paused."""
    is_judged = rollout.state.phase is Phase.RUNNING
    return is_judged and are_asking(rollout.adapters.sources.values(), rollout.clock.now())
