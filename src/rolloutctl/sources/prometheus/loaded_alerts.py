"""The alerting rules of one Prometheus, read once for all questions of the same moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rolloutctl.core.measurement import Measurement, Query, QueryKind
from rolloutctl.core.references import quote_label
from rolloutctl.sources.prometheus.alert_answers import alerts_meant, measure_rules
from rolloutctl.sources.prometheus.api import PrometheusApi
from rolloutctl.sources.prometheus.per_moment import PerMoment
from rolloutctl.sources.prometheus.rules import read_rules


class LoadedAlerts:
    """Answers what is asked of alerts from the rules of one moment."""

    def __init__(self, api: PrometheusApi, *, staleness_s: float) -> None:
        self._staleness_s = staleness_s
        self._rules = PerMoment(lambda: read_rules(api.rules()))

    def states(self, text: str, at: datetime) -> Measurement:
        """The states of the alerts that `text` names; `at` is when their rules were evaluated.

        Raises as a query; `Rejected` where no such rule is loaded.
        """
        meant = alerts_meant(text)
        return measure_rules(self._rules.at(at), meant, at, staleness_s=self._staleness_s)


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
