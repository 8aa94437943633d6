"""One tick: fold what is new, decide one thing, do it, say why."""

from __future__ import annotations

from typing import assert_never

from rolloutctl.core.decide import decide
from rolloutctl.core.decision import (
    CompleteKill,
    Decision,
    Do,
    Finish,
    Look,
    Measure,
    Record,
    WaitUntil,
)
from rolloutctl.errors import Stale
from rolloutctl.runner.kill_account import complete_kill
from rolloutctl.runner.measure import measure
from rolloutctl.runner.perform import look, perform
from rolloutctl.runner.rollout import Rollout


def tick(rollout: Rollout) -> Decision:
    """Does exactly one next thing; `decision.because` is the log line and the status line.

    What runs beside the ticks is looked at before: how it ended, and whether it must end.

    Raises:
        LeaseLost: another process drives; this one must stop.
        JournalUnavailable: nothing was sent that is not on disk.
    """
    rollout.keep_lease()
    rollout.refresh()
    rollout.invocations.settle(rollout)
    decision = decide(
        rollout.playbook,
        rollout.state,
        rollout.adapters.kinds,
        rollout.clock.now(),
        has_measured=rollout.has_measured,
    )
    rollout.has_measured = isinstance(decision, Measure)
    match decision:
        case Do():
            perform(rollout, decision)
        case Measure(gates=gates, targets=targets):
            measure(rollout, gates, targets)
        case Look(key=key):
            look(rollout, key)
        case Record(event=event):
            try:
                rollout.record(event)
            except Stale:
                rollout.refresh()
        case CompleteKill():
            complete_kill(rollout)
        case Finish():
            rollout.invocations.close(rollout, "ended because the rollout is over")
        case WaitUntil():
            pass
        case _:  # pragma: no cover - the type checker proves it
            assert_never(decision)
    rollout.invocations.follow(rollout)
    return rollout.invocations.bounded(decision, rollout.clock.now())
