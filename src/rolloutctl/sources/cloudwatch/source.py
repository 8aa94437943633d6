"""The source `cloudwatch` itself: which question goes where, and what a probe finds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from rolloutctl.core.measurement import Measurement, Query, QueryKind, Series
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.references import replace
from rolloutctl.errors import NotFound, Rejected, RolloutctlError
from rolloutctl.sources.cloudwatch.alarms import measure_alarms
from rolloutctl.sources.cloudwatch.answers import doubt_of, floor_time, measure_math, silent
from rolloutctl.sources.cloudwatch.api import Api, Row, who_acts
from rolloutctl.sources.cloudwatch.counters import (
    DAY_S,
    Answered,
    Counting,
    Memory,
    Span,
    queries_of,
    span_of,
)
from rolloutctl.sources.cloudwatch.expression import RESULT_ID, MetricMath, parse_expression
from rolloutctl.sources.cloudwatch.history import counted_rows, history_period_s, math_rows
from rolloutctl.sources.cloudwatch.metric import Metric, parse_metrics
from rolloutctl.sources.cloudwatch.spec import FINE_PERIODS_S, MINUTE_S, CloudWatchSpec

#: High-resolution points are kept for three hours.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
FINE_KEPT_S = 10_800.0


class CloudWatch:
    """Answers expressions, counters and alarms; remembers what it counted: it only grows."""

    name: ClassVar[str] = "cloudwatch"
    Spec: ClassVar[type] = CloudWatchSpec
    kinds: ClassVar[frozenset[str]] = frozenset(
        {QueryKind.EXPRESSION, QueryKind.COUNTERS, QueryKind.ALARMS}
    )

    def __init__(self, spec: CloudWatchSpec) -> None:
        self._spec = spec
        self._api = Api(spec)
        self._memory = Memory()

    @staticmethod
    def text_problems(texts: Mapping[str, str], kind: str) -> Sequence[tuple[str, str, str]]:
        """What it can never answer: (key, message, fix) each; lint shows them."""
        return tuple(_text_problems(texts, kind))

    def probe(self) -> Sequence[Finding]:
        """One question a region proves that metrics may be read, and as whom."""
        from rolloutctl.clock import SystemClock  # noqa: PLC0415 - beside what needs it

        now = floor_time(SystemClock().now(), MINUTE_S)
        findings = []
        for region in self._spec.regions:
            metric = Metric(namespace="rolloutctl", name="probe", dimensions=(), stat="Sum")
            asked = [metric.as_query("m0", period_s=MINUTE_S, account=self._spec.account)]
            start = now - timedelta(seconds=MINUTE_S)
            try:
                self._api.metric_data(asked, start, now, region=region)
            except (NotFound, Rejected) as error:
                findings.append(
                    Finding(severity=Severity.REFUSE, message=error.message, hint=error.hint)
                )
                continue
            who = who_acts(self._api, region)
            message = f"CloudWatch in {region} answers" + (f" {who}" if who else "")
            findings.append(Finding(severity=Severity.OK, message=message))
        return findings

    def query(self, query: Query, at: datetime) -> Measurement:
        """The answer at `at`; `Measurement.at` is the end of the newest whole period."""
        match query.kind:
            case QueryKind.EXPRESSION:
                return self._expression(query.text, at)
            case QueryKind.COUNTERS:
                return self._counters(query.text, at)
            case QueryKind.ALARMS:
                regions = self._spec.regions
                return measure_alarms(self._api, query.text, at, regions=regions)
            case _:
                raise Rejected(f"the source cloudwatch cannot answer {query.kind}")

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Past answers, as coarse as CloudWatch has kept them. Raises as a query."""
        if query.kind is QueryKind.ALARMS:
            raise Rejected(
                "the source cloudwatch does not tell how alarms stood",
                hint="state what the gate is to be answered: --answer GATE=0 (OK), 2 (ALARM)",
            )
        if query.kind is QueryKind.EXPRESSION:
            math_ = self._math(query.text)
            begin = floor_time(start - timedelta(seconds=math_.window_s), math_.window_s)
            rows = self._rows_of(math_, begin, end)
            found = math_rows(math_, rows, start, end=end, step_s=step_s)
            return Series(query=query, rows=found)
        metrics = self._metrics(query.text)
        period_s = max(self._spec.period_s, history_period_s(start, end))
        begin = floor_time(start, period_s)
        by_region = {
            region: self._rows(metrics, begin, end, region=region, period_s=period_s)
            for region in self._spec.regions
        }
        found = counted_rows(metrics, by_region, start, end=end, step_s=step_s, period_s=period_s)
        return Series(query=query, rows=found)

    def unknown_metrics(self, query: Query, at: datetime) -> Mapping[str, Sequence[str]]:
        """See `core.ports.NamesMetrics`: by what had points in the last two weeks."""
        del at
        if query.kind is QueryKind.EXPRESSION:
            metrics: Sequence[Metric] = self._math(query.text).metrics
        elif query.kind is QueryKind.COUNTERS:
            metrics = self._metrics(query.text)
        else:
            return {}
        unknown: dict[str, Sequence[str]] = {}
        names = sorted({(one.namespace, one.name) for one in metrics})
        for namespace, name in names:
            known = {
                one
                for region in self._spec.regions
                for one in self._api.metric_names(region, namespace)
            }
            # Of these the playbook itself says that they have no points while all is well.
            if name not in known and name not in self._spec.zero_where:
                unknown[name] = sorted(known)
        return unknown

    def _math(self, text: str) -> MetricMath:
        spec = self._spec
        math_ = parse_expression(text, namespace=spec.namespace, dimensions=spec.dimensions)
        if len(spec.regions) > 1:
            raise Rejected(
                f"a query is of one region, and this source has {len(spec.regions)}",
                hint="make a source of each region, or count: bad and total",
            )
        return math_

    def _metrics(self, text: str) -> list[Metric]:
        spec = self._spec
        return parse_metrics(text, namespace=spec.namespace, dimensions=spec.dimensions)

    def _expression(self, text: str, at: datetime) -> Measurement:
        math_ = self._math(text)
        window_s = math_.window_s
        end = floor_time(at - timedelta(seconds=self._spec.offset_s), window_s)
        count = 2 + math.ceil(self._spec.staleness_s / window_s)
        longest_s = FINE_KEPT_S if window_s in FINE_PERIODS_S else math.inf
        start = end - timedelta(seconds=min(count * window_s, longest_s))
        rows = self._rows_of(math_, start, end)
        return measure_math(math_, rows, at, staleness_s=self._spec.staleness_s)

    def _rows_of(self, math_: MetricMath, start: datetime, end: datetime) -> dict[str, Row]:
        """The metrics and the expression, in one call: both are of one moment."""
        account, window_s = self._spec.account, math_.window_s
        asked = [
            metric.as_query(f"m{index}", period_s=window_s, account=account)
            for index, metric in enumerate(math_.metrics)
        ]
        if math_.text not in {one["Id"] for one in asked}:
            period = {"Period": round(window_s)}
            asked.append({"Id": RESULT_ID, "Expression": math_.text, **period})
        return self._api.metric_data(asked, start, end, region=self._spec.regions[0])

    def _counters(self, text: str, at: datetime) -> Measurement:
        metrics, span = self._metrics(text), span_of(self._spec, at)
        queries, ids = queries_of(self._spec, metrics)
        for region in self._spec.regions:
            if doubt := self._learn_days(metrics, span, region):
                return silent(doubt, at)
        answers = [
            Answered(
                region=region,
                rows=self._api.metric_data(queries, span.start, span.end, region=region),
                ids=ids,
            )
            for region in self._spec.regions
        ]
        return Counting(self._spec, self._memory).measure(metrics, answers, span, at)

    def _learn_days(self, metrics: Sequence[Metric], span: Span, region: str) -> str:
        """Asks for the days of the year that are over, where nobody has yet; a doubt, or ""."""
        unknown = [one for one in metrics if self._memory.before((region, one), span) is None]
        if not unknown:
            return ""
        rows = self._rows(unknown, span.year, span.origin, region=region, period_s=DAY_S)
        for index, metric in enumerate(unknown):
            row = rows.get(f"m{index}")
            if (doubt := doubt_of(row, metric)) or row is None:
                return doubt
            self._memory.keep_before((region, metric), span, math.fsum(row.points.values()))
        return ""

    def _rows(
        self,
        metrics: Sequence[Metric],
        start: datetime,
        end: datetime,
        *,
        region: str,
        period_s: float,
    ) -> dict[str, Row]:
        account = self._spec.account
        asked = [
            metric.as_query(f"m{index}", period_s=period_s, account=account)
            for index, metric in enumerate(metrics)
        ]
        return self._api.metric_data(asked, start, end, region=region)


def _text_problems(texts: Mapping[str, str], kind: str) -> Iterator[tuple[str, str, str]]:
    """What lint can say without the source's own keys."""
    for key, text in texts.items():
        if key == "histogram":
            yield (
                key,
                "CloudWatch keeps no histograms: it has no buckets to count",
                'take a percentile: query: p99(Latency{Model="b"}[1m]) in a gate of kind threshold',
            )
            continue
        plain = replace(text, lambda _: "x")
        try:
            if kind == QueryKind.EXPRESSION:
                parse_expression(plain, namespace="x", dimensions={})
            elif kind == QueryKind.COUNTERS:
                parse_metrics(plain, namespace="x", dimensions={})
        except RolloutctlError as error:
            yield key, error.message, error.hint
