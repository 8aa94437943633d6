"""Where a rollout is, why it waits and what comes next: as text and as a document; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.effects import target_of
from rolloutctl.core.exposure import describe
from rolloutctl.core.json_types import Json
from rolloutctl.core.playbook import Gate
from rolloutctl.core.ports import Lease
from rolloutctl.core.state import RolloutState, TargetState
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.ui.documents import exposure_json, time_json, verdict_json
from rolloutctl.ui.event_view import local_time, said_once
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One rollout at one time. `driver` is empty if nobody drives it."""

    view: View
    decision: Decision
    lease: Lease | None

    @property
    def driver(self) -> str:
        """The owner of a lease that still runs, without what only machines need."""
        if self.lease is None or self.lease.expires_at <= self.view.now:
            return ""
        return readable_owner(self.lease.owner)


def readable_owner(owner: str) -> str:
    """`user@host pid 7` of an owner's identity."""
    parts = owner.rsplit(":", 4)
    return f"{parts[0]} (pid {parts[1]})" if len(parts) == 5 else owner  # noqa: PLR2004 - its parts


def phase_line(state: RolloutState, because: str) -> str:
    """`phase: because`, the phase said once."""
    return said_once(state.phase, because)


def exposed_targets(state: RolloutState) -> list[str]:
    """What is exposed, or may be: one phrase a target. Empty means control for everybody."""
    landing = {target_of(intent.intended.effect) for intent in state.open.values()}
    return [
        f"{target.name} ({_exposure(state, target)})"
        for target in state.targets.values()
        if not _is_killed(state, target) and (_is_exposed(target) or target.name in landing)
    ]


def status_text(standing: Standing, width: int) -> str:
    """A page for people."""
    view, state = standing.view, standing.view.state
    parts = [
        "\n".join(
            wrapped(f"{name + ':':<9} {text}", width, indent=" " * 10)
            for name, text in _head(standing)
        ),
        table(
            ("TARGET", "SERVES", "ADDRESS"),
            [(t.name, _exposure(state, t), t.address) for t in state.targets.values()],
            width,
        ),
    ]
    rows = [(gate.name, *_gate(view, gate)) for gate in view.playbook.gates.values()]
    if rows:
        parts.append(table(("GATE", "VERDICT", "BECAUSE"), rows, width))
    return "\n\n".join(parts)


def gate_text(view: View, width: int) -> str:
    """The gates of the current step, for the person who is asked."""
    gates = {gate.name: gate for gate in (*view.guardrails, *view.step_gates)}
    rows = [(name, *_gate(view, gate)) for name, gate in gates.items()]
    return table(("GATE", "VERDICT", "BECAUSE"), rows, width) if rows else "no gates"


def status_document(standing: Standing) -> Mapping[str, Json]:
    """The same for machines."""
    view, state, decision = standing.view, standing.view.state, standing.decision
    step = view.step
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "id": state.rollout_id,
        "name": state.name,
        "sha256": state.sha256,
        "phase": state.phase.value,
        "is_open": not state.phase.is_terminal,
        "started_at": time_json(state.started_at),
        "steps_done": state.steps_left,
        "steps": len(view.playbook.steps),
        "step": None if step is None else {"index": step.index, "name": step.name},
        "because": decision.because,
        "next_at": time_json(decision.at) if isinstance(decision, WaitUntil) else None,
        "needs_human": isinstance(decision, WaitUntil) and decision.needs_human,
        "driver": standing.driver,
        "unwatched": is_unwatched(standing),
        "targets": [_target_json(target) for target in state.targets.values()],
        "gates": [
            {"name": name, "judged_at": time_json(record.judged_at), **verdict_json(record.verdict)}
            for name, record in state.gates.items()
        ],
    }


def is_unwatched(standing: Standing) -> bool:
    """Something is exposed and nobody drives."""
    state = standing.view.state
    return not standing.driver and not state.phase.is_terminal and bool(exposed_targets(state))


def _head(standing: Standing) -> list[tuple[str, str]]:
    view, state, decision = standing.view, standing.view.state, standing.decision
    lines = [
        ("rollout", f"{state.rollout_id} ({state.name})"),
        ("phase", state.phase.value),
        ("step", _step(view)),
        ("because", decision.because.removeprefix(f"{state.phase}: ")),
    ]
    if isinstance(decision, WaitUntil) and standing.driver:
        in_s = max(0.0, (decision.at - view.now).total_seconds())
        lines.append(
            ("next", f"looked at again in {format_duration(in_s)}, at {local_time(decision.at)}")
        )
    if not state.phase.is_terminal:
        alone = "nobody: UNWATCHED" if is_unwatched(standing) else "nobody"
        lines.append(("driver", standing.driver or alone))
    return lines


def _step(view: View) -> str:
    total = len(view.playbook.steps)
    step = view.step
    if step is None:
        return f"{view.state.steps_left} of {total} done"
    return f"{step.index + 1} of {total}: {step.name}{_hold(view)}"


def _hold(view: View) -> str:
    step, progress = view.step, view.state.step
    if step is None or progress is None:
        return ""
    ends_at = view.hold_ends_at
    if ends_at is None:
        return ", not in force yet"
    left_s = (ends_at - view.now).total_seconds()
    return f", hold ends in {format_duration(left_s)}" if left_s > 0 else ", hold is over"


def _gate(view: View, gate: Gate) -> tuple[str, str]:
    record = view.record(gate)
    observes = " (observes only)" if gate.limits.observe_only else ""
    if record is None:
        return f"not judged{observes}", ""
    return f"{record.verdict.outcome}{observes}", _judged(record.verdict.because, record.judged_at)


def _judged(because: str, at: datetime) -> str:
    return f"{because} [{local_time(at)}]"


def _is_exposed(target: TargetState) -> bool:
    return target.is_written and (target.exposure is None or not target.exposure.is_zero)


def _is_killed(state: RolloutState, target: TargetState) -> bool:
    """The kill switch saw it at zero, twice."""
    kill = state.kills.get(target.name)
    return kill is not None and kill.confirmed


def _exposure(state: RolloutState, target: TargetState) -> str:
    if _is_killed(state, target):
        return "control only (killed)"
    said = describe(target.exposure) if target.exposure is not None else "unknown"
    if target.drift is not None:
        return f"{said}; edited by somebody else"
    return said


def _target_json(target: TargetState) -> Json:
    return {
        "name": target.name,
        "address": target.address,
        "exposure": None if target.exposure is None else exposure_json(target.exposure),
        "drifted": target.drift is not None,
        "outside_killed": target.is_outside_killed,
        "last_error": target.last_error,
    }
