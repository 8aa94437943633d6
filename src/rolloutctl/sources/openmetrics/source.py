"""Source `openmetrics`: scrapes the application itself, for teams without a Prometheus.

API: GET of each instance's metrics page, Prometheus text or OpenMetrics. Auth: as
`prometheus`. Answers counters only, as they stand now: it keeps no history, knows no
PromQL, and cannot be asked about the past. With several instances one that does not answer
is an error: half of the data would be judged as if it were all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import ClassVar
from urllib.parse import urlsplit

from rolloutctl.clock import SystemClock
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.selector import SelectorError, build_predicate, parse_selector
from rolloutctl.core.units import DurationS, doc, key
from rolloutctl.credentials import redact
from rolloutctl.errors import NotFound, Rejected, Unavailable
from rolloutctl.http import Access, HttpClient, shown
from rolloutctl.sources.openmetrics.exposition import Page, ScrapedSample
from rolloutctl.sources.openmetrics.scrape import Instance

#: More instances than this are Prometheus' work.
INSTANCES_MAX = 50
#: Instances scraped at once.
SCRAPES_MAX = 8
#: As many as the gates take from any source.
SERIES_MAX = 5_000

_Found = tuple[tuple[tuple[str, str], ...], ScrapedSample]  # sorted labels and the sample


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMetricsSpec(Access):
    """Where the pages are (one `url`, or `urls` of several instances) and how to be let in."""

    url: str | SecretRef | None = doc("the metrics page of the only instance", default=None)
    urls: tuple[str, ...] = doc("the metrics pages of all instances", default=())
    staleness_s: DurationS = key(
        "staleness", doc="samples with an older time stamp are no data (5m)", default=300.0
    )

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        Access.__post_init__(self)  # no super(): slots make the class anew
        if (self.url is None) == (not self.urls):
            raise ValueError("give either url or urls")
        if len(self.urls) > INSTANCES_MAX:
            raise ValueError(f"{len(self.urls)} urls; the limit is {INSTANCES_MAX}")
        if len(set(self.urls)) < len(self.urls):
            raise ValueError("an instance stands twice in urls; it would be counted twice")
        if any("@" in urlsplit(url).netloc for url in self.urls):
            raise ValueError("a url must not carry a user name or password")
        if self.staleness_s <= 0:
            raise ValueError("staleness must be above 0s")


class OpenMetrics:
    """Answers counters from scraped pages; remembers the last page of each instance."""

    name: ClassVar[str] = "openmetrics"
    Spec: ClassVar[type] = OpenMetricsSpec
    kinds: ClassVar[frozenset[str]] = frozenset({QueryKind.COUNTERS})

    def __init__(self, spec: OpenMetricsSpec) -> None:
        self._spec = spec
        client = HttpClient(spec.tls, total_timeout_s=spec.timeout_s)
        places = spec.urls if spec.url is None else (spec.url,)
        self._instances = [Instance(place, spec, client) for place in places]

    def probe(self) -> Sequence[Finding]:
        """Scrapes every instance once."""
        now = SystemClock().now()
        found: list[Finding] = []
        for instance in self._instances:
            try:
                count = len(instance.page(now).samples)
                found.append(_answers(instance.address, count))
                found.extend(self._spec.findings(instance.address))
            except (NotFound, Rejected) as error:
                hint = error.hint or "url must be the metrics page, often …/metrics"
                found.append(Finding(severity=Severity.REFUSE, message=error.message, hint=hint))
        return found

    def query(self, query: Query, at: datetime) -> Measurement:
        """The counters now, dated `at`; the pages are read once for equal `at`."""
        if query.kind is not QueryKind.COUNTERS:
            raise Rejected(
                "the source openmetrics answers selectors, not expressions",
                hint="use bad and total (or sum and count, or histogram), or source prometheus",
            )
        try:
            selector = parse_selector(query.text)
            is_selected = build_predicate(selector)
        except SelectorError as error:
            raise Rejected(f"not a plain selector: {error}: {query.text:.200}") from error
        found = []
        for instance, page in self._pages(at):
            for sample in page.counters(selector.metric):
                labels = sample.labels if instance is None else _with_instance(sample, instance)
                if is_selected(labels):
                    # Labels go into the journal; a page may repeat what it was sent.
                    kept = tuple(sorted((name, redact(one)) for name, one in labels.items()))
                    found.append((kept, sample))
        return self._measured(sorted(found, key=lambda one: one[0]), at)

    def unknown_metrics(self, query: Query, at: datetime) -> Mapping[str, Sequence[str]]:
        """See `core.ports.NamesMetrics`: by what the pages show now."""
        try:
            metric = parse_selector(query.text).metric
        except SelectorError:
            return {}  # the query itself tells
        names = {name for _, page in self._pages(at) for name in page.samples}
        return {} if metric in names else {metric: sorted(names)}

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Never: a page shows the present only."""
        del query, start, end, step_s
        raise Rejected(
            "the source openmetrics keeps no history", hint="use a prometheus source for it"
        )

    def _pages(self, at: datetime) -> list[tuple[str | None, Page]]:
        """Each page with the value of its `instance` label; None where there is only one."""
        if len(self._instances) == 1:
            return [(None, self._instances[0].page(at))]
        with ThreadPoolExecutor(max_workers=min(SCRAPES_MAX, len(self._instances))) as pool:
            pages = list(pool.map(_page_reader(at), self._instances))
        return list(zip(_instance_labels(self._spec.urls), pages, strict=True))

    def _measured(self, found: Sequence[_Found], at: datetime) -> Measurement:
        if not found:
            return Measurement(at=at, state=DataState.EMPTY, detail="no such series")
        _check_countable(found)
        newest_s = max(at.timestamp() if one.at_s is None else one.at_s for _, one in found)
        age_s = at.timestamp() - newest_s
        newest = at if age_s <= 0 else datetime.fromtimestamp(newest_s, UTC)
        if age_s > self._spec.staleness_s:
            limit = f"the limit is {self._spec.staleness_s:g} s"
            detail = f"the newest sample is {age_s:.0f} s old; {limit}"
            return Measurement(at=newest, state=DataState.STALE, detail=detail)
        for labels, one in found:
            if not math.isfinite(one.value):
                detail = f"{dict(labels)} is {one.value}"
                return Measurement(at=newest, state=DataState.NOT_A_NUMBER, detail=detail)
        samples = tuple(Sample(labels=labels, value=one.value) for labels, one in found)
        return Measurement(at=newest, state=DataState.OK, samples=samples)


