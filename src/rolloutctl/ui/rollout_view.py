"""Where a rollout is, why it waits and what comes next: as text and as a document; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rolloutctl.core.decision import Decision, WaitUntil
from rolloutctl.core.events import GateRecord
from rolloutctl.core.history import History
from rolloutctl.core.json_types import Json
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.observation import Observation
from rolloutctl.core.playbook import Gate
from rolloutctl.core.ports import Lease
from rolloutctl.core.situation import needs_human, why
from rolloutctl.core.state import Phase, RolloutState, TargetState
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.ui.documents import exposure_json, time_json, verdict_json
from rolloutctl.ui.event_view import local_moment, local_time, said_once
from rolloutctl.ui.hints import with_store
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.next_steps import NextStep, next_lines, next_steps
from rolloutctl.ui.table import table, wrapped
from rolloutctl.ui.target_view import (
    as_of,
    exposed_targets,
    seen_at,
    served_now,
    serves,
    target_notes,
)
from rolloutctl.ui.what_next import next_sentence

#: What people need to know of a phase that is not its name.
PHASE_MEANINGS = {
    Phase.STUCK: "not confirmed, exit 20: somebody must look now",
    Phase.HELD: "time is up: the weight stays, no gate is judged",
    Phase.PAUSED: "frozen where it is, until a person says how it goes on",
}
#: Columns of a label of the page's head.
_LABEL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One rollout at one time. `driver` is empty if nobody drives it.

    `is_driver_gone`: the process that the lease names is known to be dead.
    """

    view: View
    decision: Decision
    lease: Lease | None
    is_driver_gone: bool = False
    history: History = field(default_factory=History)

    @property
    def driver(self) -> str:
        """The owner of a lease that still runs, without what only machines need."""
        return "" if self.is_driver_gone else self._holder

    @property
    def gone_driver(self) -> str:
        """Who holds a lease that still runs, and is known to be dead."""
        return self._holder if self.is_driver_gone else ""

    @property
    def _holder(self) -> str:
        if self.lease is None or self.lease.expires_at <= self.view.now:
            return ""
        return readable_owner(self.lease.owner)

    @property
    def because(self) -> str:
        """What it waits for, or how it came to rest."""
        return why(self.view, self.decision)

    @property
    def next_steps(self) -> list[NextStep]:
        """The commands with which it goes on."""
        return next_steps(self.view.state, is_driven=bool(self.driver))


def phase_line(state: RolloutState, because: str) -> str:
    """`phase: because`, the phase said once."""
    return said_once(state.phase, because)


def status_text(standing: Standing, width: int) -> str:
    """A page for people."""
    view, state = standing.view, standing.view.state
    parts = [
        "\n".join(_head(standing, width)),
        table(
            ("TARGET", "SERVES", "ADDRESS"),
            [(t.name, _serves(standing, t), t.address) for t in state.targets.values()],
            width,
        ),
    ]
    notes = [n for t in state.targets.values() for n in target_notes(state, t, standing.history)]
    if notes:
        parts.append("\n".join(wrapped(note, width, indent="  ") for note in notes))
    gates = view.playbook.gates.values()
    rows = [(gate.name, *_gate(gate, _record(standing, gate), view.now)) for gate in gates]
    if rows:
        parts.append(table(("GATE", "VERDICT", "BECAUSE"), rows, width))
    return "\n\n".join(parts)


def gate_text(view: View, width: int) -> str:
    """The gates of the current step, for the person who is asked."""
    gates = {gate.name: gate for gate in (*view.guardrails, *view.step_gates)}
    rows = [(name, *_gate(gate, view.record(gate), view.now)) for name, gate in gates.items()]
    return table(("GATE", "VERDICT", "BECAUSE"), rows, width) if rows else "no gates"


def status_document(standing: Standing) -> Mapping[str, Json]:
    """The same for machines."""
    view, state, decision = standing.view, standing.view.state, standing.decision
    step, since = view.step, standing.history.phase_at
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
        "since": None if since is None else time_json(since),
        "because": standing.because,
        "next": [
            {"command": with_store(step.command), "does": step.does} for step in standing.next_steps
        ],
        "next_at": time_json(decision.at) if isinstance(decision, WaitUntil) else None,
        "needs_human": needs_human(state),
        "driver": standing.driver,
        "gone_driver": standing.gone_driver,
        "unwatched": is_unwatched(standing),
        "targets": [_target_json(target, standing.history) for target in state.targets.values()],
        "gates": [
            {"name": name, "judged_at": time_json(record.judged_at), **verdict_json(record.verdict)}
            for name, record in _records(standing).items()
        ],
    }


def is_unwatched(standing: Standing) -> bool:
    """Something is exposed and nobody drives."""
    state = standing.view.state
    return not standing.driver and not state.phase.is_terminal and bool(exposed_targets(state))


