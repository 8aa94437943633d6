"""The steps as a path with where the rollout is, and the time of the hold as a bar; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.core.view import View
from rolloutctl.ui.event_view import local_moment
from rolloutctl.ui.live_scene import (
    AHEAD,
    DONE,
    GAP,
    LABEL,
    PHASES,
    Mark,
    fitted,
    line,
)

_ARROW = " ─ "
#: Columns of the hold's bar; the rest of the line says it in words.
_BAR_MAX = 40
_BAR_SHARE = 0.3
_HOLDING = frozenset({Phase.RUNNING, Phase.ASKING, Phase.PAUSED})


class _Stop(NamedTuple):
    """One station of the path."""

    mark: Mark
    name: str
    is_here: bool = False


def path_line(view: View, width: int) -> Text:
    """Every step where they fit; else those around the current one, and how many others."""
    stops = _stops(view)
    here = next((n for n, stop in enumerate(stops) if stop.is_here), len(stops) - 1)
    for kept in range(len(stops), 0, -1):
        text = _drawn(_around(stops, here, kept))
        if text.cell_len <= width - LABEL:
            break
    label = line((f"{'path':<{LABEL}}", "dim"))
    return fitted(Text.assemble(label, text, no_wrap=True, end=""), width)


def hold_line(view: View, width: int) -> Text | None:
    """How much of the hold is over; None where no hold is waited for."""
    step, progress = view.step, view.state.step
    if step is None or progress is None or view.state.phase not in _HOLDING:
        return None
    label = (f"{'hold':<{LABEL}}", "dim")
    begun_at, ends_at = view.applied_at, view.hold_ends_at
    if begun_at is None or ends_at is None:
        return fitted(line(label, f"{step.name} is not in force yet"), width)
    whole_s = (ends_at - begun_at).total_seconds()
    if whole_s <= 0:
        return None
    left_s = (ends_at - view.now).total_seconds()
    bar = max(GAP, min(_BAR_MAX, int(width * _BAR_SHARE)))
    done = min(bar, max(0, int(bar * (1 - left_s / whole_s))))
    words = _left(left_s, whole_s, local_moment(ends_at, view.now))
    if progress.extended_until is not None:
        words = f"{words}, extended once"
    parts = line(label, ("━" * done, "cyan"), ("─" * (bar - done), "dim"), f"  {words}")
    return fitted(parts, width)


def _left(left_s: float, whole_s: float, ends_at: str) -> str:
    left, whole = format_duration(max(1.0, left_s)), format_duration(whole_s)
    if left_s <= 0:
        return f"of {whole}, over since {ends_at}"
    return f"{left} left of {whole}, until {ends_at}"


def _stops(view: View) -> list[_Stop]:
    state = view.state
    if state.phase is Phase.SUCCEEDED:
        return [_Stop(DONE, step.name) for step in view.playbook.steps]
    at = state.step.index if state.step is not None else state.steps_left
    stops = []
    for step in view.playbook.steps:
        is_here = step.index == at
        if is_here:
            stops.append(_Stop(PHASES[state.phase], step.name, is_here=True))
        else:
            stops.append(_Stop(DONE if step.index < at else AHEAD, step.name))
    return stops


def _around(stops: Sequence[_Stop], here: int, kept: int) -> list[_Stop]:
    """`kept` stops with the current one among them, the others counted at both ends."""
    if kept >= len(stops):
        return list(stops)
    first = max(0, min(here - (kept - 1) // 2, len(stops) - kept))
    middle = list(stops[first : first + kept])
    if first:
        middle.insert(0, _Stop(DONE, f"{first} done"))
    after = len(stops) - first - kept
    if after:
        middle.append(_Stop(AHEAD, f"{after} more"))
    return middle


def _drawn(stops: Sequence[_Stop]) -> Text:
    text = line()
    for number, stop in enumerate(stops):
        if number:
            text.append(_ARROW, style="dim")
        text.append(f"{stop.mark.sign} ", style=stop.mark.style)
        # Brackets say it where there is no bold.
        name = f"[{stop.name}]" if stop.is_here else stop.name
        text.append(name, style="bold" if stop.is_here else stop.mark.style)
    return text