def _check_countable(found: Sequence[_Found]) -> None:
    """Raises for too many series, and for one that stands on the page twice."""
    if len(found) > SERIES_MAX:
        raise Rejected(
            f"the selector has {len(found)} series; the limit is {SERIES_MAX}",
            hint="narrow it by a label",
        )
    for (labels, _), (following, _) in pairwise(found):
        if labels == following:
            raise Unavailable(f"the page shows one series twice: {dict(labels)}")


def _page_reader(at: datetime) -> Callable[[Instance], Page]:
    return lambda instance: instance.page(at)


def _instance_labels(urls: Sequence[str]) -> list[str]:
    """`host:port` of each, as Prometheus names them; the address where that is not unique."""
    hosts = [urlsplit(url).netloc for url in urls]
    if len(set(hosts)) == len(hosts):
        return hosts
    return [shown(url) for url in urls]


def _with_instance(sample: ScrapedSample, instance: str) -> Mapping[str, str]:
    """The labels with our `instance`; the page's own is kept as Prometheus keeps it."""
    labels = dict(sample.labels)
    if "instance" in labels:
        labels["exported_instance"] = labels["instance"]
    labels["instance"] = instance
    return labels


def _answers(address: str, count: int) -> Finding:
    if not count:
        return Finding(
            severity=Severity.WARN,
            message=f"{shown(address)} answers with no metrics at all",
            hint="check that the application registers its metrics in this process",
        )
    message = f"{shown(address)} answers with {count} metrics"
    return Finding(severity=Severity.OK, message=message)
