"""What a kill means for a rollout: its orders, its account in the journal, its completion."""

from __future__ import annotations

from collections.abc import Sequence

from rolloutctl.core import events as ev
from rolloutctl.runner.kill import KillOrder, KillReport, kill_targets
from rolloutctl.runner.rollout import Rollout

#: How long a driver leaves a kill to the process that asked for it, in seconds.
KILL_GRACE_S = 10.0
#: How long a waiting driver sleeps before it looks again, in seconds.
GRACE_POLL_S = 0.5


def orders_of(rollout: Rollout) -> list[KillOrder]:
    """Every target of the rollout, written or not: the fence may have raced a write."""
    return [
        KillOrder(target=target, provider=rollout.adapters.providers[name])
        for name, target in rollout.playbook.targets.items()
    ]


def result_events(reports: Sequence[KillReport]) -> list[ev.Event]:
    """The journal's account of a kill: one event a target, then the end or STUCK."""
    events: list[ev.Event] = [
        ev.TargetKilled(
            target=report.target,
            confirmed=report.confirmed,
            zero_at_s=report.zero_at_s,
            settled_at_s=report.settled_at_s,
            message=report.message or report.changed,
        )
        for report in reports
    ]
    open_ones = tuple(report.target for report in reports if not report.confirmed)
    if open_ones:
        said = "; ".join(f"{r.target}: {r.message}" for r in reports if not r.confirmed)
        because = f"the kill of {', '.join(open_ones)} is not confirmed ({said})"
        events.append(ev.Stuck(targets=open_ones, because=because))
    else:
        because = "killed: every target serves control only, confirmed"
        events.append(ev.Finished(finished_as=ev.FinishedAs.KILLED, because=because))
    return events


def complete_kill(rollout: Rollout) -> None:
    """A driver finishes a kill whose own process may have died after the fence."""
    killed_at = rollout.state.killed_at
    if killed_at is not None:
        grace_s = KILL_GRACE_S - (rollout.clock.now() - killed_at).total_seconds()
        if grace_s > 0:
            rollout.clock.sleep(min(grace_s, GRACE_POLL_S))
            return
    fan_out = rollout.adapters.fan_out
    reports = kill_targets(orders_of(rollout), rollout.clock, fan_out=fan_out)
    rollout.record_fact(*result_events(reports))
