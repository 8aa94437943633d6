"""Which metrics a selector means: `Errors{Model="b"}` is a name and all its dimensions.

The grammar is that of every other source, so gates look alike. CloudWatch knows a metric only
by its whole set of dimensions: there is nothing to match but equality, and lists of literal
values (`Zone=~"a|b"`), which are as many metrics.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from rolloutctl.core.selector import Matcher, Operator, SelectorError, parse_selector
from rolloutctl.errors import Rejected
from rolloutctl.sources.cloudwatch.spec import DIMENSIONS_MAX

#: Metrics of one selector; a call of GetMetricData takes 500, and each is paid for.
METRICS_MAX = 100
NAMESPACE_LABEL = "__namespace__"
NAME_LABEL = "__name__"
STAT_LABEL = "__stat__"
#: Statistics of two periods that may be added up.
ADDITIVE = ("Sum", "SampleCount")

_LITERALS = re.compile(r"[^\\.*+?()\[\]{}^$]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of CloudWatch, and the statistic that is asked of it."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str

    def as_query(self, id_: str, *, period_s: float, account: str) -> dict[str, Any]:
        """The entry of `MetricDataQueries` (Any: the SDK's own shape)."""
        dimensions = [{"Name": name, "Value": text} for name, text in self.dimensions]
        query: dict[str, Any] = {  # Any: as above
            "Id": id_,
            "MetricStat": {
                "Metric": {
                    "Namespace": self.namespace,
                    "MetricName": self.name,
                    "Dimensions": dimensions,
                },
                "Period": round(period_s),
                "Stat": self.stat,
            },
        }
        return {**query, "AccountId": account} if account else query

    def __str__(self) -> str:
        inner = ", ".join(f'{name}="{text}"' for name, text in self.dimensions)
        return f"{self.namespace} {self.name}{{{inner}}} ({self.stat})"


def parse_metrics(
    text: str, *, namespace: str, dimensions: Mapping[str, str], stat: str = ""
) -> list[Metric]:
    """The metrics of a selector.

    Args:
        text: the selector, references replaced.
        namespace: where it names none.
        dimensions: those that every metric has; its own come first.
        stat: the statistic, where something around the selector says it; "" makes it
            `__stat__`, one of `ADDITIVE`.

    Raises:
        Rejected: it is no selector, or means something that CloudWatch does not have.
    """
    try:
        selector = parse_selector(text)
    except SelectorError as error:
        raise Rejected(
            f"not a plain selector: {error}: {text:.200}",
            hint='name a metric and all its dimensions: Errors{Model="b"}',
        ) from error
    special: dict[str, str] = {}
    values: dict[str, tuple[str, ...]] = {name: (value,) for name, value in dimensions.items()}
    for matcher in selector.matchers:
        found = _values_of(matcher)
        if matcher.label in {NAMESPACE_LABEL, NAME_LABEL, STAT_LABEL}:
            special[matcher.label] = found[0]
        else:
            values[matcher.label] = found
    return _expanded(
        values,
        namespace=special.get(NAMESPACE_LABEL, namespace),
        name=special.get(NAME_LABEL, selector.metric),
        stat=stat or _additive(special.get(STAT_LABEL, ADDITIVE[0])),
    )


def _expanded(
    values: Mapping[str, tuple[str, ...]], *, namespace: str, name: str, stat: str
) -> list[Metric]:
    """A metric for each choice of values."""
    if not namespace:
        raise Rejected(
            f"metric {name} has no namespace",
            hint=f'add namespace: Chat to the source, or {NAMESPACE_LABEL}="Chat" to the selector',
        )
    if len(values) > DIMENSIONS_MAX:
        raise Rejected(f"{name}: {len(values)} dimensions; CloudWatch allows {DIMENSIONS_MAX}")
    names = sorted(values)
    rows = list(product(*(dict.fromkeys(values[one]) for one in names)))
    if len(rows) > METRICS_MAX:
        raise Rejected(
            f"{name}: {len(rows)} metrics; at most {METRICS_MAX} are asked for",
            hint="publish the sum of them as a metric of its own",
        )
    return [
        Metric(
            namespace=namespace,
            name=name,
            dimensions=tuple(zip(names, row, strict=True)),
            stat=stat,
        )
        for row in rows
    ]


def _values_of(matcher: Matcher) -> tuple[str, ...]:
    """The values that a matcher allows, all of them written out."""
    if matcher.operator is Operator.EQUAL and matcher.value:
        return (matcher.value,)
    parts = tuple(matcher.value.split("|"))
    is_list = matcher.operator is Operator.MATCH and all(map(_LITERALS.fullmatch, parts))
    if is_list and not matcher.label.startswith("__"):
        return parts
    raise Rejected(
        f"{matcher.label}{matcher.operator}{matcher.value!r:.80}: CloudWatch knows a metric only "
        "by all its dimensions, and has no patterns",
        hint=f'write {matcher.label}="…", or list the values: {matcher.label}=~"a|b"',
    )


def _additive(stat: str) -> str:
    if stat in ADDITIVE:
        return stat
    raise Rejected(
        f"{STAT_LABEL}={stat!r:.40}: periods of it cannot be added up to a count",
        hint="only Sum and SampleCount are counted; write query: p99(Latency{…}[1m]) instead",
    )
