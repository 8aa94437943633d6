"""The exposure of each target over a rollout, as intended and as seen; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Effect, Expose, Restore
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Observation
from rolloutctl.ui.report.model import Point, TargetCourse

#: Points of one target that are drawn.
POINTS_MAX = 300


def target_courses(
    started: ev.Started, records: Sequence[ev.Recorded], document: Mapping[str, Any]
) -> tuple[TargetCourse, ...]:
    """The targets in the order of their restore points."""
    intended, seen = _points(started, records)
    courses = []
    for before in started.restore_points:
        described = _mapping(_mapping(document, "targets"), before.target)
        courses.append(
            TargetCourse(
                name=before.target,
                address=before.address,
                provider=str(described.get("provider", "")),
                control=_arm(described, "control"),
                canary=_arm(described, "canary"),
                intended=_thinned(intended.get(before.target, [])),
                seen=_thinned(seen.get(before.target, [])),
            )
        )
    return tuple(courses)


def _points(
    started: ev.Started, records: Sequence[ev.Recorded]
) -> tuple[Mapping[str, list[Point]], Mapping[str, list[Point]]]:
    """By target: what was intended, what was seen."""
    intended: dict[str, list[Point]] = {}
    seen: dict[str, list[Point]] = {}
    effects: dict[str, Effect] = {}
    before = {point.target: point.observation for point in started.restore_points}
    for recorded in records:
        event, at = recorded.event, recorded.at
        for target, exposure in _seen(event, effects):
            is_confirmed = isinstance(event, ev.Settled | ev.TargetKilled)
            seen.setdefault(target, []).append(_point(at, exposure, is_confirmed=is_confirmed))
        if isinstance(event, ev.Intended):
            effects[event.key] = event.effect
        for target, wanted in _wanted(event, before):
            intended.setdefault(target, []).append(_point(at, wanted))
    return intended, seen


def _wanted(
    event: ev.Event, before: Mapping[str, Observation]
) -> Iterable[tuple[str, Exposure | Observation | None]]:
    """(target, what it shall serve from now on) of an event."""
    match event:
        case ev.Intended(effect=Expose(target=target, exposure=exposure)):
            return [(target, exposure)]
        case ev.Intended(effect=Restore(target=target)):
            return [(target, before.get(target))]
        case ev.KillRequested():
            return [(target, _ZERO) for target in before]
        case _:
            return []


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """Of too many the highest of each stretch, and the last."""
    if len(points) <= POINTS_MAX:
        return tuple(points)
    count = POINTS_MAX - 1
    parts = [
        points[i * len(points) // count : (i + 1) * len(points) // count] for i in range(count)
    ]
    return (*(max(part, key=lambda one: one.canary_bp or 0) for part in parts), points[-1])


def _seen(
    event: ev.Event, effects: Mapping[str, Effect]
) -> Iterable[tuple[str, Exposure | Observation | None]]:
    """(target, what was seen on it) of an event."""
    match event:
        case ev.Started(restore_points=points):
            return [(point.target, point.observation) for point in points]
        case ev.Applied(key=key, after=after) if after is not None:
            target = getattr(effects.get(key), "target", "")
            return [(target, after)] if target else []
        case ev.ApplyFailed(target=target, after=after) if after is not None and target:
            return [(target, after)]
        case (
            ev.Drifted(target=target, observation=observation)
            | ev.OutsideKilled(target=target, observation=observation)
            | ev.Settled(target=target, observation=observation)
            | ev.Unsettled(target=target, observation=observation)
        ):
            return [(target, observation)]
        case ev.TargetKilled(target=target, confirmed=True):
            return [(target, _ZERO)]
        case _:
            return []


_ZERO = Exposure(weights=(("control", 10_000), ("canary", 0)))


def _point(
    at: datetime, seen: Exposure | Observation | None, *, is_confirmed: bool = False
) -> Point:
    exposure = seen.exposure if isinstance(seen, Observation) else seen
    if exposure is None:
        return Point(at=at, canary_bp=None, shadow_bp=None)
    return Point(
        at=at,
        canary_bp=exposure.canary_bp,
        shadow_bp=exposure.shadow_bp,
        is_confirmed=is_confirmed,
    )


def _arm(target: Mapping[str, Any], name: str) -> str:
    arm = target.get(name)
    return str(arm.get("is", "") if isinstance(arm, dict) else arm or "")


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def changes(points: Sequence[Point]) -> Iterator[Point]:
    """Points that differ from the one before."""
    last: tuple[int | None, int | None, bool] | None = None
    for point in points:
        now = (point.canary_bp, point.shadow_bp, point.is_confirmed)
        if now != last:
            last = now
            yield point


def seen_text(point: Point) -> str:
    """What was seen, in words."""
    if point.canary_bp is None:
        return "neither control nor canary"
    shadow = f", shadow {point.shadow_bp / 100:g}%" if point.shadow_bp else ""
    confirmed = ", confirmed" if point.is_confirmed else ""
    return f"canary {point.canary_bp / 100:g}%{shadow}{confirmed}"
