"""Gate kind `threshold`: the plain alert rule, one number against one or two limits.

The number is a query's answer, or how many series an alerting rule's expression returns
(`rule.py`), or it is counted here from raw counters: a share
(`bad`/`total`), a mean (`sum`/`count`) or a quantile of a histogram, over the events of
the last `window`. Counted numbers are judged from the second reading on, whatever part of the
window is filled: warm-up and minimum sample guard against judging too little.

`for` makes a failure count only when it has lasted that long. A value that does not
fail ends it. Silence (no data, an error) neither ends nor prolongs it for three intervals;
after that the failure starts anew, and what silence means is the playbook's `on_no_data`.

References are replaced by the arm's labels, escaped for a double-quoted string. Labels hold
literal text: in a regular-expression matcher their dots match anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar

from rolloutctl.core.foresight import Ahead, Foreseen
from rolloutctl.core.json_types import Json
from rolloutctl.core.judging import GAP_INTERVALS
from rolloutctl.core.measurement import Query, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import quote_label
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.classic_histogram import quantile_of
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.counters import Point, difference, points_of
from rolloutctl.gates.evidence import Evidence, Streak, evidence_of
from rolloutctl.gates.observed import Observed, judge
from rolloutctl.gates.readings import error, is_empty, no_data, unusable
from rolloutctl.gates.rule import rule_verdict
from rolloutctl.gates.selectors import narrows
from rolloutctl.gates.threshold_sight import threshold_sight
from rolloutctl.gates.threshold_spec import Form, ThresholdSpec, problems_of
from rolloutctl.gates.window import Tick, Window

#: `bad` and `total` may be read moments apart: so much more bad than total is forgiven.
SKEW_SHARE = 0.1
SKEW_EVENTS = 1.0
#: Ways to name the arms that a spec's queries are kept for: shadow, canary, and few more.
_ARMS_MAX = 64
#: Bounds of buckets that are kept in memory: the same ones are read at every look.
_BOUNDS_MAX = 4_096


class Threshold:
    """A number against limits; see the module's docstring."""

    name: ClassVar[str] = "threshold"
    Spec: ClassVar[type] = ThresholdSpec

    def problems(self, spec: ThresholdSpec) -> Sequence[tuple[str, str, str]]:
        """Form, window, selectors, conditions: everything that can be seen before a run."""
        return tuple(problems_of(spec))

    def texts(self, spec: ThresholdSpec) -> Mapping[str, str]:
        """The texts asked of the source, by key."""
        return spec.texts()

    def query_kinds(self, spec: ThresholdSpec) -> frozenset[str]:
        """One kind: an expression, or raw counters."""
        return frozenset({spec.asked.kind})

    def counts_events(self, spec: ThresholdSpec) -> bool:
        """Whether events stand behind the number: not where an expression is asked."""
        return spec.asked.form not in {Form.EXPRESSION, Form.RULE}

    def queries(self, spec: ThresholdSpec, context: GateContext) -> Sequence[Query]:
        """One query a text, the part before the whole."""
        return _queries(spec, context)

    def sight(self, spec: ThresholdSpec, outlook: Outlook) -> Sight | None:
        """Whether a share's window holds enough bad events to tell them from chance."""
        return threshold_sight(spec, outlook)

    def assess(
        self,
        spec: ThresholdSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Judges one number; readings without one leave the evidence as it was."""
        stand_in = _unusable(spec, readings, context)
        if stand_in is not None:
            return evidence, stand_in
        asked = "\n".join([reading.query.text for reading in readings])
        known = evidence_of(evidence, asked=asked)
        if spec.rule is not None:
            verdict = rule_verdict(spec.rule, readings[0])
            if verdict.outcome is Outcome.NO_DATA:
                return evidence, verdict
            known, verdict = _lasting(spec, known, verdict, context=context)
            return known.to_json(), verdict
        if spec.asked.form is Form.EXPRESSION:
            observed: Observed | Verdict = _answered(readings[0])
        else:
            known, observed = _counted(spec, known, readings, context=context)
        if isinstance(observed, Verdict):
            return known.to_json(), observed
        verdict = judge(observed, fail=spec.fail_condition(), pass_=spec.pass_condition())
        known, verdict = _lasting(spec, known, verdict, context=context)
        return known.to_json(), verdict

    def foresee(
        self, spec: ThresholdSpec, evidence: Json, ahead: Ahead, context: GateContext
    ) -> Foreseen | None:
        """See `core.foresight`."""
        asked = "\n".join(query.text for query in self.queries(spec, context))
        known = evidence_of(evidence, asked=asked)
        if known.failing is not None:
            return None
        if spec.asked.form in {Form.EXPRESSION, Form.RULE}:
            return _foreseen_answers(spec, known, ahead, context)
        return _foreseen_counts(spec, known, ahead, context)


def _foreseen_answers(
    spec: ThresholdSpec, known: Evidence, ahead: Ahead, context: GateContext
) -> Foreseen | None:
    """The first answers that pass; the evidence of an expression never changes."""
    if context.min_sample > 0 or len(ahead.answers[0]) != 1:
        return None
    looks, passed = 0, math.nan
    for number in ahead.answers[0][0].values:
        if number != passed and not _passes(spec, Observed(number=number), context):
            break
        looks, passed = looks + 1, number
    return Foreseen(looks, known.to_json()) if looks else None


def _foreseen_counts(
    spec: ThresholdSpec, known: Evidence, ahead: Ahead, context: GateContext
) -> Foreseen | None:
    """The first looks whose window passes, counted as `assess` counts them."""
    rows = []
    for name, tracks in zip(spec.asked.names, ahead.answers, strict=True):
        is_histogram = spec.asked.form is Form.QUANTILE
        samples = [Sample(labels=track.labels, value=0.0) for track in tracks]
        points = points_of(name, samples, by_bound=is_histogram)
        rows += [
            (bucket_of(one.name) if is_histogram else one.name, one.series, one.group, track.values)
            for one, track in zip(points, tracks, strict=True)
        ]
    looks = 0
    while looks < ahead.count:
        points = [Point(name, series, group, values[looks]) for name, series, group, values in rows]
        now_s = ahead.at(looks).timestamp()
        after, observed = _added(spec, known, points, now_s=now_s, context=context)
        if isinstance(observed, Verdict) or not _passes(spec, observed, context):
            break
        known, looks = after, looks + 1
    return Foreseen(looks, known.to_json()) if looks else None


def _passes(spec: ThresholdSpec, observed: Observed, context: GateContext) -> bool:
    """Does it pass, with the minimum sample that the playbook asks?"""
    if context.min_sample > 0 and not (observed.sample or 0.0) >= context.min_sample:
        return False
    verdict = judge(observed, fail=spec.fail_condition(), pass_=spec.pass_condition())
    return verdict.outcome is Outcome.PASS


def _queries(spec: ThresholdSpec, context: GateContext) -> tuple[Query, ...]:
    """The queries for arms that are named so: the same objects at every look."""
    asked = spec.asked
    values = tuple([context.arms.get(name) for name in asked.references])
    known = asked.queries.get(values)
    if known is not None:
        return known
    if len(asked.queries) >= _ARMS_MAX:
        asked.queries.clear()
    named = zip(asked.references, values, strict=True)
    quoted = {name: quote_label(value) for name, value in named if value is not None}
    made = tuple(
        Query(kind=asked.kind, text=replace_references(text, quoted.get))
        for text in spec.texts().values()
    )
    asked.queries[values] = made
    return made


def _unusable(
    spec: ThresholdSpec, readings: Sequence[Reading], context: GateContext
) -> Verdict | None:
    """The verdict that stands in for a judgement, or None."""
    if not spec.asked.references <= context.arms.keys():
        unknown = sorted(spec.asked.references - context.arms.keys())
        listed = ", ".join(f"${{{name}}}" for name in unknown)
        return error(f"unknown reference {listed}; known: {', '.join(sorted(context.arms))}")
    if len(readings) != len(spec.asked.names):
        return error(f"{len(readings)} answers to {len(spec.asked.names)} questions")
    found = unusable(readings)
    if found is not None and _is_free_of_bad(spec, readings):
        return unusable(readings[1:])
    return found


def _is_free_of_bad(spec: ThresholdSpec, readings: Sequence[Reading]) -> bool:
    """Does an empty answer for `bad` mean that nothing bad has happened yet?

    SAFETY: many applications make the series of a failure with the first failure, so a
    healthy canary has none. It counts as zero only where `bad` selects from the very
    series that `total` has just proved to be there; otherwise it is missing data.
    """
    if spec.asked.form is not Form.SHARE or not is_empty(readings[0]):
        return False
    return narrows(readings[0].query.text, readings[1].query.text)


def _answered(reading: Reading) -> Observed:
    """The number that a query answered; it was checked to be exactly one."""
    samples = reading.measurement.samples if reading.measurement else ()
    return Observed(number=samples[0].value)


def _counted(
    spec: ThresholdSpec, known: Evidence, readings: Sequence[Reading], *, context: GateContext
) -> tuple[Evidence, Observed | Verdict]:
    """Adds the readings to the window, and the number that the window makes."""
    points = _points(spec, readings)
    if points is None:
        return known, error("histogram: every series needs a numeric le label (use _bucket)")
    return _added(spec, known, points, now_s=context.now.timestamp(), context=context)


def _added(
    spec: ThresholdSpec,
    known: Evidence,
    points: Sequence[Point],
    *,
    now_s: float,
    context: GateContext,
) -> tuple[Evidence, Observed | Verdict]:
    """Adds the counters of one look to the window."""
    counters, counts = difference(
        known.counters,
        points,
        now_s=now_s,
        horizon_s=max(spec.window_s, GAP_INTERVALS * context.interval_s),
    )
    if counts is None or known.counters is None:
        # SAFETY: what was counted before a gap says nothing about now; the window begins anew.
        return replace(known, counters=counters, window=Window()), _first_reading(context)
    tick = Tick(known.counters.read_at_s, now_s, counts)
    window = known.window.add(tick, window_s=spec.window_s)
    window = window.recent(now_s, window_s=spec.window_s)
    known = Evidence(asked=known.asked, counters=counters, window=window, failing=known.failing)
    return known, _number_of(spec, window.totals())


def _points(spec: ThresholdSpec, readings: Sequence[Reading]) -> list[Point] | None:
    """The series of all answers; None if a histogram's bounds cannot be read."""
    is_histogram = spec.asked.form is Form.QUANTILE
    points: list[Point] = []
    for name, reading in zip(spec.asked.names, readings, strict=True):
        samples = reading.measurement.samples if reading.measurement else ()
        if not is_histogram:
            points += points_of(name, samples)
            continue
        for bound, series, group, number in points_of(name, samples, by_bound=True):
            bucket = bucket_of(bound)
            if not bucket:
                return None
            points.append(Point(bucket, series, group, number))
    return points


def _first_reading(context: GateContext) -> Verdict:
    """INCONCLUSIVE: one reading of a counter tells nothing yet."""
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because="first reading of the counters; judged from the next one on",
        settles_at=context.now + timedelta(seconds=context.interval_s),
    )


