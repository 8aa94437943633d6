"""One pass over every open rollout that nobody drives, then the end: for cron and CI jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import SimpleQueue

from rolloutctl.core.decide import decide
from rolloutctl.core.decision import Decision, Finish, WaitUntil
from rolloutctl.core.ports import RolloutRow
from rolloutctl.core.state import Phase
from rolloutctl.runner.agent import AgentPorts
from rolloutctl.runner.loop import attempt
from rolloutctl.runner.owner import take_over
from rolloutctl.runner.rollout import Rollout
from rolloutctl.runner.telling import FLUSH_S, THREADS_MAX, Teller, has_untold
from rolloutctl.runner.tick import tick
from rolloutctl.runner.workers import Work, Workers, at_once

#: Ticks of one rollout in one pass: a bound, not a plan.
TICKS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """How a pass left one rollout.

    `phase` is None if it could not be opened; `next_at` if nothing is due by itself;
    `error` is set where it was not driven (`LeaseHeld`: another process does).
    """

    rollout_id: str
    phase: Phase | None
    because: str
    next_at: datetime | None = None
    error: Exception | None = None
    rollout: Rollout | None = None


def tick_once(ports: AgentPorts) -> Sequence[Passed]:
    """Does everything that is due on every open rollout nobody drives.

    A rollout that fails does not disturb the others. `ports.on_event` is not called.

    Raises:
        JournalUnavailable: the journal cannot be read at all.
    """
    turns = Workers(ports.workers, name="turn") if ports.workers else None
    tellers = Workers(THREADS_MAX, name="tell") if ports.workers else None
    run, tell = turns.run if turns else at_once, tellers.run if tellers else at_once
    rows = ports.journal.rollouts(open_only=True)
    done: SimpleQueue[Passed] = SimpleQueue()
    for row in rows:
        run(partial(_pass_over, ports, row, tell=tell, done=done))
    passed = {one.rollout_id: one for one in (done.get() for _ in rows)}
    for workers in (turns, tellers):
        if workers is not None:
            workers.close()
    return [passed[row.rollout_id] for row in rows]


def _pass_over(
    ports: AgentPorts,
    row: RolloutRow,
    *,
    tell: Callable[[Work], None],
    done: SimpleQueue[Passed],
) -> None:
    """In a worker: whatever happens, an answer is put into `done`."""
    opened: list[Rollout] = []
    decisions: list[Decision] = []
    error = attempt(lambda: opened.append(ports.open_rollout(row)))
    if error is None:
        error = attempt(lambda: decisions.append(_drive(opened[0], ports.owner, tell)))
    rollout = opened[0] if opened else None
    last = decisions[0] if decisions else None
    done.put(
        Passed(
            rollout_id=row.rollout_id,
            phase=rollout.state.phase if rollout is not None else None,
            because=last.because if last is not None else f"{type(error).__name__}: {error}",
            next_at=last.at if isinstance(last, WaitUntil) else None,
            error=error,
            rollout=rollout,
        )
    )


def _drive(rollout: Rollout, owner: str, tell: Callable[[Work], None]) -> Decision:
    """Ticks until it would wait. Raises `LeaseHeld`, `LeaseLost`, and what a tick raises."""
    if rollout.state.phase.is_at_rest and not has_untold(rollout):
        # Nothing is done at rest, so no lease is needed to say why it rests.
        return decide(rollout.playbook, rollout.state, rollout.adapters.kinds, rollout.clock.now())
    take_over(rollout, owner)
    teller = Teller(rollout, run=tell)
    try:
        for _ in range(TICKS_MAX):
            teller.settle()
            decision = tick(rollout)
            if isinstance(decision, WaitUntil | Finish):
                break
        teller.flush(FLUSH_S)
        return decision
    finally:
        teller.close()
        rollout.release_lease()
