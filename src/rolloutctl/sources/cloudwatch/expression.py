"""Metric math with the metrics written in place: `100 * Sum(Errors{…}[5m]) / Sum(Requests{…}[5m])`.

CloudWatch's own form names each metric by an id and declares it apart. Here a statistic around
a selector with a window is the metric, and everything else is metric math as it stands:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rolloutctl.core.units import format_duration, parse_duration
from rolloutctl.errors import Rejected
from rolloutctl.sources.cloudwatch.metric import Metric, parse_metrics
from rolloutctl.sources.cloudwatch.spec import is_period

#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
EXPRESSION_CHARS_MAX = 2_048
#: More metrics in one number cannot be read by anybody.
METRICS_MAX = 20
RESULT_ID = "result"

_STAT = r"(?:TM|TC|TS|WM|PR)\([0-9.:%]*\)|[A-Za-z]+[0-9]*(?:\.[0-9]+)?"
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^{}"'])*"""
_METRIC = re.compile(
    rf"(?P<stat>{_STAT})\s*\(\s*"
    rf"(?P<selector>[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{{{_QUOTED}\}})?)\s*"
    r"\[(?P<window>[^\]]*)\]\s*\)"
)
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
_STATS = re.compile(
    r"Sum|Average|Minimum|Maximum|SampleCount|IQM"
    r"|(?:p|tm|tc|ts|wm)(?:\d{1,2}(?:\.\d{1,10})?|100)|(?:TM|TC|TS|WM|PR)\([0-9.:%]+\)"
)
#: What finds metrics by itself: nobody could say that one of them is missing.
_FINDS = re.compile(r"\b(SEARCH|METRICS|SELECT|INSIGHT_RULE_METRIC|LAMBDA|DB_PERF_INSIGHTS)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricMath:
    """An expression as CloudWatch takes it.

    Attributes:
        text: metric math over the ids; "m0" alone where one metric is the whole of it.
        metrics: what each id means, in order: m0, m1, …
        may_miss: the ids inside a FILL: their silence is declared to be a number.
        window_s: the period of all of them.
    """

    text: str
    metrics: tuple[Metric, ...]
    may_miss: frozenset[str]
    window_s: float


def parse_expression(text: str, *, namespace: str, dimensions: Mapping[str, str]) -> MetricMath:
    """The metric math of a query. Raises `Rejected` with what to write instead."""
    found: dict[Metric, str] = {}
    windows: dict[float, None] = {}

    def one(match: re.Match[str]) -> str:
        metric = _metric_of(match, namespace=namespace, dimensions=dimensions)
        windows[_window_of(match["window"])] = None
        return found.setdefault(metric, f"m{len(found)}")

    math = _METRIC.sub(one, text).strip()
    _check(math, text, count=len(found))
    if len(windows) > 1:
        shown = ", ".join(format_duration(one) for one in windows)
        raise Rejected(f"several windows in one query: {shown}", hint="use one and the same")
    may_miss = {id_ for id_ in found.values() if re.search(rf"\bFILL\s*\(\s*{id_}\s*,", math)}
    return MetricMath(
        text=math,
        metrics=tuple(found),
        may_miss=frozenset(may_miss),
        window_s=next(iter(windows)),
    )


def _metric_of(match: re.Match[str], *, namespace: str, dimensions: Mapping[str, str]) -> Metric:
    if not _STATS.fullmatch(match["stat"]):
        raise Rejected(
            f"{match['stat']!r:.40} is no statistic of CloudWatch",
            hint="Sum, Average, Minimum, Maximum, SampleCount, p99, p99.9, tm90, PR(:300), …",
        )
    metrics = parse_metrics(
        match["selector"], namespace=namespace, dimensions=dimensions, stat=match["stat"]
    )
    if len(metrics) > 1:
        raise Rejected(
            f"{match['selector'].strip():.120} means {len(metrics)} metrics where one is needed",
            hint="write one for each value, and say how they come together: Sum(a…) + Sum(b…)",
        )
    return metrics[0]


def _window_of(text: str) -> float:
    try:
        window_s = parse_duration(text)
    except ValueError as error:
        raise Rejected(f"[{text:.40}]: {error}", hint="write [1m] or [5m]") from error
    if not is_period(window_s):
        raise Rejected(
            f"[{text}] is no period of CloudWatch",
            hint="write [1s], [5s], [10s], [20s], [30s] (high resolution), or whole minutes",
        )
    return window_s


def _check(math: str, text: str, *, count: int) -> None:
    if finds := _FINDS.search(math):
        raise Rejected(
            f"{finds.group()} takes whatever there is, also nothing: a missing metric is not seen",
            hint='name each metric: Sum(Errors{Model="b"}[5m])',
        )
    left = re.search(r"[{}\[\]]", math)
    if not count or left:
        raise Rejected(
            f"not understood as metric math over metrics: {text:.200}",
            hint='write a statistic, a metric and a window: p99(Latency{Model="b"}[5m])',
        )
    if count > METRICS_MAX:
        raise Rejected(f"{count} metrics in one query; the limit is {METRICS_MAX}")
    if len(math) > EXPRESSION_CHARS_MAX:
        raise Rejected(f"the expression has {len(math)} characters; the limit is 2048")