def _number_of(spec: ThresholdSpec, totals: Mapping[str, float]) -> Observed | Verdict:
    """Share, mean or quantile of the window's events."""
    form = spec.asked.form
    within = spec.asked.within
    if form is Form.QUANTILE:
        return _quantile(spec, totals, within=within)
    whole = "count" if form is Form.MEAN else "total"
    events = totals.get(whole, 0.0)
    if events <= 0:
        return replace(no_data(f"no events in {within}: {whole} did not move"), sample=0.0)
    if form is Form.MEAN:
        about = f"{events:g} events in {within}"
        return Observed(number=totals.get("sum", 0.0) / events, about=about, sample=events)
    bad = totals.get("bad", 0.0)
    if bad > events * (1 + SKEW_SHARE) + SKEW_EVENTS:
        return error(f"bad {bad:g} > total {events:g} in {within}: bad is no part of total")
    about = f"{bad:g} of {events:g} events in {within}"
    return Observed(number=min(bad / events, 1.0), about=about, sample=events)


def _quantile(
    spec: ThresholdSpec, totals: Mapping[str, float], *, within: str
) -> Observed | Verdict:
    """The quantile of the window's histogram."""
    buckets = {float(bound): count for bound, count in totals.items()}
    events = buckets.get(math.inf)
    if events is not None and events <= 0:
        return replace(no_data(f"no events in {within}: the histogram did not move"), sample=0.0)
    found = quantile_of(buckets, spec.quantile)
    if events is None or isinstance(found, str):
        return error(f"histogram: {found}")
    about = f"p{spec.quantile * 100:g} of {events:g} events in {within}"
    return Observed(number=found.bound, is_above=found.is_above, about=about, sample=events)


