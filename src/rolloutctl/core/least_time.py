"""The shortest time in which steps can be left by their rules."""

from __future__ import annotations

from collections.abc import Sequence

from rolloutctl.core.playbook import Gate, Playbook, Step


def least_s(playbook: Playbook, step: Step) -> float:
    """Seconds: gates before it, then its hold and its gates side by side.

    Gates that the playbook does not have, because they are in error, take no time.
    """
    before = [playbook.gates[name] for name in step.before if name in playbook.gates]
    gates = [playbook.gates[name] for name in step.gates if name in playbook.gates]
    return _judging_s(before) + max(step.hold_s, _judging_s(gates))


def _judging_s(gates: Sequence[Gate]) -> float:
    """The shortest time in which all of these can pass; gates run side by side."""
    acting = [gate.limits for gate in gates if not gate.limits.observe_only]
    return max(
        (g.warm_up_s + (g.consecutive_successes - 1) * g.interval_s for g in acting), default=0.0
    )
