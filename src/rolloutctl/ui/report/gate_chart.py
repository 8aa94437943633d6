"""The chart of one gate as SVG text: its values against its limit; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.report.chart import LEFT, RIGHT, WIDTH, Axis, bands, grid, svg
from rolloutctl.ui.report.gate_scale import GateScale, gate_scale, scale_marks

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, Span

GATE_HEIGHT = 132
_TOP, _BOTTOM = 8, 24
_FLOOR = GATE_HEIGHT - _BOTTOM
#: Labels of the scale that are nearer than this are left out, but never the limit's.
_LABEL_GAP = 13


def gate_chart(gate: GateCourse, axis: Axis, spans: Sequence[Span]) -> str:
    """The recorded judgements of one gate: their values against the limit, their outcomes."""
    parts = [bands(spans, axis, _TOP, _FLOOR, is_named=False)]
    place: Callable[[float | None], float]
    if gate.measure:
        scale = gate_scale(gate)
        parts += [grid(axis, _FLOOR, _ticks(gate, scale)), _limit(gate, scale)]
        points = " ".join(
            f"{axis.x(one.at):.1f},{_y(scale, one.value):.1f}"
            for one in gate.looks
            if one.value is not None
        )
        parts.append(f'<polyline class="path" points="{points}"/>')

        def place(value: float | None) -> float:
            return _FLOOR - 8 if value is None else _y(scale, value)

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


def _y(scale: GateScale, value: float) -> float:
    return _FLOOR - scale.share(value) * (_FLOOR - _TOP)


def _limit(gate: GateCourse, scale: GateScale) -> str:
    """The limit as a line, and the side on which the gate fails."""
    y = _y(scale, gate.limit)
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


def _ticks(gate: GateCourse, scale: GateScale) -> list[tuple[float, str]]:
    """The limit and the ends of the scale, where there is room for them."""
    ticks: list[tuple[float, str]] = []
    for value in scale_marks(gate, scale):
        y = _y(scale, value)
        if all(abs(y - other) >= _LABEL_GAP for other, _ in ticks):
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
