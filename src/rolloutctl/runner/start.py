"""Begins a rollout: restore points, `Started`, and the addresses it holds."""

from __future__ import annotations

from rolloutctl.core import events as ev
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.runner.adapters import Adapters


def start(
    playbook: Playbook,
    adapters: Adapters,
    journal: Journal,
    *,
    clock: Clock,
    rollout_id: str,
    actor: ev.Actor,
    reason: str = "",
) -> None:
    """Observes every target as its restore point and records `Started`.

    After return the rollout exists and is durable; nothing was written to a provider.

    Raises:
        Conflict: the id is taken, or another open rollout holds one of the targets.
        Unauthorized, NotFound, Unavailable: a target could not be observed.
    """
    points = []
    for name, target in playbook.targets.items():
        provider = adapters.providers[name]
        points.append(
            ev.RestorePoint(
                target=name,
                address=provider.address(target),
                observation=provider.observe(target),
                settle_s=provider.capabilities.settle_s,
                write_timeout_s=provider.capabilities.write_timeout_s,
            )
        )
    started = ev.Started(
        name=playbook.name,
        document=playbook.document,
        sha256=playbook.sha256,
        restore_points=tuple(points),
        actor=actor,
        reason=reason,
    )
    holds = [point.address for point in points]
    journal.create(rollout_id, started, at=clock.now(), holds=holds)
