"""Reads one page of metrics, in Prometheus' text format or in OpenMetrics.

https://prometheus.io/docs/instrumenting/exposition_formats/ · OpenMetrics 1.0. The content
type decides, as the specifications ask; parsing is prometheus_client's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.http import HttpResponse

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: Samples of one page; a page of 16 MiB has about 150,000.
SAMPLES_MAX = 500_000
#: What the application is asked for; both are understood.
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

_OPENMETRICS = "application/openmetrics-text"
_TEXT = frozenset({"text/plain", ""})
#: Kinds of metric that only grow, or do so by their own count and sum.
_COUNTING = frozenset({"counter", "histogram", "summary", "untyped", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapedSample:
    """One line of a page. `at_s` is the application's own time stamp, None normally."""

    labels: Mapping[str, str]
    value: float
    at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The samples of one page by their full name, and the kind of each name."""

    samples: Mapping[str, list[ScrapedSample]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)

    def counters(self, name: str) -> list[ScrapedSample]:
        """The samples of that name. Raises `Rejected` if it is a metric that also falls."""
        kind = self.kinds.get(name, "untyped")
        if kind not in _COUNTING:
            raise Rejected(
                f"{name} is a {kind}, not a counter: differences of it mean nothing",
                hint="name a counter, or the _sum, _count or _bucket of a histogram",
            )
        if kind == "summary" and not name.endswith(("_sum", "_count")):
            raise Rejected(f"{name} holds quantiles, which cannot be counted or added")
        return self.samples.get(name, [])


def parse_page(response: HttpResponse) -> Page:
    """Parses an answer. Raises `Unavailable` if it is not a page of metrics."""
    kind = response.content_type
    if kind not in _TEXT and kind != _OPENMETRICS:
        raise Unavailable(
            f"{response.request.title}: {kind} instead of metrics: {response.excerpt}",
            hint="check the address; a proxy or login page may be answering in its place",
        )
    try:
        text = response.body.decode()
        return _collect(_metrics(text, is_openmetrics=kind == _OPENMETRICS))
    # The parser fails by whatever its slicing and unpacking meet in a broken line.
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise Unavailable(
            f"{response.request.title}: not in the format it claims: {reason}",
            hint=f"read it: curl -s {response.request.title.split()[-1]} | head",
        ) from error


def _metrics(text: str, *, is_openmetrics: bool) -> Iterable[Metric]:
    if is_openmetrics:
        from prometheus_client.openmetrics import parser  # noqa: PLC0415 - only where needed

        parse: Any = parser.text_string_to_metric_families  # Any: without annotations there
        found: Iterable[Metric] = parse(text)
        return found
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - as above

    # A connection that broke can cut "12345" to "12", which would look like a reset; the
    # format demands a last line feed, the parser does not. (OpenMetrics has its # EOF.)
    if text and not text.endswith("\n"):
        raise ValueError("the page ends in the middle of a line")
    return text_string_to_metric_families(text)


def _collect(metrics: Iterable[Metric]) -> Page:
    samples: dict[str, list[ScrapedSample]] = {}
    kinds: dict[str, str] = {}
    count = 0
    for metric in metrics:
        for sample in metric.samples:
            count += 1
            if count > SAMPLES_MAX:
                raise ValueError(f"more than {SAMPLES_MAX} samples")
            stamp = None if sample.timestamp is None else float(sample.timestamp)
            scraped = ScrapedSample(labels=sample.labels, value=float(sample.value), at_s=stamp)
            samples.setdefault(sample.name, []).append(scraped)
            kinds[sample.name] = metric.type
    # The parser renames a counter `requests` to `requests_total`, as OpenMetrics wants it;
    # a selector is written with the name that stands on the page.
    for name in [name for name, kind in kinds.items() if kind == "counter"]:
        plain = name.removesuffix("_total")
        samples.setdefault(plain, samples[name])
        kinds.setdefault(plain, "counter")
    return Page(samples=samples, kinds=kinds)
