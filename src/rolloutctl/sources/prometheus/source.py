"""Source `prometheus`: gates' questions answered by a Prometheus server.

API: `/api/v1/query`, `/api/v1/query_range`, `/api/v1/rules`, `/api/v1/status/buildinfo`;
Prometheus 2.42 is what the tests run. Auth: bearer token, basic, headers, client certificate;
`tenant` for Mimir and Cortex. Limits: 11,000 points a series and page, paged here; 5,000 series.

What is stale: a counter whose newest sample is older than `staleness`; an expression one
of whose selectors rests on nothing newer (freshness.py says how far that sees). A counter
of a dead exporter vanishes at once or after the server's lookback (5 min): then it is EMPTY.
What it cannot do: know that a recording rule's input died, or look inside `or vector(0)`;
know of an alert's silences (`alertmanager.py` does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from rolloutctl.clock import SystemClock
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.selector import SelectorError, parse_selector
from rolloutctl.core.units import DurationS, doc, key
from rolloutctl.errors import NotFound, Rejected, Unavailable
from rolloutctl.http import Access, shown
from rolloutctl.sources.prometheus.api import PrometheusApi
from rolloutctl.sources.prometheus.clock_skew import clock_findings
from rolloutctl.sources.prometheus.conditions import (
    build_presence,
    measure_none,
    measure_series,
)
from rolloutctl.sources.prometheus.freshness import INDEX_LABEL, build_check, used_selectors
from rolloutctl.sources.prometheus.history import fetch_history
from rolloutctl.sources.prometheus.loaded_alerts import LoadedAlerts, as_history
from rolloutctl.sources.prometheus.readings import (
    Point,
    measure_expression,
    read_points,
    shown_labels,
)

#: The label by which the times of samples come in the same answer as their values.
_TIME_LABEL = "rolloutctl_part"
#: How far back a metric must have had samples to count as known, in seconds.
NAMED_WITHIN_S = 86_400.0
#: Names that begin alike are looked through for the one that was meant.
ALIKE_CHARS = 2
NAMES_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSpec(Access):
    """Where the server is, how to be let in, and how old data may be."""

    url: str | SecretRef = doc("base address, such as https://prometheus.example:9090")
    staleness_s: DurationS = key(
        "staleness", doc="data older than this is no data (5m)", default=300.0
    )
    tenant: str = doc("sent as X-Scope-OrgID (Mimir, Cortex)", default="")

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        Access.__post_init__(self)  # no super(): slots make the class anew
        if self.staleness_s <= 0:
            raise ValueError("staleness must be above 0s")
        if not (self.tenant.isascii() and self.tenant.isprintable()):
            raise ValueError("tenant must be printable ASCII")


class Prometheus:
    """Answers expressions, counters and alerts; remembers the rules of the last moment only."""

    name: ClassVar[str] = "prometheus"
    Spec: ClassVar[type] = PrometheusSpec
    kinds: ClassVar[frozenset[str]] = frozenset(
        {QueryKind.EXPRESSION, QueryKind.COUNTERS, QueryKind.CONDITION, QueryKind.ALERTS}
    )

    def __init__(self, spec: PrometheusSpec) -> None:
        self._spec = spec
        self._api = PrometheusApi(spec.url, spec, tenant=spec.tenant)
        self._alerts = LoadedAlerts(self._api, staleness_s=spec.staleness_s)

    def probe(self) -> Sequence[Finding]:
        """A trivial query proves that queries are allowed; then the version and the clock."""
        now = SystemClock().now()
        try:
            url = self._api.address
            self._api.instant("vector(1)", now)
            version, response = self._api.build_info()
        except (NotFound, Rejected) as error:
            hint = error.hint or "url must be the server's base address"
            return [Finding(severity=Severity.REFUSE, message=error.message, hint=hint)]
        named = f"Prometheus {version}" if version else "the Prometheus API (version not told)"
        answers = Finding(severity=Severity.OK, message=f"{shown(url)}: {named} answers queries")
        return [answers, *clock_findings(url, response), *self._spec.findings(url)]

    def query(self, query: Query, at: datetime) -> Measurement:
        """The answer at `at`; for counters `Measurement.at` is their newest sample's time."""
        match query.kind:
            case QueryKind.EXPRESSION:
                return self._expression(query.text, at)
            case QueryKind.COUNTERS:
                return self._counters(query.text, at)
            case QueryKind.CONDITION:
                return self._condition(query.text, at)
            case QueryKind.ALERTS:
                return self._alerts.states(query.text, at)
            case QueryKind.UNSILENCED_ALERTS:
                raise Rejected(
                    "Prometheus knows of no silences",
                    hint="take a source of kind alertmanager, or write silences: ignore",
                )
            case _:
                raise Rejected(f"the source prometheus cannot answer {query.kind}")

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Past answers; counters as the server's lookback (5 min) shows them at each step."""
        if query.kind is QueryKind.COUNTERS:
            _check_plain(query.text)
        if query.kind is QueryKind.ALERTS:
            self._alerts.states(query.text, end)  # it must be loaded now, or nothing is known
        found = fetch_history(self._api, as_history(query), start, end=end, step_s=step_s)
        return replace(found, query=query)

    def unknown_metrics(self, query: Query, at: datetime) -> Mapping[str, Sequence[str]]:
        """See `core.ports.NamesMetrics`: by what had samples in the last day."""
        if query.kind is QueryKind.ALERTS:
            return {}  # these are no metrics
        begin = at - timedelta(seconds=NAMED_WITHIN_S)
        metrics = {one.text.partition("{")[0].strip() for one in used_selectors(query.text)}
        unknown = {}
        for metric in sorted(metrics - {""}):
            if not self._api.metric_names(begin, at, matching=metric, limit=1):
                like = f'{{__name__=~"{metric[:ALIKE_CHARS]}.*"}}'
                unknown[metric] = self._api.metric_names(begin, at, matching=like, limit=NAMES_MAX)
        return unknown

    def _expression(self, text: str, at: datetime) -> Measurement:
        measurement = measure_expression(self._api.instant(text, at), at)
        if measurement.state is not DataState.OK:
            return measurement
        return self._unless_old(measurement, text, at)

    def _condition(self, text: str, at: datetime) -> Measurement:
        points = read_points(self._api.instant(text, at))
        if points:
            return self._unless_old(measure_series(points, at), text, at)
        selectors = used_selectors(text)
        asked = build_presence(selectors, staleness_s=self._spec.staleness_s)
        present = read_points(self._api.instant(asked, at)) if asked else []
        return measure_none(selectors, present, at)

    def _unless_old(self, measurement: Measurement, text: str, at: datetime) -> Measurement:
        """The measurement, or that it is stale: one of its selectors has no newer sample."""
        selectors = used_selectors(text)
        check = build_check(selectors, staleness_s=self._spec.staleness_s)
        if not check:
            return measurement
        points = read_points(self._api.instant(check, at))
        found = {dict(point.labels).get(INDEX_LABEL, "") for point in points}
        old = {index for index in range(len(selectors)) if str(index) in found}
        if len(old) != len(found):
            raise Unavailable(
                f"the server's answer to the check for old samples lacks the label {INDEX_LABEL}: "
                "nothing says whether its numbers are new",
                hint="is something in between, a proxy or a cache, changing the answers?",
            )
        if not old:
            return measurement
        names = ", ".join(selectors[index].text for index in sorted(old))
        detail = f"nothing newer than {self._spec.staleness_s:g} s in {names}"
        return Measurement(at=measurement.at, state=DataState.STALE, detail=detail)

    def _counters(self, text: str, at: datetime) -> Measurement:
        _check_plain(text)
        # One request for values and times: two would look at two moments of the server.
        both = f'{text} or label_replace(timestamp({text}), "{_TIME_LABEL}", "time", "", "")'
        answer = self._api.instant(both, at)
        points = read_points(answer)
        values = [point for point in points if _TIME_LABEL not in dict(point.labels)]
        times_s = [point.value for point in points if _TIME_LABEL in dict(point.labels)]
        if not values:
            detail = f"no such series; {answer.warnings}" if answer.warnings else "no such series"
            return Measurement(at=at, state=DataState.EMPTY, detail=detail)
        newest_s = max(times_s, default=math.nan)
        if not math.isfinite(newest_s):
            # Without times nothing says that the counters are alive.
            detail = "the server does not tell the time of the samples"
            return Measurement(at=at, state=DataState.STALE, detail=detail)
        return self._dated(values, at, newest_s=newest_s, warnings=answer.warnings)

    def _dated(
        self, values: Sequence[Point], at: datetime, *, newest_s: float, warnings: str
    ) -> Measurement:
        newest = datetime.fromtimestamp(newest_s, UTC)
        age_s = at.timestamp() - newest_s
        if age_s > self._spec.staleness_s:
            limit = f"the limit is {self._spec.staleness_s:g} s"
            detail = f"the newest sample is {age_s:.0f} s old; {limit}"
            return Measurement(at=newest, state=DataState.STALE, detail=detail)
        odd = next((point for point in values if not math.isfinite(point.value)), None)
        if odd:
            detail = f"{shown_labels(odd.labels)} is {odd.value}"
            return Measurement(at=newest, state=DataState.NOT_A_NUMBER, detail=detail)
        samples = tuple(Sample(labels=point.labels, value=point.value) for point in values)
        return Measurement(at=newest, state=DataState.OK, samples=samples, detail=warnings)


def _check_plain(text: str) -> None:
    try:
        parse_selector(text)
    except SelectorError as error:
        raise Rejected(
            f"not a plain selector: {error}: {text:.200}",
            hint='counters are asked for by name and labels: requests_total{model="a"}',
        ) from error
