"""Over many looks at once, where it is known that all of them pass: for thousands of runs.

In a step that only holds, and that all gates have passed, nothing is decided as long as they
go on passing. The traffic of the looks ahead is drawn as it would be look by look, each
gate says at how many of them it surely passes again (`core.foresight`), and the rollout goes
on behind them with the evidence that they leave. Whatever could change a verdict is
left to a look of its own: the last one before the hold is over, and any that is in doubt.

SAFETY: of the looks in between nothing is recorded, as production records few of them too.
All else is the same: a test compares with the complete engine what was decided and when, and
every gate's evidence to the last bit; every certificate does so with a part of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rolloutctl.core.events import GateRecord
from rolloutctl.core.evolve import evolve
from rolloutctl.core.foresight import Ahead, Foreseen, Track
from rolloutctl.core.measurement import Query
from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome
from rolloutctl.simulation.traffic import Traffic
from rolloutctl.simulation.virtual import VirtualSource

#: Looks of one leap at most: what is drawn for nothing where one of them is in doubt.
LOOKS_MAX = 240
#: Fewer looks than this are not worth a leap; so many are taken one by one after a doubt.
LOOKS_MIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A gate before a leap: what it asks, what it may know, and how it stands."""

    name: str
    kind: object
    spec: object
    queries: Sequence[Query]
    context: GateContext
    record: GateRecord
    interval: timedelta


class Leaper:
    """Leaps of one run over its own traffic."""

    def __init__(self, traffic: Traffic, source: VirtualSource) -> None:
        self._traffic, self._source = traffic, source
        self._wait = 0

    def leap(
        self, gates: Sequence[Standing], moments: Sequence[datetime]
    ) -> tuple[datetime, Mapping[str, GateRecord]] | None:
        """Goes over the first of `moments`, as many as surely pass.

        Args:
            gates: all that are judged at each of the moments.
            moments: of the looks ahead, an interval apart, without the last one of the hold.

        Returns:
            The last moment, and how the gates stand then; None where no leap is made: nothing
            has happened then.
        """
        if self._wait:
            self._wait -= 1
            return None
        moments = moments[:LOOKS_MAX]
        if len(moments) < LOOKS_MIN or not all(map(_is_passing, gates)):
            return None
        before = self._traffic.remember()
        found = self._foreseen(gates, moments)
        looks = len(moments) if found else 0
        looks = min([looks, *(one.looks for one in found)])
        if looks < len(moments):
            self._traffic.go_back(before)
            self._wait = LOOKS_MIN
            if looks < LOOKS_MIN:
                return None
            found = self._foreseen(gates, moments[:looks])
        after = zip(gates, found, strict=True)
        at = moments[looks - 1]
        return at, {gate.name: _stands(gate, one, at) for gate, one in after}

    def _foreseen(self, gates: Sequence[Standing], moments: Sequence[datetime]) -> list[Foreseen]:
        """What each gate says of the moments; nothing if one of them cannot say."""
        queries = list(dict.fromkeys(query for gate in gates for query in gate.queries))
        answers = self._source.ahead(queries, moments)
        if answers is None:
            return []
        found = []
        for gate in gates:
            foreseen = _ask(gate, answers, moments)
            if foreseen is None:
                return []
            found.append(foreseen)
        return found


def _ask(
    gate: Standing, answers: Mapping[Query, tuple[Track, ...]], moments: Sequence[datetime]
) -> Foreseen | None:
    foresee = getattr(gate.kind, "foresee", None)
    if foresee is None:
        return None
    ahead = Ahead(
        first=moments[0],
        interval=gate.interval,
        count=len(moments),
        answers=tuple(answers[query] for query in gate.queries),
    )
    found: Foreseen | None = foresee(gate.spec, gate.record.evidence, ahead, gate.context)
    return found


def _is_passing(gate: Standing) -> bool:
    record = gate.record
    return record.verdict.outcome is Outcome.PASS and record.measured.outcome is Outcome.PASS


def _stands(gate: Standing, foreseen: Foreseen, at: datetime) -> GateRecord:
    """As after so many passes more; the words are those of the last look that had any."""
    return evolve(
        gate.record,
        evidence=foreseen.evidence,
        judged_at=at,
        silences=0,
        errors=0,
        passes_in_row=gate.record.passes_in_row + foreseen.looks,
        judgements=gate.record.judgements + foreseen.looks,
    )
