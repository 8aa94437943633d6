"""A service with two arms, asked and judged as the runner does it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from rolloutctl.core.measurement import DataState, Measurement, Reading, Sample
from rolloutctl.core.ports import GateContext

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INTERVAL_S = 30.0
ARMS = {
    "control.is": "old",
    "control.labels.model": "gpt",
    "canary.is": "new",
    "canary.labels.model": 'so"net',
}


def context_at(seconds, *, since=START, arms=ARMS, exposure=None, **more):
    return GateContext(
        now=START + timedelta(seconds=seconds),
        since=since,
        arms=arms,
        exposure=exposure,
        interval_s=INTERVAL_S,
        **more,
    )


def counter(number, **labels):
    return Sample(labels=tuple(sorted(labels.items())), value=float(number))


def reading_of(query, given):
    """A number is one series; a list are samples; a state has none; a text is an error."""
    state, samples = DataState.OK, given
    if isinstance(given, DataState):  # a text too, so it comes first
        state, samples = given, ()
    elif isinstance(given, str):
        return Reading(query=query, error=given)
    elif not isinstance(given, list):
        samples = [counter(given)]
    return Reading(
        query=query, measurement=Measurement(at=START, state=state, samples=tuple(samples))
    )


class TwoArms:
    """One gate over both arms; evidence goes through JSON between the looks, or does not."""

    def __init__(self, kind, spec, *, through_json=True, **context):
        self.through_json = through_json
        self.kind, self.spec, self.context = kind, spec, context
        self.seconds, self.evidence, self.verdict = 0.0, None, None
        self.totals = {}

    def read(self, *answers, after_s=INTERVAL_S, **context):
        """One look at what the sources show, in the order of the queries."""
        self.seconds += after_s
        at = context_at(self.seconds, **{**self.context, **context})
        queries = self.kind.queries(self.spec, at)
        found = [reading_of(q, a) for q, a in zip(queries, answers, strict=True)]
        evidence, self.verdict = self.kind.assess(self.spec, self.evidence, found, at)
        written = json.dumps(evidence, allow_nan=False)
        self.evidence = json.loads(written) if self.through_json else evidence
        return self.verdict.outcome

    def happen(self, control, canary, **more):
        """Events are added to the counters of both arms, then looked at."""
        shown = []
        for index, count in enumerate((*control, *canary)):
            self.totals[index] = self.totals.get(index, 0.0) + count
            shown.append(self.totals[index])
        return self.read(*shown, **more)