@lru_cache(maxsize=_BOUNDS_MAX)
def bucket_of(text: str) -> str:
    """A bucket by its bound, "" if it is none: "1" and "1.0" are the same, whoever wrote them."""
    try:
        bound = float(text)
    except ValueError:
        return ""
    return "" if math.isnan(bound) else str(bound)


def _lasting(
    spec: ThresholdSpec, known: Evidence, verdict: Verdict, *, context: GateContext
) -> tuple[Evidence, Verdict]:
    """A failure counts once it has lasted for `for`; anything else ends it."""
    if verdict.outcome is not Outcome.FAIL:
        ended = known if known.failing is None else replace(known, failing=None)
        return ended, verdict
    now_s = context.now.timestamp()
    streak = known.failing
    if streak is None or not 0 <= now_s - streak.seen_at_s <= GAP_INTERVALS * context.interval_s:
        streak = Streak(since_s=now_s, seen_at_s=now_s)
    known = replace(known, failing=replace(streak, seen_at_s=now_s))
    if spec.lasting_s == 0:
        return known, verdict
    # To the millisecond: differences of seconds since the epoch are off by less than 1e-6,
    # and a failure that has lasted 60 s must not wait for another tick.
    lasted_s = round(now_s - streak.since_s, 3)
    lasted = f"{verdict.because}, for {format_duration(lasted_s)}"
    if lasted_s >= spec.lasting_s:
        return known, replace(verdict, because=lasted)
    return known, replace(
        verdict,
        outcome=Outcome.INCONCLUSIVE,
        because=f"{lasted} of {format_duration(spec.lasting_s)}",
        settles_at=context.now + timedelta(seconds=spec.lasting_s - lasted_s),
    )
