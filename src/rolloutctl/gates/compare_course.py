"""What a `compare` gate knows besides its counters: the sequential part of its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from rolloutctl.core.json_types import Json
from rolloutctl.core.ports import GateContext
from rolloutctl.core.stats.harm_process import GRID, REVERSE_GRID, HarmProcess, begin, fold_tick
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.arms import ArmTick
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.gates.readings import error

#: `bad` and `total` may be read moments apart: so much more bad than total is forgiven.
SKEW_SHARE, SKEW_EVENTS = 0.1, 1.0
#: Looks over which control is judged to be healthy itself.
RECENT_LOOKS = 10
#: Control events below which nobody can say that control is unhealthy.
RECENT_EVENTS_MIN = 20.0

#: (bad events, all events) of one arm.
Share = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The sequential part: evidence against and for the canary, and control's share.

    `ever` are control's bad and all events in the whole rollout, `recent` those of the
    last looks.
    """

    harm: HarmProcess
    worth: HarmProcess
    ever: tuple[float, float] = (0.0, 0.0)
    recent: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> Json:
        """A row of finite numbers."""
        return [list(self.harm), list(self.worth), list(self.ever), [list(r) for r in self.recent]]


def course_of(stored: Json, context: GateContext) -> Course:
    """The course carried over, or a new one over the planned looks."""
    if stored is None:
        return Course(harm=begin(context.looks), worth=begin(context.looks, grid=REVERSE_GRID))
    harm, worth, ever, recent = cast("list[Any]", stored)  # Any: rows of `to_json`
    return Course(
        harm=_process_of(harm),
        worth=_process_of(worth),
        ever=(ever[0], ever[1]),
        recent=tuple((bad, total) for bad, total in recent),
    )


def _process_of(row: Sequence[Any]) -> HarmProcess:  # Any: a row of `to_json`
    planned, ticks, start, later = row
    return HarmProcess(planned, ticks, tuple(start), tuple(later))


def shares_of(tick: ArmTick) -> tuple[Share, Share] | Verdict:
    """(bad, total) of control and of the canary, or why they are none."""
    found: list[Share] = []
    for arm, counts in (("control", tick.control), ("canary", tick.canary)):
        bad, total = counts.get("bad", 0.0), counts.get("total", 0.0)
        if bad > total * (1 + SKEW_SHARE) + SKEW_EVENTS:
            return error(f"{arm}: bad {bad:g} > total {total:g}: bad is no part of total")
        found.append((min(bad, total), total))
    return found[0], found[1]


def advance(spec: CompareSpec, course: Course, shares: tuple[Share, Share]) -> Course:
    """One more tick of evidence; none while control is unhealthy itself."""
    control, canary = shares
    recent = (*course.recent, control)[-RECENT_LOOKS:]
    course = replace(course, recent=recent)
    if is_unhealthy(spec, course):
        return course
    # The margin of a tick is chosen from the past alone, or the evidence would err.
    tolerated = spec.accepted().factor_at(*course.ever)
    return replace(
        course,
        harm=fold_tick(course.harm, control=control, canary=canary, tolerated=tolerated, grid=GRID),
        worth=fold_tick(
            course.worth, control=control, canary=canary, tolerated=tolerated, grid=REVERSE_GRID
        ),
        ever=(course.ever[0] + control[0], course.ever[1] + control[1]),
    )


def is_unhealthy(spec: CompareSpec, course: Course) -> bool:
    """Is control itself worse than `control_max`, as far as one can say?"""
    bad = sum(one for one, _ in course.recent)
    total = sum(one for _, one in course.recent)
    return 0 < spec.control_max < bad / max(total, RECENT_EVENTS_MIN)
