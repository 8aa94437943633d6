"""The live view of one rollout: a scene in, lines that fit a terminal out; pure.

Every line is one row: nothing wraps, whatever the width. Where a terminal is too low for
everything, what says least goes first: the numbers of gates, the gates that pass, the blanks.
What is wrong, where the rollout is and what is asked stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.ui.live_gates import FOLDED, FULL, SHORT, WHOLE, Density, gate_lines
from rolloutctl.ui.live_path import hold_line, path_line
from rolloutctl.ui.live_scene import GAP, LABEL, PHASES, Scene, fitted, folded, line
from rolloutctl.ui.live_story import command_lines, story_lines
from rolloutctl.ui.live_targets import target_lines
from rolloutctl.ui.rollout_view import PHASE_MEANINGS

#: Wider terminals leave the rest empty: eyes do not travel further along a line.
WIDTH_MAX = 180
#: What the person at the terminal can type.
CHOICES = "promote / hold / rollback"


class _Fit(NamedTuple):
    """One way to lay the scene out."""

    gates: Density
    has_blanks: bool
    requests: int


_FITS = (
    _Fit(WHOLE, has_blanks=True, requests=3),
    _Fit(FULL, has_blanks=True, requests=3),
    _Fit(FULL, has_blanks=False, requests=2),
    _Fit(SHORT, has_blanks=True, requests=2),
    _Fit(SHORT, has_blanks=False, requests=1),
    _Fit(FOLDED, has_blanks=False, requests=0),
)


def live_lines(scene: Scene, width: int, rows: int) -> list[Text]:
    """At most `rows` lines of at most `width` columns.

    With a question the last line is where the answer is typed.
    """
    width = min(width, WIDTH_MAX)
    lines: list[Text] = []
    for fit in _FITS:
        lines = _laid_out(scene, width, fit)
        if len(lines) <= rows:
            return lines
    tail = _ask_lines(scene, width)
    return [*lines[: max(0, rows - len(tail))], *tail][-rows:]


def _laid_out(scene: Scene, width: int, fit: _Fit) -> list[Text]:
    view = scene.standing.view
    hold = hold_line(view, width)
    # Sets the picture off from the lines above it, which scroll.
    top = [
        line(("─" * width, "dim")),
        _title(scene, width),
        *_headline(scene, width),
        *_alarm(scene, width),
    ]
    way = [path_line(view, width), *([hold] if hold is not None else [])]
    parts: Sequence[list[Text]] = (
        top,
        way,
        target_lines(scene, width),
        gate_lines(scene, width, fit.gates),
        [*story_lines(scene, width, requests=fit.requests), *command_lines(scene, width)],
        _ask_lines(scene, width),
    )
    lines: list[Text] = []
    for part in parts:
        if part and lines and fit.has_blanks:
            lines.append(line(""))
        lines += part
    return lines


def _title(scene: Scene, width: int) -> Text:
    """Phase, id and name at the left, how long it takes at the right."""
    view = scene.standing.view
    state = view.state
    mark = PHASES[state.phase]
    word = state.phase.value.upper() if state.phase is not Phase.ROLLED_BACK else "ROLLED BACK"
    left = line((f"{mark.sign} {word}", mark.style), "  ", (state.rollout_id, "bold"))
    if state.name and state.name not in state.rollout_id:
        left.append(f"  {state.name}", style="dim")
    age = format_duration(max(0.0, (view.now - state.started_at).total_seconds()))
    index = state.step.index if state.step is not None else state.steps_left
    total = len(view.playbook.steps)
    step = f"step {index + 1} of {total}" if index < total else f"{total} of {total} done"
    right = line((f"{step} · {age}", "dim"))
    room = width - right.cell_len - GAP
    if left.cell_len > room:
        return fitted(left, width)
    left.append(" " * (room - left.cell_len + GAP))
    return left.append_text(right)


def _headline(scene: Scene, width: int) -> list[Text]:
    """What a phase means to whoever sees it for the first time, where it matters."""
    state = scene.standing.view.state
    words = PHASE_MEANINGS.get(state.phase, "")
    if not words:
        return []
    targets = ", ".join(state.stuck_targets)
    said = f"{words}: {targets}" if targets and state.phase is Phase.STUCK else words
    return folded("", said, width, style="bold")


def _alarm(scene: Scene, width: int) -> list[Text]:
    if not scene.alarm:
        return []
    return folded("! stale", scene.alarm, width, style="bold yellow")


def _ask_lines(scene: Scene, width: int) -> list[Text]:
    ask = scene.ask
    if ask is None:
        return []
    words = "promote is yes, rollback is no"
    head = line((f"{'? answer':<{LABEL}}", "bold yellow"), (ask.question, "bold"), f"  {words}")
    prompt = line((f"{'':<{LABEL}}", ""), f"{CHOICES} > ", (ask.typed, "bold"))
    return [fitted(head, width), fitted(prompt, width)]
