"""Series that were recorded once, asked again on a virtual clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from rolloutctl.core.arm_names import arm_names, only_target
from rolloutctl.core.exposure import split
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Finding
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateContext, GateKind
from rolloutctl.errors import Rejected
from rolloutctl.simulation.virtual import EPOCH, NoSettings

#: A series without a sample for so long is gone (Prometheus' own lookback, 5 minutes).
LOOKBACK_S = 300.0

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One recorded series: ascending times (Unix seconds) and the value at each."""

    labels: Labels
    times_s: Sequence[float]
    values: Sequence[float]


class RecordedSource:
    """Answers from recorded tracks; what was not recorded is not there."""

    name: ClassVar[str] = "recorded"
    Spec: ClassVar[type] = NoSettings
    kinds: ClassVar[frozenset[str]] = frozenset(QueryKind)

    def __init__(
        self, tracks: Mapping[Query, Sequence[Track]], answers: Mapping[str, float]
    ) -> None:
        """Holds the tracks of each query; `answers` are numbers stated for whole texts."""
        self._tracks, self._answers = tracks, answers

    def probe(self) -> Sequence[Finding]:
        """Always reachable."""
        return ()

    def query(self, query: Query, at: datetime) -> Measurement:
        """What was true at `at`."""
        if query.text in self._answers:
            sample = Sample(labels=(), value=self._answers[query.text])
            return Measurement(at=at, state=DataState.OK, samples=(sample,))
        second = at.timestamp()
        newest, samples = 0.0, []
        for track in self._tracks.get(query, ()):
            index = bisect_right(track.times_s, second) - 1
            if index < 0:
                continue
            newest = max(newest, track.times_s[index])
            if second - track.times_s[index] <= LOOKBACK_S:
                samples.append(Sample(labels=track.labels, value=track.values[index]))
        if not samples:
            state = DataState.STALE if newest else DataState.EMPTY
            return Measurement(at=at, state=state)
        if query.kind is QueryKind.EXPRESSION and len(samples) > 1:
            return Measurement(at=at, state=DataState.AMBIGUOUS)
        when = datetime.fromtimestamp(newest, UTC)
        return Measurement(at=when, state=DataState.OK, samples=tuple(samples))

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """It is a history itself."""
        del start, end, step_s
        raise Rejected(f"a recorded source is asked look by look: {query.text}")


def tracks_of(series: Series) -> list[Track]:
    """A source's history, series by series."""
    found: dict[Labels, tuple[list[float], list[float]]] = {}
    for at, samples in series.rows:
        second = at.timestamp()
        for sample in samples:
            times, values = found.setdefault(sample.labels, ([], []))
            times.append(second)
            values.append(sample.value)
    return [Track(labels=ls, times_s=times, values=vs) for ls, (times, vs) in found.items()]


def queries_of(playbook: Playbook, kinds: Mapping[str, GateKind]) -> dict[tuple[str, Query], str]:
    """Everything that the gates in use may ask, by source; with a gate that asks it."""
    used = {name for step in playbook.steps for name in (*step.before, *step.gates)}
    used |= set(playbook.guardrails)
    return {
        (gate.source, query): gate.name
        for gate in playbook.gates.values()
        if gate.name in used
        for query in _asked(playbook, gate, kinds[gate.kind])
    }


def _asked(playbook: Playbook, gate: Gate, kind: GateKind) -> Iterable[Query]:
    """The questions in live steps, and those in steps that only mirror."""
    own = gate.target or only_target(playbook)
    mirroring = {
        name: split(0, shadow_bp=1) for name, one in playbook.targets.items() if one.shadow
    }
    for exposures in ({}, mirroring):
        context = GateContext(
            now=EPOCH,
            since=EPOCH,
            arms=arm_names(playbook, gate, exposures=exposures),
            exposure=exposures.get(own, split(500)),
            interval_s=gate.limits.interval_s,
        )
        yield from kind.queries(gate.spec, context)
