"""Several rollouts at once: one line each, the ones that need somebody first; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from rolloutctl.core.playbook import Playbook
from rolloutctl.core.situation import needs_human
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.live_scene import GAP, PHASES, fitted, line, padded
from rolloutctl.ui.target_view import exposed_targets

_HEAD = ("ROLLOUT", "PHASE", "STEP", "DRIVER", "EXPOSED")
_ROLLOUT_MAX = 36
_STEP_MAX = 24
_DRIVER_MAX = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOfMany:
    """One rollout of the table; `driver` is "" where nobody drives."""

    state: RolloutState
    playbook: Playbook
    driver: str

    @property
    def is_unwatched(self) -> bool:
        """Something is exposed and nobody drives."""
        is_exposed = bool(exposed_targets(self.state)) and not self.state.phase.is_terminal
        return is_exposed and not self.driver

    @property
    def urgency(self) -> int:
        """What somebody should look at first has the lowest number."""
        if self.state.phase is Phase.STUCK:
            return 0
        if self.state.phase in {Phase.ROLLING_BACK, Phase.KILLING}:
            return 1
        return 2 if self.is_unwatched or needs_human(self.state) else 3


def table_lines(
    rollouts: Sequence[OneOfMany], now: datetime, width: int, rows: int, *, alarm: str = ""
) -> list[Text]:
    """At most `rows` lines of at most `width` columns; those left out are counted."""
    ordered = sorted(rollouts, key=lambda one: (one.urgency, one.state.rollout_id))
    lines = [
        line(("─" * width, "dim")),
        fitted(line((_title(ordered), "bold"), f"   {local_time(now)}"), width),
    ]
    if alarm:
        lines.append(fitted(line((f"! stale   {alarm}", "bold yellow")), width))
    cells = [_cells(one) for one in ordered]
    sizes = _sizes(cells)
    lines.append(fitted(line(("  " + _joined(_HEAD, sizes), "dim")), width))
    room = rows - len(lines)
    hidden = len(ordered) - room + 1 if len(ordered) > room else 0
    for one, row in list(zip(ordered, cells, strict=True))[: len(ordered) - hidden]:
        mark = PHASES[one.state.phase]
        style = mark.style if one.urgency < 3 else ""  # noqa: PLR2004 - the least urgent
        lines.append(
            fitted(line((f"{mark.sign} ", mark.style), (_joined(row, sizes), style)), width)
        )
    if hidden:
        lines.append(line((f"  {hidden} more: rolloutctl list --open", "dim")))
    return lines


def _title(rollouts: Sequence[OneOfMany]) -> str:
    """How many there are, and what they need."""
    human = sum(1 for one in rollouts if needs_human(one.state))
    unwatched = sum(1 for one in rollouts if one.is_unwatched)
    parts = ["1 open rollout" if len(rollouts) == 1 else f"{len(rollouts)} open rollouts"]
    if human:
        parts.append(f"{human} waiting for a person")
    if unwatched:
        parts.append(f"{unwatched} UNWATCHED (rolloutctl agent drives them)")
    return ", ".join(parts)


def _cells(one: OneOfMany) -> tuple[str, str, str, str, str]:
    state, steps = one.state, one.playbook.steps
    index = state.step.index if state.step is not None else state.steps_left
    step = f"{index + 1}/{len(steps)} {steps[index].name}" if index < len(steps) else "all done"
    driver = one.driver or ("UNWATCHED" if one.is_unwatched else "nobody")
    exposed = "; ".join(exposed_targets(state)) or "control only"
    return state.rollout_id, state.phase.value, step, driver, exposed


def _sizes(cells: Sequence[Sequence[str]]) -> list[int]:
    limits = (_ROLLOUT_MAX, 16, _STEP_MAX, _DRIVER_MAX, 200)
    columns = zip(_HEAD, *cells, strict=True)
    return [
        min(limit, max(map(len, column))) for limit, column in zip(limits, columns, strict=True)
    ]


def _joined(cells: Sequence[str], sizes: Sequence[int]) -> str:
    return "".join(padded(cell, size + GAP) for cell, size in zip(cells, sizes, strict=True))
