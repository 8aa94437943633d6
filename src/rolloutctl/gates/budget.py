"""Gate kind `budget`: the most that the canary may cost, whatever the other gates say.

`spent` are counters of what it spends: requests, users, errors, tokens or money, one kind a
gate. It fails once they have grown by more than `max` since the gate was first judged in
this rollout. As a guardrail that is before the first write, so all that the rollout spends
counts. Where the target mirrors requests, `${canary.…}` is asked with the shadow's labels
as well, in every step: shadow spend is spend. A series that several texts select counts
once.

Nothing is let go: a gap between looks, another step, a pause or another driver, since
counters remember by themselves. A counter that was reset counts from zero; what it had
counted between the last look and its reset nobody knows. A series that was not there before
counts from zero too, in doubt against the budget. A selector that nothing answers is no
data, unless it selects from what `within` shows to be there (errors that have not happened).
The guardrail acts at its next look: the budget is passed by what an `interval` spends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, cast

from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import Query, QueryKind, Reading
from rolloutctl.core.ports import GateContext
from rolloutctl.core.references import quote_label, references
from rolloutctl.core.references import replace as replace_references
from rolloutctl.core.selector import parse_selector
from rolloutctl.core.units import doc, key
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arms import counters_from_json, counters_to_json
from rolloutctl.gates.compare_spec import Problem
from rolloutctl.gates.counters import Counters, Point, difference, points_of
from rolloutctl.gates.readings import error, is_empty, no_data, unusable
from rolloutctl.gates.selectors import narrows, problem_of_selector

#: Texts of one gate; what is spent is counted at a handful of places.
SPENT_MAX = 20
#: Texts whose references are kept in memory: they are asked for at every look.
_TEXTS_MAX = 1_024
_VERSION = 1
#: The text that is asked and not counted.
_WITHIN = "within"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """What the canary may spend in this rollout."""

    spent: str | tuple[str, ...] = doc(
        "selectors of the counters of what the canary spends, added up; with ${canary.…}"
    )
    max_: float = key("max", doc="the most that may be spent in this rollout")

    within: str = doc(
        "selector that shows that the canary is counted at all, where spent may have no series yet",
        default="",
    )

    def all_texts(self) -> dict[str, str]:
        """Every text that is asked, by name."""
        return self.named() | ({_WITHIN: self.within} if self.within else {})

    def named(self) -> dict[str, str]:
        """The texts that are counted, by name: `spent`, `spent 2`, …."""
        texts = (self.spent,) if isinstance(self.spent, str) else self.spent
        return {f"spent {place}" if place > 1 else "spent": text for place, text in _from_1(texts)}


class Budget:
    """The most that the canary may spend; see the module's docstring."""

    name: ClassVar[str] = "budget"
    Spec: ClassVar[type] = BudgetSpec
    carries_evidence: ClassVar[bool] = True
    keeps_evidence: ClassVar[bool] = True

    def problems(self, spec: BudgetSpec) -> Sequence[tuple[str, str, str]]:
        """Selectors and the limit."""
        return tuple(_problems(spec))

    def texts(self, spec: BudgetSpec) -> Mapping[str, str]:
        """The texts asked of the source, by key."""
        return spec.all_texts()

    def query_kinds(self, spec: BudgetSpec) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Raw counters only."""
        return frozenset({QueryKind.COUNTERS})

    def queries(self, spec: BudgetSpec, context: GateContext) -> Sequence[Query]:
        """Each text with the labels of served and of mirrored requests; equal ones once."""
        asked = _asked(spec, context)
        return [Query(kind=QueryKind.COUNTERS, text=text) for text in asked]

    def assess(
        self,
        spec: BudgetSpec,
        evidence: Json,
        readings: Sequence[Reading],
        context: GateContext,
    ) -> tuple[Json, Verdict]:
        """Adds what was spent since the last look."""
        unknown = sorted(
            {one for text in spec.all_texts().values() for one in references(text)}
            - set(context.arms)
        )
        if unknown:
            listed = ", ".join(f"${{{name}}}" for name in unknown)
            return evidence, error(f"unknown reference {listed}")
        asked = _asked(spec, context)
        if len(readings) != len(asked):
            return evidence, error(f"{len(readings)} answers to {len(asked)} questions")
        # An empty answer says that nothing was spent there; which ones may be is asked below.
        stand_in = unusable([one for one in readings if not is_empty(one)])
        if stand_in is not None:
            return evidence, stand_in
        counters, spent, from_s = _read_back(evidence)
        now_s = context.now.timestamp()
        if counters is not None:
            # Another machine's clock may be behind; what was spent was spent all the same.
            now_s = max(now_s, counters.read_at_s)
        # No gap is too long: what was spent in it was spent.
        counters, counts = difference(
            counters, _points(asked, readings), now_s=now_s, horizon_s=math.inf
        )
        spent += 0.0 if counts is None else math.fsum(counts.values())
        from_s = now_s if from_s is None else from_s
        row: Json = {
            "version": _VERSION,
            "counters": counters_to_json(counters),
            "spent": spent,
            "from": from_s,
        }
        unseen = _unseen(spec, asked, readings)
        return row, _verdict(spec, context, spent=spent, from_s=from_s, unseen=unseen)


def _from_1(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    return enumerate(texts, start=1)


def _asked(spec: BudgetSpec, context: GateContext) -> Mapping[str, frozenset[str]]:
    """The texts to ask, and which written texts each of them is."""
    forms = tuple([tuple(sorted(form.items())) for form in (context.arms_ever or (context.arms,))])
    return _texts(tuple(spec.all_texts().items()), forms)


@lru_cache(maxsize=_TEXTS_MAX)
def _texts(
    named: tuple[tuple[str, str], ...], forms: tuple[tuple[tuple[str, str], ...], ...]
) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for form in forms:
        quoted = {name: quote_label(value) for name, value in form}
        for name, text in named:
            replaced = replace_references(text, quoted.get)
            found[replaced] = found.get(replaced, frozenset()) | {name}
    return found


def _points(asked: Mapping[str, frozenset[str]], readings: Sequence[Reading]) -> list[Point]:
    """Every series once, whichever texts select it."""
    points: dict[str, Point] = {}
    for reading in readings:
        is_counted = asked.get(reading.query.text, frozenset()) - {_WITHIN}
        if reading.measurement is None or is_empty(reading) or not is_counted:
            continue
        metric = parse_selector(reading.query.text).metric
        for point in points_of(metric, reading.measurement.samples):
            points[point.series] = point
    return list(points.values())


def _unseen(
    spec: BudgetSpec, asked: Mapping[str, frozenset[str]], readings: Sequence[Reading]
) -> list[str]:
    """The written texts that no series answers, under any of the canary's labels.

    SAFETY: many applications make the series of an error with the first error. None is
    nothing spent only where the text selects from the very series that `within` has just
    proved to be there; otherwise it is missing data.
    """
    seen = {name for one in readings if not is_empty(one) for name in asked.get(one.query.text, ())}
    unseen = set().union(*asked.values()) - seen
    if _WITHIN in seen:
        named = spec.named()
        unseen = {name for name in unseen if not narrows(named[name], spec.within)}
    return sorted(unseen)


def _read_back(stored: Json) -> tuple[Counters | None, float, float | None]:
    if not isinstance(stored, Mapping) or stored.get("version") != _VERSION:
        return None, 0.0, None
    row = cast("Mapping[str, Any]", stored)  # Any: written by `assess` of this version
    return counters_from_json(row["counters"]), row["spent"], row["from"]


def _verdict(
    spec: BudgetSpec,
    context: GateContext,
    *,
    spent: float,
    from_s: float,
    unseen: Sequence[str],
) -> Verdict:
    """FAIL once too much was spent; a limit waits for no minimum sample."""
    shown = f"spent {spent:,.6g} of {spec.max_:,.6g}"
    if context.since is not None and from_s > context.since.timestamp():
        first = datetime.fromtimestamp(from_s, UTC)
        shown = f"{shown}, what was spent before {first:%H:%M:%S} UTC is not known"
    verdict = Verdict(
        outcome=Outcome.PASS,
        because=shown,
        numbers=(("spent", spent), ("limit", spec.max_)),
        sample=context.min_sample,
    )
    if spent > spec.max_:
        return _changed(verdict, Outcome.FAIL, f"{shown}: over the limit")
    if unseen:
        silent = no_data(f"no such series: {', '.join(unseen)} ({shown})")
        return _changed(verdict, silent.outcome, silent.because)
    return verdict


def _changed(verdict: Verdict, outcome: Outcome, because: str) -> Verdict:
    return Verdict(outcome=outcome, because=because, numbers=verdict.numbers, sample=verdict.sample)


def _problems(spec: BudgetSpec) -> Iterator[Problem]:
    named = spec.named()
    if not 0 < len(named) <= SPENT_MAX:
        yield "spent", f"{len(named)} selectors", f"write 1 to {SPENT_MAX}"
    for name, text in spec.all_texts().items():
        where = name.partition(" ")[0]
        problem = problem_of_selector(text)
        if problem:
            yield (
                where,
                f"{name} takes a selector of raw counters, no functions or ranges: {problem}",
                'write a selector such as cost_usd_total{model="${canary.labels.model}"}',
            )
        if any(one.startswith("arm.") for one in references(text)):
            yield (
                where,
                "${arm.…} asks once per arm; a budget is the canary's",
                "write ${canary.…}",
            )
    if not 0 <= spec.max_ < math.inf:
        yield "max", "a budget is a number from 0 on", "write max: 50"
