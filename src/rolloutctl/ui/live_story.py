"""What was decided last, what happens next and when, who asked for what, who drives; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.text import Text

from rolloutctl.core.decision import CompleteKill, Decision, Do, Look, Measure, WaitUntil
from rolloutctl.core.playbook import Step
from rolloutctl.core.situation import needs_human
from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.live_scene import LABEL, Scene, fitted, folded, line
from rolloutctl.ui.next_steps import next_lines
from rolloutctl.ui.rollout_view import is_unwatched
from rolloutctl.ui.target_view import exposed_targets

#: Lines of the reason where something went wrong.
_REASON_ROWS = 5


def story_lines(scene: Scene, width: int, *, requests: int = 2) -> list[Text]:
    """The last decision, why it waits, what comes next, the requests, the driver."""
    standing, course = scene.standing, scene.course
    lines: list[Text] = []
    because = standing.because.removeprefix(f"{standing.view.state.phase}: ")
    if scene.ask is None and not _is_plain_hold(standing.view, because):
        # Where a person must act, the reason is told whole.
        rows = 2 if standing.view.state.phase is Phase.RUNNING else _REASON_ROWS
        lines += folded("now", because, width, rows=rows)
    if course.decided is not None and because not in course.decided.text and scene.ask is None:
        said = f"{local_time(course.decided.at)}  {course.decided.text}"
        lines += folded("decided", said, width)
    coming = next_sentence(standing.view, standing.decision)
    if coming:
        lines += folded("next", coming, width)
    label = "asked"
    asked = list(course.requests)[-requests:] if requests else []
    for request in asked:
        lines += folded(label, f"{local_time(request.at)}  {request.text}", width, rows=1)
        label = ""
    return lines + _driver(scene, width)


def _is_plain_hold(view: View, because: str) -> bool:
    """The bar of the hold says it already, and nothing else is waited for."""
    is_hold = view.step is not None and because.startswith(f"step {view.step.name} holds for ")
    return is_hold and "; " not in because


def command_lines(scene: Scene, width: int) -> list[Text]:
    """The commands with which it goes on, where only a person moves it."""
    standing = scene.standing
    steps = standing.next_steps
    if not steps or scene.ask is not None:
        return []
    if not (needs_human(standing.view.state) or is_unwatched(standing)):
        return []
    if standing.view.state.phase.is_at_rest and exposed_targets(standing.view.state):
        return []  # the command ends now, and its last words name them
    rows = next_lines(steps, width - LABEL)
    return [
        fitted(line((f"{'do' if not number else '':<{LABEL}}", "dim"), row), width)
        for number, row in enumerate(rows)
    ]


def next_sentence(view: View, decision: Decision) -> str:
    """What happens by itself, and when; "" where nothing does."""
    state = view.state
    match state.phase:
        case phase if phase.is_at_rest:
            return ""
        case Phase.ASKING:
            return f"yes leads to {_after(view)}, no back to what was before; {_deadline(view)}"
        case Phase.PAUSED:
            return f"nothing by itself; guardrails are judged meanwhile; {_deadline(view)}"
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


def _driver(scene: Scene, width: int) -> list[Text]:
    standing = scene.standing
    if standing.view.state.phase.is_at_rest:
        return []
    label = (f"{'driver':<{LABEL}}", "dim")
    if scene.is_driven_here:
        parts = line(label, f"this terminal{f', {scene.pulse}' if scene.pulse else ''}")
    elif standing.driver:
        parts = line(label, f"{standing.driver}{f', {scene.pulse}' if scene.pulse else ''}")
    elif is_unwatched(standing):
        parts = line(label, ("nobody: UNWATCHED, no gate is judged", "bold red"))
    else:
        parts = line(label, "nobody")
    return [fitted(parts, width)]
