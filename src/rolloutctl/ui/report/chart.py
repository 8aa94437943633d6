"""Charts of a report as SVG text; pure. Meaning is in shapes and words, not in colour alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from rolloutctl.core.verdict import Outcome

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, Point, Span, TargetCourse

#: Of the drawing's own coordinates; the page scales it.
WIDTH = 900
LEFT, RIGHT = 44, 8
EXPOSURE_HEIGHT = 220
GATE_HEIGHT = 96
_TOP, _BOTTOM = 26, 24
_FULL_BP = 10_000
#: Labels nearer than so many units would run into each other.
_LABEL_GAP = 62
#: Steps between two ticks of the time axis, in seconds.
_TICKS_S = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
)
_TICKS_MAX = 9
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


class Axis:
    """Times to places from left to right."""

    def __init__(self, begins: datetime, ends: datetime) -> None:
        self.begins = begins
        self.ends = max(ends, begins + timedelta(seconds=1))
        self._seconds = (self.ends - begins).total_seconds()

    def x(self, at: datetime) -> float:
        """Where a time is drawn; what lies outside is drawn at the edge."""
        share = (at - self.begins).total_seconds() / self._seconds
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Places and labels: time since the beginning."""
        step_s = next((s for s in _TICKS_S if self._seconds / s <= _TICKS_MAX), 0)
        step_s = step_s or _DAY_S * (1 + int(self._seconds / 86_400 / _TICKS_MAX))
        second = 0
        while second <= self._seconds:
            yield self.x(self.begins + timedelta(seconds=second)), _since(second, step_s)
            second += step_s


def _since(second: int, step_s: int) -> str:
    """Time since the beginning, in the unit that its ticks count in."""
    if second == 0:
        return "0"
    if step_s >= _DAY_S:
        return f"{second // _DAY_S}d"
    if step_s >= _HOUR_S:
        return f"{second // _HOUR_S}h"
    if step_s >= _MINUTE_S:
        hours, minutes = divmod(second // _MINUTE_S, 60)
        return f"{hours}h{minutes:02d}" if hours else f"{minutes}m"
    minutes, seconds = divmod(second, _MINUTE_S)
    return f"{minutes}m{seconds:02d}" if minutes else f"{seconds}s"


def exposure_chart(
    target: TargetCourse, axis: Axis, steps: Sequence[Span], spans: Sequence[Span]
) -> str:
    """Canary and shadow of one target over the rollout: what was wanted, and what was seen."""
    floor = EXPOSURE_HEIGHT - _BOTTOM

    def y(bp: float) -> float:
        return floor - bp / _FULL_BP * (floor - _TOP)

    parts = [_bands(spans, axis, floor), _grid(axis, floor, _percents(y)), _step_marks(steps, axis)]
    seen = _stairs(target.seen, axis, y, _canary)
    if seen:
        parts.append(f'<path class="area" d="{seen}V{floor:.1f}H{LEFT}Z"/>')
        parts.append(f'<path class="seen" d="{seen}"/>')
    intended = _stairs(target.intended, axis, y, _canary)
    if intended:
        parts.append(f'<path class="intended" d="{intended}"/>')
    if any(point.shadow_bp for point in target.seen):
        parts.append(f'<path class="shadow" d="{_stairs(target.seen, axis, y, _shadow)}"/>')
    said = "; ".join(_said(point, axis) for point in target.seen)
    title = f"Exposure of {target.name}: {said}"
    return _svg(EXPOSURE_HEIGHT, title, parts)


def gate_chart(gate: GateCourse, axis: Axis, spans: Sequence[Span]) -> str:
    """The recorded judgements of one gate: their height against the limit, their outcome."""
    floor = GATE_HEIGHT - _BOTTOM
    top = 12
    limit_y = top + (floor - top) * 0.15

    def y(height: float | None) -> float:
        return floor - 8 if height is None else floor - min(height, 1.15) * (floor - limit_y)

    parts = [_bands(spans, axis, floor, is_named=False), _grid(axis, floor, ())]
    if gate.scale:
        parts.append(
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{limit_y:.1f}"'
            f' y2="{limit_y:.1f}"/><text class="tick" x="{LEFT - 5}" y="{limit_y + 4:.1f}"'
            ' text-anchor="end">limit</text>'
        )
        drawn = [one for one in gate.looks if one.height is not None]
        points = " ".join(f"{axis.x(one.at):.1f},{y(one.height):.1f}" for one in drawn)
        parts.append(f'<polyline class="path" points="{points}"/>')
    parts += [_mark(one.outcome, axis.x(one.at), y(one.height)) for one in gate.looks]
    last = gate.looks[-1]
    title = (
        f"Gate {gate.name}: {len(gate.looks)} judgements, the last {last.outcome}: {last.because}"
    )
    return _svg(GATE_HEIGHT, title, parts)


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


def _svg(height: int, title: str, parts: Iterable[str]) -> str:
    text = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text}">'
        f"<title>{text}</title>{''.join(parts)}</svg>"
    )


