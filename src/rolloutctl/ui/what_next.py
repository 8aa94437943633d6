"""What happens to a rollout by itself, and when, in one sentence; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from rolloutctl.core.decision import CompleteKill, Decision, Do, Look, Measure, WaitUntil
from rolloutctl.core.playbook import Step
from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_time


def next_sentence(view: View, decision: Decision) -> str:
    """What happens by itself, and when; "" where nothing does."""
    state = view.state
    match state.phase:
        case phase if phase.is_at_rest:
            return ""
        case Phase.ASKING:
            return f"yes leads to {_after(view)}, no back to what was before; {_deadline(view)}"
        case Phase.PAUSED:
            judged = "; guardrails are judged meanwhile" if view.guardrails else ""
            return f"nothing by itself{judged}; {_deadline(view)}"
        case Phase.ROLLING_BACK:
            return _way_back(view)
        case Phase.KILLING:
            return "control for everybody, read back twice"
        case _:
            return _running(view, decision)


def _running(view: View, decision: Decision) -> str:
    match decision:
        case Do() | Look() | CompleteKill():
            return decision.because
        case WaitUntil() | Measure() if view.hold_ends_at is not None:
            return _leaving(view, view.hold_ends_at)
        case WaitUntil():
            return f"looked at again at {local_time(decision.at)}; {_deadline(view)}"
        case _:
            return decision.because


def _leaving(view: View, ends_at: datetime) -> str:
    step = view.step
    confirm = ", a person is asked" if step is not None and step.confirm else ""
    if ends_at <= view.now:
        return f"{_gates(step)} pass{confirm}, then {_after(view)}; {_deadline(view)}"
    judged = "the gates are judged anew" if step is not None and step.gates else "the hold is over"
    left = format_duration(max(1.0, (ends_at - view.now).total_seconds()))
    return f"at {local_time(ends_at)} (in {left}) {judged}{confirm}, then {_after(view)}"


def _gates(step: Step | None) -> str:
    if step is None or not step.gates:
        return "once the guardrails"
    return f"once {', '.join(step.gates)}"


def _after(view: View) -> str:
    """What follows the current step."""
    steps, at = view.playbook.steps, view.step.index if view.step is not None else 0
    if at + 1 < len(steps):
        return f"step {at + 2} of {len(steps)}: {steps[at + 1].name}"
    return "it is done"


def _deadline(view: View) -> str:
    limit = timedelta(seconds=view.playbook.limits.deadline_s)
    at = view.state.deadline_from + limit
    return f"deadline in {format_duration(max(0.0, (at - view.now).total_seconds()))}"


def _way_back(view: View) -> str:
    rollback = view.state.rollback
    pending = [t.name for t in view.state.targets.values() if t.is_written and not t.is_settled]
    said = f"{', '.join(pending) or 'every target'} is read back until it is confirmed"
    if rollback is None or rollback.tried_from is None:
        return said
    limit = timedelta(seconds=view.playbook.limits.rollback_s)
    left_s = (rollback.tried_from + limit - view.now).total_seconds()
    return f"{said}; stuck (exit 20) if not within {format_duration(max(0.0, left_s))}"
