"""Charts of a report as SVG text; pure. Meaning is in shapes and words, not in colour alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from rolloutctl.ui.report.wording import cut

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import Point, Span, TargetCourse

#: Of the drawing's own coordinates; the page scales it.
WIDTH = 900
LEFT, RIGHT = 44, 8
EXPOSURE_HEIGHT = 220
_TOP, _BOTTOM = 26, 24
_FULL_BP = 10_000
#: About the width of a character of a label, and the space beside a label.
_CHAR_WIDTH, _LABEL_PAD = 6.2, 3
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
#: Points that are read out to whoever does not see the drawing; of more the last.
SAID_MAX = 40
#: Characters of a name within a drawing.
NAME_CHARS_MAX = 60
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

    parts = [
        bands(spans, axis, _TOP, floor),
        grid(axis, floor, _percents(y)),
        _step_marks(steps, axis),
    ]
    seen = _stairs(target.seen, axis, y, _canary)
    if seen:
        parts.append(f'<path class="area" d="{seen}V{floor:.1f}H{LEFT}Z"/>')
        parts.append(f'<path class="seen" d="{seen}"/>')
    intended = _stairs(target.intended, axis, y, _canary)
    if intended:
        parts.append(f'<path class="intended" d="{intended}"/>')
    if any(point.shadow_bp for point in target.seen):
        parts.append(f'<path class="shadow" d="{_stairs(target.seen, axis, y, _shadow)}"/>')
    parts += [_point_mark(point, axis, y) for point in target.seen]
    said = "; ".join(_said(point, axis) for point in target.seen[-SAID_MAX:])
    title = f"Exposure of {target.name}: {said}"
    return svg(EXPOSURE_HEIGHT, title, parts)


def svg(height: int, title: str, parts: Iterable[str]) -> str:
    """A drawing that scales, with a text for whoever does not see it."""
    text = escape(cut(title))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text}">'
        f"<title>{text}</title>{''.join(parts)}</svg>"
    )


def bands(
    spans: Sequence[Span], axis: Axis, top: float, floor: float, *, is_named: bool = True
) -> str:
    """A background where a person was waited for, or the rollout went back."""
    drawn: list[str] = []
    room = _Room()
    for span in spans:
        x, end = axis.x(span.begins), axis.x(span.ends)
        kind = "wait" if span.is_wait else "back"
        drawn.append(
            f'<rect class="band {kind}" x="{x:.1f}" y="{top:.1f}"'
            f' width="{max(end - x, 2):.1f}" height="{floor - top:.1f}"/>'
        )
        if is_named:
            drawn.append(room.label(span.name, x, top + 14, kind=f"label {kind}"))
    return "".join(drawn)


class _Room:
    """Writes names beside places, from left to right, where one does not run into another."""

    def __init__(self) -> None:
        self._taken_to = 0.0

    def label(self, name: str, x: float, y: float, *, kind: str) -> str:
        """The name to the right of `x`, or to its left near the end; "" without room."""
        name = name[:NAME_CHARS_MAX]
        width = len(name) * _CHAR_WIDTH
        is_left = x + width > WIDTH
        begins = x - _LABEL_PAD - width if is_left else x + _LABEL_PAD
        if begins < self._taken_to:
            return ""
        self._taken_to = begins + width + _LABEL_PAD
        anchor, at = ("end", x - _LABEL_PAD) if is_left else ("start", x + _LABEL_PAD)
        return (
            f'<text class="{kind}" x="{at:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(name)}</text>"
        )


def _percents(y: Callable[[float], float]) -> list[tuple[float, str]]:
    return [(y(bp), f"{bp // 100}%") for bp in (0, 2_500, 5_000, 7_500, 10_000)]


def grid(axis: Axis, floor: float, rows: Iterable[tuple[float, str]]) -> str:
    """Lines and labels of both scales."""
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
    room = _Room()
    for span in steps:
        x = axis.x(span.begins)
        drawn.append(
            f'<line class="step" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}"'
            f' y2="{EXPOSURE_HEIGHT - _BOTTOM}"/>'
        )
        drawn.append(room.label(span.name, x, _TOP - 8, kind="label"))
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


def _point_mark(point: Point, axis: Axis, y: Callable[[float], float]) -> str:
    """A dot for a look; a ring around one that no older write could change any more."""
    if point.canary_bp is None:
        return ""
    place = f'cx="{axis.x(point.at):.1f}" cy="{y(point.canary_bp):.1f}"'
    ring = f'<circle class="ring" {place} r="6.5"/>' if point.is_confirmed else ""
    return f'<circle class="dot" {place} r="3"/>{ring}'


def _said(point: Point, axis: Axis) -> str:
    since_s = (point.at - axis.begins).total_seconds()
    if point.canary_bp is None:
        return f"after {since_s:.0f} s not known"
    shadow = f", shadow {point.shadow_bp / 100:g}%" if point.shadow_bp else ""
    confirmed = ", confirmed" if point.is_confirmed else ""
    return f"after {since_s:.0f} s canary {point.canary_bp / 100:g}%{shadow}{confirmed}"
