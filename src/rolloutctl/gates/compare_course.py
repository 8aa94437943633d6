"""The sequential part of evidence about shares of bad events, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from rolloutctl.core.json_types import Json
from rolloutctl.core.ports import GateContext
from rolloutctl.core.stats.exact_gains import exact_gains
from rolloutctl.core.stats.harm_process import (
    GRID,
    REVERSE_GRID,
    HarmProcess,
    begin,
    fold_gains,
    fold_tick,
    fold_ticks,
)
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.arms import ArmTick
from rolloutctl.gates.control_seen import ControlSeen, Share
from rolloutctl.gates.margin import Margin, MarginKind
from rolloutctl.gates.readings import error

#: `bad` and `total` may be read moments apart: so much more bad than total is forgiven.
SKEW_SHARE, SKEW_EVENTS = 0.1, 1.0
#: From this share of bad events on, the approximation for rare ones gives away too much.
FREQUENT_SHARE = 0.05


class Rules(Protocol):
    """What the playbook says of a comparison."""

    @property
    def control_max(self) -> float:
        """Control's share of bad events above which it is unhealthy; 0 for none."""
        ...

    @property
    def strict(self) -> bool:
        """Whether a pass needs proof; without it none is collected."""
        ...

    def accepted(self) -> Margin:
        """How much worse the canary may be."""
        ...


class Course(NamedTuple):
    """The evidence against and for the canary, and what is known of control.

    It is JSON as it stands: tuples of numbers.
    """

    harm: HarmProcess
    worth: HarmProcess
    control: ControlSeen = ControlSeen()


def course_of(stored: Json, context: GateContext) -> Course:
    """The course carried over, or a new one over the planned looks."""
    if isinstance(stored, Course):
        return stored
    if stored is None:
        return Course(begin(context.looks), begin(context.looks, grid=REVERSE_GRID))
    harm, worth, control = cast("list[Any]", stored)  # Any: a course as JSON keeps it
    return Course(process_of(harm), process_of(worth), ControlSeen.from_json(control))


def process_of(row: Sequence[Any]) -> HarmProcess:  # Any: a process as JSON keeps it
    """The reverse of JSON, which keeps tuples as lists."""
    planned, ticks, start, later = row
    return HarmProcess(planned, ticks, tuple(start), tuple(later))


def shares_of(tick: ArmTick) -> tuple[Share, Share] | Verdict:
    """(bad, total) of control and of the canary, or why they are none."""
    found: list[Share] = []
    for arm, counts in (("control", tick.control), ("canary", tick.canary)):
        bad, total = counts.get("bad", 0.0), counts.get("total", 0.0)
        if bad > total:
            if bad > total * (1 + SKEW_SHARE) + SKEW_EVENTS:
                return error(f"{arm}: bad {bad:g} > total {total:g}: bad is no part of total")
            bad = total
        found.append((bad, total))
    return found[0], found[1]


def advance(rules: Rules, course: Course, shares: tuple[Share, Share]) -> Course:
    """One more tick of evidence; none while control is unhealthy itself."""
    control, canary = shares
    limit, past = rules.control_max, course.control
    if limit > 0:
        seen = past.glanced(control)
        if seen.is_worse_than(limit):
            return Course(course.harm, course.worth, seen)
    harm, worth = _folded(rules, course, control=control, canary=canary)
    return Course(harm, worth, past.seen(control))


def advance_many(
    rules: Rules, course: Course, shares: Sequence[tuple[Share, Share]]
) -> tuple[Course, float] | None:
    """What `advance` makes of many ticks, one after the other, to the last bit.

    Returns:
        The course, and the highest logarithm of any part of the evidence against the canary
        after any of them; None where a tick needs more than that: frequent bad events, a
        margin that control's share moves, a control that may be unhealthy, a pass to be shown.
    """
    accepted = rules.accepted()
    if accepted.kind is not MarginKind.FACTOR or rules.strict or rules.control_max > 0:
        return None
    for (bad0, all0), (bad1, all1) in shares:
        if bad0 + bad1 > FREQUENT_SHARE * (all0 + all1):
            return None
    harm, peak = fold_ticks(course.harm, shares, tolerated=accepted.amount)
    seen = course.control.seen(*[control for control, _ in shares])
    return Course(harm, course.worth, seen), peak


def _folded(
    rules: Rules, course: Course, *, control: Share, canary: Share
) -> tuple[HarmProcess, HarmProcess]:
    """Both processes after a tick: exact where bad events are frequent and that is cheap.

    SAFETY: which form is used depends on what the arms had together, never on which of
    them had it; and the margin of a tick is chosen from the past alone. Otherwise the
    evidence would err more often than it says.
    """
    accepted, past = rules.accepted(), course.control
    tolerated = accepted.factor_at(past.bad, past.total)
    is_frequent = control[0] + canary[0] > FREQUENT_SHARE * (control[1] + canary[1])
    can_be_exact = is_frequent and control[1] > 0 and canary[1] > 0
    odds = accepted.odds_at(past.bad, past.total) if can_be_exact else 0.0

    def folded(process: HarmProcess, grid: Sequence[float]) -> HarmProcess:
        exact = exact_gains(control=control, canary=canary, tolerated_odds=odds, grid=grid)
        if exact is not None:
            return fold_gains(process, exact)
        return fold_tick(process, control=control, canary=canary, tolerated=tolerated, grid=grid)

    if can_be_exact:
        harm = folded(course.harm, GRID)
        return harm, folded(course.worth, REVERSE_GRID) if rules.strict else course.worth
    harm = fold_tick(course.harm, control=control, canary=canary, tolerated=tolerated)
    if not rules.strict:
        return harm, course.worth
    worth = fold_tick(
        course.worth, control=control, canary=canary, tolerated=tolerated, grid=REVERSE_GRID
    )
    return harm, worth