def _bands(spans: Sequence[Span], axis: Axis, floor: float, *, is_named: bool = True) -> str:
    drawn = []
    for span in spans:
        x, end = axis.x(span.begins), axis.x(span.ends)
        kind = "wait" if span.name.startswith("waiting") else "back"
        drawn.append(
            f'<rect class="band {kind}" x="{x:.1f}" y="{_TOP if is_named else 4}"'
            f' width="{max(end - x, 2):.1f}" height="{floor - (_TOP if is_named else 4):.1f}"/>'
        )
        if is_named:
            is_left = x > WIDTH * 0.7
            anchor, at = ("end", x - 4) if is_left else ("start", x + 4)
            drawn.append(
                f'<text class="label {kind}" x="{at:.1f}" y="{floor - 6:.1f}"'
                f' text-anchor="{anchor}">{escape(span.name)}</text>'
            )
    return "".join(drawn)


def _percents(y: Callable[[float], float]) -> list[tuple[float, str]]:
    return [(y(bp), f"{bp // 100}%") for bp in (0, 2_500, 5_000, 7_500, 10_000)]


def _grid(axis: Axis, floor: float, rows: Iterable[tuple[float, str]]) -> str:
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for y, label in rows
    ]
    lines.append(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor:.1f}" y2="{floor:.1f}"/>'
    )
    lines += [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{floor:.1f}" y2="{floor + 4:.1f}"/>'
        f'<text class="tick" x="{x:.1f}" y="{floor + 17:.1f}" text-anchor="middle">{label}</text>'
        for x, label in axis.ticks()
    ]
    return "".join(lines)


def _step_marks(steps: Sequence[Span], axis: Axis) -> str:
    """A line where each step begins; its name where there is room for it."""
    drawn: list[str] = []
    last_x = float(-_LABEL_GAP)
    for span in steps:
        x = axis.x(span.begins)
        drawn.append(
            f'<line class="step" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}"'
            f' y2="{EXPOSURE_HEIGHT - _BOTTOM}"/>'
        )
        if x - last_x >= _LABEL_GAP:
            near_end = x > WIDTH - _LABEL_GAP
            anchor = "end" if near_end else "start"
            drawn.append(
                f'<text class="label" x="{x + (-2 if near_end else 2):.1f}" y="{_TOP - 8}"'
                f' text-anchor="{anchor}">{escape(span.name)}</text>'
            )
            last_x = x
    return "".join(drawn)


def _canary(point: Point) -> int | None:
    return point.canary_bp


def _shadow(point: Point) -> int | None:
    return point.shadow_bp


def _stairs(
    points: Sequence[Point],
    axis: Axis,
    y: Callable[[float], float],
    share: Callable[[Point], int | None],
) -> str:
    """A share holds until the next point; one that is not known holds the last that was."""
    path = ""
    for point in points:
        value = share(point)
        if value is None:
            continue
        x = axis.x(point.at)
        path += f"H{x:.1f}V{y(value):.1f}" if path else f"M{x:.1f} {y(value):.1f}"
    return f"{path}H{WIDTH - RIGHT}" if path else ""


def _said(point: Point, axis: Axis) -> str:
    since_s = (point.at - axis.begins).total_seconds()
    if point.canary_bp is None:
        return f"after {since_s:.0f} s not known"
    shadow = f", shadow {point.shadow_bp / 100:g}%" if point.shadow_bp else ""
    return f"after {since_s:.0f} s canary {point.canary_bp / 100:g}%{shadow}"
