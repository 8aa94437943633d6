"""The world of a virtual rollout: its clock, its flag service, its metrics, its people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import accumulate
from typing import Any, ClassVar

from rolloutctl.core.exposure import CANARY, FULL_BP, ZERO, Exposure
from rolloutctl.core.foresight import Track
from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import (
    DataState,
    Measurement,
    Query,
    QueryKind,
    Sample,
    Series,
)
from rolloutctl.core.observation import ArmCounts, Capabilities, Finding, Observation, Receipt
from rolloutctl.core.playbook import Target
from rolloutctl.core.ports import Message
from rolloutctl.errors import Conflict, Rejected, Unavailable
from rolloutctl.simulation.faults import Silence
from rolloutctl.simulation.streams import Place, Role
from rolloutctl.simulation.traffic import Traffic

#: Where virtual time begins, a Monday; any fixed moment would do.
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
#: Bucket layouts kept in memory; a playbook has a few.
_BOUNDS_MAX = 256


class VirtualClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self._now = start

    def now(self) -> datetime:
        """The virtual time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Is over at once, later."""
        self._now += timedelta(seconds=max(0.0, seconds))

    def second(self, at: datetime) -> float:
        """Seconds from the beginning to `at`."""
        return (at - self.start).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """Virtual things have none."""


#: Told whenever a target serves something else: (target's name, exposure).
Served = Callable[[str, Exposure], None]


class VirtualProvider:
    """A flag service that never fails; each target holds one exposure.

    It has the capabilities of the playbook's own provider, so that settling takes as long
    as it would there.
    """

    name: ClassVar[str] = "virtual"
    TargetSpec: ClassVar[type] = NoSettings
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self, clock: VirtualClock, capabilities: Capabilities, *, address: str, served: Served
    ) -> None:
        self.capabilities = capabilities  # type: ignore[misc]  # of the provider it stands for
        self._clock, self._address, self._served = clock, address, served
        self._exposure, self._version, self._fingerprint = ZERO, 1, str(ZERO)

    def address(self, target: Target) -> str:
        """That of the target it stands for."""
        del target
        return self._address

    def parse_address(self, address: str) -> Mapping[str, str]:
        """Nothing to parse."""
        del address
        return {}

    def probe(self, target: Target) -> Sequence[Finding]:
        """Always fine."""
        del target
        return ()

    def observe(self, target: Target) -> Observation:
        """What it serves now."""
        del target
        return Observation(
            at=self._clock.now(),
            exposure=self._exposure,
            version=str(self._version),
            fingerprint=self._fingerprint,
            snapshot=None,
        )

    def apply(
        self,
        target: Target,
        exposure: Exposure,
        *,
        key: str,
        expect: str | None,
        timeout_s: float,
    ) -> Receipt:
        """Serves it from now on."""
        del key, timeout_s
        return self._serve(target, exposure, expect)

    def restore(
        self, target: Target, snapshot: Json, *, key: str, expect: str | None, timeout_s: float
    ) -> Receipt:
        """Serves control alone: that is where every virtual rollout begins."""
        del snapshot, key, timeout_s
        return self._serve(target, ZERO, expect)

    def kill(self, target: Target, *, timeout_s: float) -> Receipt:
        """Control for everybody."""
        del timeout_s
        return self._serve(target, ZERO, None)

    def sample(self, target: Target, units: int, *, timeout_s: float) -> ArmCounts:
        """Counts as if every unit were bucketed exactly."""
        del target, timeout_s
        canary = units * self._exposure.canary_bp // FULL_BP
        return ArmCounts(units=units, arms=(("control", units - canary), ("canary", canary)))

    def _serve(self, target: Target, exposure: Exposure, expect: str | None) -> Receipt:
        if expect is not None and expect != str(self._version):
            raise Conflict(f"{self._address} is at version {self._version}, not {expect}")
        self._exposure, self._version = exposure, self._version + 1
        self._fingerprint = str(exposure)
        self._served(target.name, exposure)
        return Receipt(version=str(self._version))


class VirtualSource:
    """Answers from the traffic's counters; a text that no gate asks has no series."""

    name: ClassVar[str] = "virtual"
    Spec: ClassVar[type] = NoSettings
    kinds: ClassVar[frozenset[str]] = frozenset(QueryKind)

    def __init__(self, traffic: Traffic, clock: VirtualClock) -> None:
        self._traffic, self._clock = traffic, clock
        self._at: datetime | None = None
        self.unknown: dict[str, None] = {}

    def probe(self) -> Sequence[Finding]:
        """Always reachable."""
        return ()

    def query(self, query: Query, at: datetime) -> Measurement:
        """The counters at `at`, as raw as they are. Raises `Unavailable` under a fault."""
        if at is not self._at:  # all questions of a look come with one time
            self._traffic.advance(self._clock.second(at))
            self._at = at
        place = self._traffic.streams.places.get(query.text)
        if place is None:
            self.unknown[query.text] = None
            return Measurement(at=at, state=DataState.EMPTY)
        fault = self._traffic.is_silent(place.gates)
        if fault is not None and fault.silence is Silence.ERROR:
            raise Unavailable(f"planted: {fault.text}")
        samples = () if fault is not None else self._samples(place)
        if not samples:
            return Measurement(at=at, state=DataState.EMPTY)
        return Measurement(at=at, state=DataState.OK, samples=samples)

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """It keeps none."""
        del start, end, step_s
        raise Rejected(f"a virtual source keeps no history of {query.text}")

    def ahead(
        self, queries: Sequence[Query], moments: Sequence[datetime]
    ) -> dict[Query, tuple[Track, ...]] | None:
        """The answers at moments to come, one after the other: time goes on.

        None where one of them is no number, or something turns meanwhile; how far time has
        gone on then is not said.
        """
        traffic, places = self._traffic, self._traffic.streams.places
        asked = [places.get(query.text) for query in queries]
        known = [place for place in asked if place is not None]
        is_silent = any(traffic.is_silent(place.gates) for place in known)
        last_s = self._clock.second(moments[-1])
        if len(known) < len(asked) or is_silent or last_s > traffic.next_turn_s:
            return None
        columns: list[list[Any]] = [[] for _ in known]  # Any: as the reader's place has it
        readers = [self._reader(place) for place in known]
        each = [
            (column.append, read) for column, read in zip(columns, readers, strict=True) if read
        ]
        if len(each) < len(known):
            return None
        for at in moments:
            traffic.advance(self._clock.second(at))
            for keep, read in each:
                keep(read())
        self._at = None
        return {
            query: self._tracks(place, column)
            for query, place, column in zip(queries, known, columns, strict=True)
        }

    def _reader(self, place: Place) -> Callable[[], object] | None:
        """Reads what `_tracks` makes the answers of; None while nothing was counted."""
        traffic, slot = self._traffic, place.slot
        if place.role is Role.EXPRESSION:
            return partial(traffic.number, traffic.streams.slots[slot], CANARY)
        counts = [traffic.counts.get((place.stream, one)) for one in place.populations]
        there = [one for one in counts if one is not None]
        if len(there) != 1 or len(counts) != 1:
            return partial(self._numbers, place) if there else None
        (count,) = there
        if place.role is Role.HISTOGRAM:
            return count.buckets[slot].copy
        if place.role is Role.TOTAL:
            return partial(getattr, count, "total")
        return partial(count.by_slot.__getitem__, slot)

    def _tracks(self, place: Place, column: Sequence[Any]) -> tuple[Track, ...]:  # Any: as above
        """The series of an answer from what was read of it at each moment."""
        if isinstance(column[0], tuple):
            rows = column
        elif place.role is Role.HISTOGRAM:
            rows = [_cumulative(row) for row in column]
        else:
            return (Track((), [float(one) for one in column]),)
        tracks = zip(self._labels(place), zip(*rows, strict=True), strict=True)
        return tuple([Track(labels, values) for labels, values in tracks])

    def _labels(self, place: Place) -> tuple[tuple[tuple[str, str], ...], ...]:
        if place.role is not Role.HISTOGRAM:
            return ((),)
        return bucket_labels(self._traffic.streams.slots[place.slot].bounds_s)

    def _samples(self, place: Place) -> tuple[Sample, ...]:
        numbers = self._numbers(place)
        if len(numbers) == 1:
            return (Sample(labels=(), value=numbers[0]),)
        if not numbers:
            return ()
        labels = self._labels(place)
        return tuple([Sample(labels=o, value=n) for o, n in zip(labels, numbers, strict=True)])

    def _numbers(self, place: Place) -> tuple[float, ...]:
        """The values of the answer's series; none while nothing was counted."""
        traffic = self._traffic
        if place.role is Role.EXPRESSION:
            return (traffic.number(traffic.streams.slots[place.slot], CANARY),)
        known = traffic.counts
        counts = [c for p in place.populations if (c := known.get((place.stream, p))) is not None]
        if not counts:
            return ()
        if place.role is Role.HISTOGRAM:
            rows = [count.buckets[place.slot] for count in counts]
            row = rows[0] if len(rows) == 1 else [sum(cells) for cells in zip(*rows, strict=True)]
            return _cumulative(row)
        number = 0.0
        for count in counts:
            number += count.total if place.role is Role.TOTAL else count.by_slot[place.slot]
        return (number,)


def _cumulative(row: Sequence[float]) -> tuple[float, ...]:
    """One cumulative counter a bound."""
    _, *numbers = accumulate(row, initial=0.0)
    return tuple(numbers)


@lru_cache(maxsize=_BOUNDS_MAX)
def bucket_labels(bounds: tuple[float, ...]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The `le` labels of a histogram with these bounds, `+Inf` last."""
    return tuple((("le", text),) for text in (*(f"{bound:g}" for bound in bounds), "+Inf"))


class SilentNotifier:
    """Tells nobody."""

    name: ClassVar[str] = "virtual"
    Spec: ClassVar[type] = NoSettings

    def notify(self, message: Message, *, timeout_s: float) -> None:
        """Nothing is sent."""
