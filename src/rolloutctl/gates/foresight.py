"""Many looks of a comparison at once: whether they pass, and the evidence they leave.

The evidence is folded by the same functions in the same order as in `assess`, so it is the
same to the last bit; what a person would read of each look is left out. Where a look is in
doubt, foresight ends before it: `assess` takes that one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import le, sub
from typing import NamedTuple

from rolloutctl.core.evolve import evolve
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.foresight import Ahead
from rolloutctl.core.measurement import Sample
from rolloutctl.core.stats.harm_process import e_value
from rolloutctl.gates.arm_evidence import IDLE_LOOKS_MAX, ArmEvidence
from rolloutctl.gates.arms import Asked, arm_and_key, bucket_of
from rolloutctl.gates.compare_course import Course, Rules, advance, advance_many
from rolloutctl.gates.control_seen import Share
from rolloutctl.gates.counters import Counters, points_of

#: Evidence is surely below a limit of at least `_LIMIT_MIN` where all its parts are below
#: this share of it: the part that has not begun yet adds a half at most.
_SURELY, _LIMIT_MIN = 0.9, 10.0
#: Sums of whole numbers below this are exact in any order.
_WHOLE_MAX = 2.0**53


class Counted(NamedTuple):
    """One counter: its short name, its value before the looks ahead, and at each of them."""

    series: str
    before: float
    values: Sequence[float]

    @property
    def events(self) -> list[float]:
        """What was counted at each look."""
        return [*map(sub, self.values, (self.before, *self.values))]


#: Both arms' counters, by the keys that their events are counted under.
Both = Mapping[str, Mapping[str, Counted]]
#: What both arms had, look after look.
Shares = Sequence[tuple[Share, Share]]


def counted_ahead(asked: Asked, known: ArmEvidence, ahead: Ahead) -> Both | None:
    """The counters ahead; None unless they are whole numbers, the same series, never reset."""
    last = known.counters
    if last is None or last.gone:
        return None
    both: dict[str, dict[str, Counted]] = {CONTROL: {}, CANARY: {}}
    found = []
    for name, tracks in zip(asked.names, ahead.answers, strict=True):
        for track in tracks:
            sample = Sample(labels=track.labels, value=0.0)
            ((bound, series, _, _),) = points_of(name, [sample], by_bound=asked.by_bound)
            before = last.last.get(series)
            arm, key = arm_and_key(bucket_of(name, bound) if asked.by_bound else name)
            if before is None or key in both[arm] or not _is_plain(before, track.values):
                return None
            both[arm][key] = Counted(series, before, track.values)
            found.append(series)
    return both if found == list(last.last) else None


def _is_plain(before: float, values: Sequence[float]) -> bool:
    """Are they whole numbers that never fall?"""
    if not 0 <= before <= values[0] or not values[-1] < _WHOLE_MAX or before % 1:
        return False
    never_falls = all(map(le, values, islice(values, 1, None)))
    return never_falls and all(map(float.is_integer, values))


def look_ahead(
    rules: Rules,
    known: ArmEvidence,
    *,
    courses: Mapping[float, Course],
    shares: Mapping[float, Shares],
    needed: float,
) -> tuple[int, Mapping[float, Course]]:
    """How many looks surely pass, and the courses after them.

    SAFETY: only after a look that passed. A step then has enough events for good, so nothing
    but harm, an idle arm and an unhealthy control could change the verdict; the last is
    not foreseen at all, and neither is a pass that must be shown.
    """
    if rules.strict or rules.control_max > 0 or needed < _LIMIT_MIN:
        return 0, courses
    looks = min(map(len, shares.values()))
    for one in shares.values():
        looks = min(looks, _until_idle(known.idle, one))
    while True:
        after, least = {}, looks
        for key, course in courses.items():
            found, after[key] = _folded(rules, course, shares[key][:least], needed=needed)
            least = min(least, found)
        if least == looks:
            return looks, after
        looks = least


def _folded(rules: Rules, course: Course, shares: Shares, *, needed: float) -> tuple[int, Course]:
    """The looks, from the first on, whose evidence is surely below `needed`; and it."""
    limit = math.log(needed * _SURELY)
    many = advance_many(rules, course, shares)
    if many is not None and many[1] < limit:
        return len(shares), many[0]
    for index, both in enumerate(shares):
        after = advance(rules, course, both)
        harm = after.harm
        is_high = max(harm.start) >= limit or (harm.later and max(harm.later) >= limit)
        if is_high and e_value(harm) >= needed * _SURELY:
            return index, course
        course = after
    return len(shares), course


def _until_idle(idle: tuple[int, int], shares: Shares) -> int:
    """The looks before an arm has had no event for too long."""
    if all(all0 > 0 and all1 > 0 for (_, all0), (_, all1) in shares):
        return len(shares)
    for index, one in enumerate(shares):
        idle = idle_after(idle, (one,))
        if max(idle) >= IDLE_LOOKS_MAX:
            return index
    return len(shares)


def idle_after(idle: tuple[int, int], shares: Shares) -> tuple[int, int]:
    """The looks in a row without an event, of control and of the canary, after these."""
    control, canary = idle
    for (_, all0), (_, all1) in shares:
        control = 0 if all0 > 0 else control + 1
        canary = 0 if all1 > 0 else canary + 1
    return control, canary


def evidence_after(known: ArmEvidence, both: Both, ahead: Ahead, looks: int) -> ArmEvidence:
    """The counters and the step's events after so many looks; the rest as it was."""
    return evolve(
        known,
        counters=Counters(
            read_at_s=ahead.at(looks - 1).timestamp(),
            last={
                one.series: one.values[looks - 1] for arm in both.values() for one in arm.values()
            },
        ),
        control=_more(known.control, both[CONTROL], looks),
        canary=_more(known.canary, both[CANARY], looks),
    )


def _more(
    before: Mapping[str, float], counters: Mapping[str, Counted], looks: int
) -> dict[str, float]:
    total = dict(before)
    for key, one in counters.items():
        total[key] = total.get(key, 0.0) + (one.values[looks - 1] - one.before)
    return total
