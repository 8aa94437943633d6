"""Two arms read side by side: the questions, and the disjoint events between two looks.

Both arms are asked at one time, so whatever happens to the world happens to both. Counters
are differenced here, series by series (`counters.py`); what is handed on are the events of
one look, never a rate and never a window, because evidence that overlaps itself errs far
more often than it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from rolloutctl.core.arm_names import names_of_arm
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.json_types import Json
from rolloutctl.core.judging import GAP_INTERVALS
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import quote_label, references
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.verdict import Verdict
from rolloutctl.gates.counters import Counters, Point, difference, points_of
from rolloutctl.gates.readings import error, is_empty, no_data, unusable
from rolloutctl.gates.selectors import narrows

#: The arms of a comparison, in the order they are asked.
ARMS = (CONTROL, CANARY)
#: Texts whose references are kept in memory: they are asked for at every look.
_TEXTS_MAX = 1_024
#: Bounds of buckets that are kept in memory, likewise.
_BOUNDS_MAX = 4_096
_ARM_PREFIX = "arm."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The texts that a gate asks of both arms, by key.

    `part` is a key whose answer may be empty because nothing of it has happened yet, as
    long as it selects from the series that the key `whole` proves to be there.
    """

    texts: tuple[tuple[str, str], ...]
    part: str = ""
    whole: str = ""
    by_bound: bool = False  # one text, a histogram: its events are told apart by bucket

    @property
    def names(self) -> tuple[str, ...]:
        """Each text's key with its arm, in the order asked: `control bad`, …."""
        return _names(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTick:
    """The events of both arms since the last look, by key (or bucket).

    Attributes:
        control: events of control.
        canary: events of the canary.
        start_s: when the last look was, seconds since the epoch.
        end_s: when this one was.
    """

    control: Mapping[str, float]
    canary: Mapping[str, float]
    start_s: float
    end_s: float


def arm_queries(asked: Asked, context: GateContext) -> Sequence[Query]:
    """One query a text and arm, control first; the same objects at every look."""
    values = tuple((name, context.arms.get(name)) for name in _references(asked.texts))
    return _queries(asked.texts, values)


def unusable_arms(
    asked: Asked, readings: Sequence[Reading], context: GateContext
) -> Verdict | None:
    """The verdict that stands in for a judgement, or None."""
    known = context.arms
    unknown = [name for name in _references(asked.texts) if name not in known]
    if unknown:
        unknown.sort()
        listed = ", ".join(f"${{{name}}}" for name in unknown)
        return error(f"unknown reference {listed}; known: {', '.join(sorted(known))}")
    if len(readings) != len(asked.names):
        return error(f"{len(readings)} answers to {len(asked.names)} questions")
    if unusable(readings) is None:  # nearly every look; leaving some out finds no more
        return None
    return unusable(_told(asked, readings))


def read_tick(
    asked: Asked, known: Counters | None, readings: Sequence[Reading], context: GateContext
) -> tuple[Counters, ArmTick | str | None]:
    """The counters to remember, and the events since the last look.

    None where there is nothing to compare with: a first look, or one after a gap. A text
    says why the answers cannot be counted.
    """
    points: list[Point] = []
    for name, reading in zip(asked.names, readings, strict=True):
        samples = reading.measurement.samples if reading.measurement else ()
        if not asked.by_bound:
            points += points_of(name, samples)
            continue
        for bound, series, group, number in points_of(name, samples, by_bound=True):
            bucket = bucket_of(name, bound)
            if not bucket:
                return known or Counters(read_at_s=0.0, last={}), (
                    "histogram: every series needs a numeric le label (use _bucket)"
                )
            points.append(Point(bucket, series, group, number))
    now_s = context.now.timestamp()
    counters, counts = difference(
        known, points, now_s=now_s, horizon_s=GAP_INTERVALS * context.interval_s
    )
    if counts is None or known is None:
        return counters, None
    arms: dict[str, dict[str, float]] = {CONTROL: {}, CANARY: {}}
    for name, count in counts.items():
        arm, key = arm_and_key(name)
        arms[arm][key] = count
    return counters, ArmTick(
        control=arms[CONTROL], canary=arms[CANARY], start_s=known.read_at_s, end_s=now_s
    )


def counters_to_json(counters: Counters | None) -> Json:
    """Counters as JSON; `counters_from_json` is the reverse."""
    if counters is None:
        return None
    return [counters.read_at_s, counters.last, counters.gone]


def counters_from_json(stored: Json) -> Counters | None:
    """The reverse of `counters_to_json`, of this version's own writing."""
    if stored is None:
        return None
    read_at_s, last, gone = cast("list[Any]", stored)  # Any: rows of mixed type
    return Counters(read_at_s=read_at_s, last=last, gone=gone)


def _told(asked: Asked, readings: Sequence[Reading]) -> list[Reading]:
    """The readings without those parts that are empty because nothing happened yet.

    SAFETY: many applications make the series of a failure with the first failure, so a
    healthy arm has none. It counts as zero only where it selects from the very series
    that the whole has just proved to be there; otherwise it is missing data.
    """
    if not any(map(is_empty, readings)):
        return list(readings)
    by_name = dict(zip(asked.names, readings, strict=True))
    told = []
    for name, reading in by_name.items():
        arm, _, key = name.partition(" ")
        whole = by_name.get(f"{arm} {asked.whole}")
        is_part = key == asked.part and whole is not None and is_empty(reading)
        if is_part and whole is not None and narrows(reading.query.text, whole.query.text):
            continue
        told.append(reading)
    return told


@lru_cache(maxsize=_TEXTS_MAX)
def arm_and_key(name: str) -> tuple[str, str]:
    """What the name of a counter says: whose it is, and what it counts."""
    arm, _, key = name.partition(" ")
    return arm, key


@lru_cache(maxsize=_BOUNDS_MAX)
def bucket_of(name: str, bound: str) -> str:
    """The arm that `name` begins with, and the bucket's bound; "" if that is no number."""
    try:
        return f"{name.partition(' ')[0]} {float(bound)}"
    except ValueError:
        return ""


@lru_cache(maxsize=_TEXTS_MAX)
def _names(texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple([f"{arm} {name}" for arm in ARMS for name, _ in texts])


@lru_cache(maxsize=_TEXTS_MAX)
def _queries(
    texts: tuple[tuple[str, str], ...], values: tuple[tuple[str, str | None], ...]
) -> tuple[Query, ...]:
    quoted = {name: quote_label(value) for name, value in values if value is not None}
    found = []
    for arm in ARMS:
        own = {f"{_ARM_PREFIX}{name}": one for name, one in names_of_arm(quoted, arm).items()}
        found += [
            Query(kind=QueryKind.COUNTERS, text=replace_references(text, (quoted | own).get))
            for _, text in texts
        ]
    return tuple(found)


@lru_cache(maxsize=_TEXTS_MAX)
def _references(texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """All names that the texts refer to; `arm.x` as one of control and one of the canary."""
    names: dict[str, None] = {}
    for _, text in texts:
        for name in references(text):
            if name.startswith(_ARM_PREFIX):
                rest = name.removeprefix(_ARM_PREFIX)
                names.update({f"{arm}.{rest}": None for arm in ARMS})
            else:
                names[name] = None
    return tuple(names)


def no_traffic(arm: str, looks: int) -> Verdict:
    """NO_DATA: an arm that nothing has reached for so many looks."""
    return no_data(f"no traffic on {arm} for {looks} looks")
