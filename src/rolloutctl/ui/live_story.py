"""What was decided last, what happens next and when, who asked for what, who drives; pure."""

from __future__ import annotations

from rich.text import Text

from rolloutctl.core.situation import needs_human
from rolloutctl.core.state import Phase
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.live_scene import LABEL, Scene, fitted, folded, line
from rolloutctl.ui.next_steps import next_lines
from rolloutctl.ui.rollout_view import is_unwatched
from rolloutctl.ui.target_view import exposed_targets
from rolloutctl.ui.what_next import next_sentence

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
    if coming and not (standing.driver or scene.is_driven_here):
        coming = "nothing by itself: nobody drives it"
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
