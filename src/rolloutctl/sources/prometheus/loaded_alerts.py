"""The alerting rules of one Prometheus, read once for all questions of the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from rolloutctl.core.measurement import Measurement, Query, QueryKind
from rolloutctl.core.references import quote_label
from rolloutctl.errors import Rejected
from rolloutctl.sources.prometheus.alert_answers import (
    alerts_meant,
    answer_of,
    doubt_of,
    judge_rules,
)
from rolloutctl.sources.prometheus.api import PrometheusApi
from rolloutctl.sources.prometheus.conditions import build_presence
from rolloutctl.sources.prometheus.freshness import INDEX_LABEL, UsedSelector, used_selectors
from rolloutctl.sources.prometheus.per_moment import PerMoment
from rolloutctl.sources.prometheus.readings import read_points
from rolloutctl.sources.prometheus.rules import read_rules

#: Selectors of all rules that one question names; more are asked for at every look.
SELECTORS_MAX = 512
#: Selectors looked after in one query.
AT_ONCE_MAX = 32
#: What of them a message names.
LACKING_CHARS_MAX = 200


class LoadedAlerts:
    """Answers what is asked of alerts from the rules of one moment."""

    def __init__(self, api: PrometheusApi, *, staleness_s: float) -> None:
        self._api, self._staleness_s = api, staleness_s
        self._rules = PerMoment(lambda: read_rules(api.rules()))

    def states(self, text: str, at: datetime) -> Measurement:
        """The states of the alerts that `text` names; `at` is when their rules were evaluated.

        Raises as a query; `Rejected` where no such rule is loaded.
        """
        meant = alerts_meant(text)
        judged = judge_rules(self._rules.at(at), meant, at, staleness_s=self._staleness_s)
        doubt = doubt_of(judged)
        if doubt is not None:
            return doubt
        is_firing = any(one.is_firing for one in judged)
        quiet = [] if is_firing else [one.rule.query for one in judged if not one.alerts]
        return answer_of(judged, at, self._without_data(quiet, at))

    def _without_data(self, expressions: Sequence[str], at: datetime) -> Mapping[str, str]:
        """Expressions none of whose selectors has a fresh sample, each with the selectors.

        An alert is quiet when its data is gone, too. One selector with data is enough: which
        of several may be empty, only those know who wrote the rule.
        """
        used = {text: used_selectors(text) for text in dict.fromkeys(expressions)}
        every = list(dict.fromkeys(one for selectors in used.values() for one in selectors))
        if len(every) > SELECTORS_MAX:
            raise Rejected(
                f"the alerts that are named rest on {len(every)} selectors; at most "
                f"{SELECTORS_MAX} are looked after",
                hint="name fewer alerts, or add labels",
            )
        fresh: set[UsedSelector] = set()
        for first in range(0, len(every), AT_ONCE_MAX):
            fresh |= self._fresh(every[first : first + AT_ONCE_MAX], at)
        return {
            text: ", ".join(dict.fromkeys(one.text for one in selectors))[:LACKING_CHARS_MAX]
            for text, selectors in used.items()
            if selectors and not fresh & set(selectors)
        }

    def _fresh(self, selectors: Sequence[UsedSelector], at: datetime) -> set[UsedSelector]:
        """Those that have a fresh sample, or that the server does not take for selectors."""
        asked = build_presence(selectors, staleness_s=self._staleness_s)
        try:
            points = read_points(self._api.instant(asked, at))
        except Rejected:
            if len(selectors) == 1:
                return set(selectors)  # our reading of the expression is wrong, not its data
            return {one for each in selectors for one in self._fresh([each], at)}
        found = {dict(point.labels).get(INDEX_LABEL, "") for point in points}
        return {one for index, one in enumerate(selectors) if str(index) in found}


def as_history(query: Query) -> Query:
    """The same question as an expression over the past.

    Prometheus keeps the series ALERTS while an alert is active, and a rule's expression has
    series while it holds. SAFETY: "none" is a 0 here even where the server had no data, so
    this is for backtests only, where nothing is served.
    https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/#inspecting-alerts-during-runtime
    """
    if query.kind is QueryKind.CONDITION:
        return replace(query, text=f"count(\n{query.text}\n) or vector(0)")
    if query.kind is not QueryKind.ALERTS:
        return query
    matchers = "".join(
        f'{one.label}{one.operator}"{quote_label(one.value)}",'
        for one in alerts_meant(query.text).matchers
    )
    firing, pending = (f'max(ALERTS{{{matchers}alertstate="{s}"}})' for s in ("firing", "pending"))
    return replace(query, text=f"(2 * {firing}) or {pending} or vector(0)")
