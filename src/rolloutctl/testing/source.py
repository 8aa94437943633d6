"""A metric source in memory: answers by text, faults and silence on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from rolloutctl.core.measurement import DataState, Measurement, Query, Sample, Series
from rolloutctl.core.observation import Finding, Severity

#: One answer: a number for one unlabelled series, raw counters by labels, a state, an error.
Answer = float | Mapping[tuple[tuple[str, str], ...], float] | DataState | Exception


def _empty(_at: datetime) -> Answer:
    return DataState.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSourceSpec:
    """Settings of the fake source: none."""


@dataclass(slots=True)
class FakeSource:
    """Answers each query by calling `answers[text](at)`; an unknown text is EMPTY."""

    name: ClassVar[str] = "fake"
    Spec: ClassVar[type] = FakeSourceSpec
    kinds: ClassVar[frozenset[str]] = frozenset({"expression", "counters"})

    answers: dict[str, Callable[[datetime], Answer]] = field(default_factory=dict)
    asked: list[tuple[datetime, str]] = field(default_factory=list)

    def probe(self) -> Sequence[Finding]:
        """Always reachable."""
        return [Finding(severity=Severity.OK, message="the fake source answers")]

    def query(self, query: Query, at: datetime) -> Measurement:
        """The scripted answer at `at`; a scripted exception is raised."""
        self.asked.append((at, query.text))
        answer = self.answers.get(query.text, _empty)(at)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, DataState):
            return Measurement(at=at, state=answer, detail="scripted")
        series = answer if isinstance(answer, Mapping) else {(): float(answer)}
        samples = tuple(Sample(labels=labels, value=value) for labels, value in series.items())
        return Measurement(at=at, state=DataState.OK, samples=samples)

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """The scripted answers at every step from `start` to `end`."""
        rows = []
        at = start
        while at <= end:
            measurement = self.query(query, at)
            if measurement.state is DataState.OK:
                rows.append((at, measurement.samples))
            at += timedelta(seconds=step_s)
        return Series(query=query, rows=tuple(rows))
