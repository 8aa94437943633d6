"""Begins a rollout: restore points, `Started`, and the addresses it holds."""

from __future__ import annotations

from collections.abc import Mapping

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import describe
from rolloutctl.core.observation import Observation
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import Clock, Journal
from rolloutctl.errors import Conflict
from rolloutctl.runner.adapters import Adapters


def start(  # noqa: PLR0913 - the composition root's call, all by keyword
    playbook: Playbook,
    adapters: Adapters,
    journal: Journal,
    *,
    clock: Clock,
    rollout_id: str,
    actor: ev.Actor,
    reason: str = "",
    planned: Mapping[str, str] | None = None,
) -> None:
    """Observes every target as its restore point and records `Started`.

    After return the rollout exists and is durable; nothing was written to a provider.

    Args:
        playbook: what to run.
        adapters: its providers.
        journal: where it is recorded.
        clock: the time of the record.
        rollout_id: a new id.
        actor: who starts it.
        reason: recorded.
        planned: the fingerprint of each target that the plan was made from.

    Raises:
        Conflict: the id is taken, another open rollout holds one of the targets, or a
            target is not as the plan saw it: what people agreed to no longer holds.
        Unauthorized, NotFound, Unavailable: a target could not be observed.
    """
    points = []
    for name, target in playbook.targets.items():
        provider = adapters.providers[name]
        observation = provider.observe(target)
        address = provider.address(target)
        if planned is not None and planned.get(name) != observation.fingerprint:
            raise _overtaken(address, observation)
        points.append(
            ev.RestorePoint(
                target=name,
                address=address,
                observation=observation,
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


def _overtaken(address: str, seen: Observation) -> Conflict:
    """Somebody was faster; often another machine that starts the same rollout."""
    there = describe(seen.exposure) if seen.exposure is not None else seen.detail or "unreadable"
    by = f", last edited by {seen.editor}" if seen.editor else ""
    return Conflict(
        f"{address} was edited after the plan was made: it serves {there}{by}; nothing was written",
        hint="if somebody drives it from elsewhere, leave it to them; else look at the new plan:"
        " rolloutctl plan FILE",
    )