def _head(standing: Standing, width: int) -> list[str]:
    view, state = standing.view, standing.view.state
    since = standing.history.phase_at
    at = f" since {local_moment(since, view.now)}" if since is not None else ""
    lines = [
        _labelled("rollout", f"{state.rollout_id} ({state.name})", width),
        _labelled("phase", f"{state.phase}{at}{_meaning(state)}", width),
        _labelled("step", _step(view), width),
        _labelled("because", standing.because.removeprefix(f"{state.phase}: "), width),
        *_next(standing, width),
    ]
    if not state.phase.is_terminal:
        lines.append(_labelled("driver", _driver(standing), width))
    return lines


def _meaning(state: RolloutState) -> str:
    """What the phase means to whoever sees it for the first time, where it matters."""
    meaning = PHASE_MEANINGS.get(state.phase, "")
    return f" ({meaning})" if meaning else ""


def _driver(standing: Standing) -> str:
    """Who drives; of a driver that died, until when its lease stands in the journal."""
    if standing.driver:
        return standing.driver
    alone = "nobody: UNWATCHED" if is_unwatched(standing) else "nobody"
    if not standing.gone_driver or standing.lease is None:
        return alone
    ends_at = local_time(standing.lease.expires_at)
    return (
        f"{alone}; {standing.gone_driver} died, its lease ends at {ends_at}; from this machine "
        "the next driver takes over at once"
    )


def _serves(standing: Standing, target: TargetState) -> str:
    """What was seen last, and how long ago where nobody looks at it now."""
    state, now = standing.view.state, standing.view.now
    age = as_of(target, standing.history, now, is_driven=bool(standing.driver))
    return f"{serves(state, target)}{f', {age}' if age else ''}"


def _labelled(name: str, text: str, width: int) -> str:
    return wrapped(f"{name + ':':<{_LABEL - 1}} {text}", width, indent=" " * _LABEL)


def _next(standing: Standing, width: int) -> list[str]:
    """Commands are copied from here: they are not folded, their meaning goes below instead."""
    lines = list[str]()
    if standing.driver:
        coming = next_sentence(standing.view, standing.decision)
        lines += wrapped(coming, width - _LABEL).splitlines()
    lines += next_lines(standing.next_steps, width - _LABEL)
    return [f"{'next:' if not number else '':<{_LABEL}}{line}" for number, line in enumerate(lines)]


def _step(view: View) -> str:
    total = len(view.playbook.steps)
    step = view.step
    if step is None:
        return f"{view.state.steps_left} of {total} done"
    return f"{step.index + 1} of {total}: {step.name}{_hold(view)}"


def _hold(view: View) -> str:
    """What is left of the hold; nothing where no hold is waited for any more."""
    step, progress = view.step, view.state.step
    if step is None or progress is None or view.state.phase not in _HOLDING:
        return ""
    ends_at = view.hold_ends_at
    if ends_at is None:
        return ", not in force yet"
    left_s = (ends_at - view.now).total_seconds()
    return f", hold ends in {format_duration(left_s)}" if left_s > 0 else ", hold is over"


_HOLDING = frozenset({Phase.RUNNING, Phase.ASKING, Phase.PAUSED})


def _record(standing: Standing, gate: Gate) -> GateRecord | None:
    return _records(standing).get(gate.name)


def _records(standing: Standing) -> Mapping[str, GateRecord]:
    """Each gate's standing; of a rollout that is over, its last judgement of any step."""
    state = standing.view.state
    judged = standing.history.judged if state.phase.is_terminal else {}
    return {**state.gates, **judged}


def _gate(gate: Gate, record: GateRecord | None, now: datetime) -> tuple[str, str]:
    observes = " (observes only)" if gate.limits.observe_only else ""
    if record is None:
        return f"not judged{observes}", ""
    judged = f"{record.verdict.because} [{local_moment(record.judged_at, now)}]"
    return f"{record.verdict.outcome}{observes}", judged


def _target_json(target: TargetState, history: History) -> Json:
    served, drift = served_now(target), target.drift
    trouble, edit = history.troubles.get(target.name), history.overwritten.get(target.name)
    at = seen_at(target, history) if drift is None else drift.at
    return {
        "name": target.name,
        "address": target.address,
        "exposure": None if served is None else exposure_json(served),
        "seen_at": None if at is None else time_json(at),
        "intended": None if target.exposure is None else exposure_json(target.exposure),
        "drifted": drift is not None,
        "edit": None if drift is None else _edit_json(drift),
        "overwritten_edit": None if edit is None else _edit_json(edit),
        "outside_killed": target.is_outside_killed,
        "last_error": target.last_error,
        "last_error_at": None if trouble is None else time_json(trouble.at),
    }


def _edit_json(edit: Observation) -> Json:
    """Another hand's edit: when it was seen, what it serves, and who made it, if known."""
    exposure = edit.exposure
    return {
        "at": time_json(edit.at),
        "exposure": None if exposure is None else exposure_json(exposure),
        "editor": edit.editor,
        "detail": edit.detail,
    }
