"""The chart of one gate as SVG text: its values against its limit; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.report.chart import LEFT, RIGHT, WIDTH, Axis, bands, grid, svg

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, Span

GATE_HEIGHT = 132
_TOP, _BOTTOM = 8, 24
_FLOOR = GATE_HEIGHT - _BOTTOM
#: What lies further beyond the limit than this part of the way to it is drawn at the edge.
_BEYOND = 0.25
#: Space around values that are drawn on a scale of their own, as a part of their range.
_PAD = 0.15
#: Labels of the scale that are nearer than this are left out, but never the limit's.
_LABEL_GAP = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Values to places from bottom to top; logarithmic for evidence."""

    low: float
    high: float
    is_log: bool

    def y(self, value: float) -> float:
        """Where a value is drawn; what lies outside is drawn at the edge."""
        place, low, high = (self._place(one) for one in (value, self.low, self.high))
        share = min(1.0, max(0.0, (place - low) / (high - low)))
        return _FLOOR - share * (_FLOOR - _TOP)

    def _place(self, value: float) -> float:
        return math.log(max(value, 1.0)) if self.is_log else value


def gate_chart(gate: GateCourse, axis: Axis, spans: Sequence[Span]) -> str:
    """The recorded judgements of one gate: their values against the limit, their outcomes."""
    parts = [bands(spans, axis, _TOP, _FLOOR, is_named=False)]
    place: Callable[[float | None], float]
    if gate.measure:
        scale = _scale(gate)
        parts += [grid(axis, _FLOOR, _ticks(gate, scale)), _limit(gate, scale)]
        points = " ".join(
            f"{axis.x(one.at):.1f},{scale.y(one.value):.1f}"
            for one in gate.looks
            if one.value is not None
        )
        parts.append(f'<polyline class="path" points="{points}"/>')

        def place(value: float | None) -> float:
            return _FLOOR - 8 if value is None else scale.y(value)

    else:
        parts.append(grid(axis, _FLOOR, ()))

        def place(value: float | None) -> float:  # noqa: ARG001 - one place for all
            return (_TOP + _FLOOR) / 2

    parts += [_mark(one.outcome, axis.x(one.at), place(one.value)) for one in gate.looks]
    return svg(GATE_HEIGHT, _title(gate), parts)


def _title(gate: GateCourse) -> str:
    last = gate.looks[-1]
    values = [one.value for one in gate.looks if one.value is not None]
    course = (
        f" {gate.measure} from {min(values):.4g} to {max(values):.4g}, limit {gate.limit:.4g};"
        if gate.measure and values
        else ""
    )
    judged = f"{gate.judgements} judgements recorded"
    return f"Gate {gate.name}:{course} {judged}, the last {last.outcome}: {last.because}"


def _scale(gate: GateCourse) -> _Scale:
    """From nothing to a little beyond the limit; around it where less is worse."""
    if gate.measure == "evidence":
        return _Scale(low=1.0, high=gate.limit ** (1 + _BEYOND), is_log=True)
    values = [gate.limit, *(one.value for one in gate.looks if one.value is not None)]
    low, high = min(values), max(values)
    if low >= 0 and gate.fails == "above":
        low = 0.0
    pad = (high - low) * _PAD or abs(high) * _PAD or 1.0
    return _Scale(low=low if low == 0 else low - pad, high=high + pad, is_log=False)


def _limit(gate: GateCourse, scale: _Scale) -> str:
    """The limit as a line, and the side on which the gate fails."""
    y = scale.y(gate.limit)
    line = f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    if not gate.fails:
        return line
    top, bottom = (_TOP, y) if gate.fails == "above" else (y, float(_FLOOR))
    width = WIDTH - RIGHT - LEFT
    text_y = y - 4 if gate.fails == "above" else y + 12
    return (
        f'<rect class="failing" x="{LEFT}" y="{top:.1f}" width="{width}"'
        f' height="{max(0.0, bottom - top):.1f}"/>{line}'
        f'<text class="tick" x="{LEFT + 6}" y="{text_y:.1f}">fails {gate.fails} this line</text>'
    )


def _ticks(gate: GateCourse, scale: _Scale) -> list[tuple[float, str]]:
    """The limit and the ends of the scale."""
    ticks = [(scale.y(gate.limit), f"{gate.limit:.4g}")]
    values = [one.value for one in gate.looks if one.value is not None]
    wanted = (1.0,) if scale.is_log else (0.0, max(values), min(values)) if values else (0.0,)
    for value in wanted:
        y = scale.y(value)
        is_inside = scale.low <= value <= scale.high
        if is_inside and all(abs(y - other) >= _LABEL_GAP for other, _ in ticks):
            ticks.append((y, f"{value:.4g}"))
    return ticks


def _mark(outcome: Outcome, x: float, y: float) -> str:
    """A shape for each outcome: a dot, a cross, a ring, a diamond, a square."""
    match outcome:
        case Outcome.PASS:
            return f'<circle class="pass" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case Outcome.FAIL:
            return (
                f'<path class="fail" d="M{x - 5:.1f} {y - 5:.1f}l10 10'
                f'M{x + 5:.1f} {y - 5:.1f}l-10 10"/>'
            )
        case Outcome.INCONCLUSIVE:
            return f'<circle class="open" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        case Outcome.NO_DATA:
            return f'<path class="open" d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4Z"/>'
        case Outcome.ERROR:
            return f'<rect class="fail" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'
