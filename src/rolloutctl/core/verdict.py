"""Verdicts of gates, the limits around one measurement, and their sum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What a gate says. Only PASS lets a step be left."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A gate's answer and why.

    Attributes:
        because: one sentence with the numbers and the limit.
        numbers: what a screen shows beside the limit, e.g. {"observed": 0.97}; finite only.
        settles_at: an INCONCLUSIVE that waiting alone will settle (a `for` running, a
            window filling) says when; None means that more time promises nothing.
        sample: events behind the verdict, for the minimum sample; None if not countable.
    """

    outcome: Outcome
    because: str
    numbers: tuple[tuple[str, float], ...] = ()
    settles_at: datetime | None = None
    sample: float | None = None


#: Worst first. ERROR and NO_DATA are worse than INCONCLUSIVE: nothing is known at all.
_SEVERITY = (Outcome.FAIL, Outcome.ERROR, Outcome.NO_DATA, Outcome.INCONCLUSIVE, Outcome.PASS)


def worst_of(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst outcome; of nothing it is NO_DATA, never PASS."""
    return min(outcomes, key=_SEVERITY.index, default=Outcome.NO_DATA)
