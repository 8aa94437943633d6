"""Source `alertmanager`: which alerts are active, and which of them somebody silenced.

API: `/-/ready`, `/api/v2/status`, `/api/v2/alerts`; Alertmanager 0.25 is what the tests run.
Auth: as `prometheus`. It keeps no history.

Alertmanager knows active alerts only: no rules, nothing pending, and after its own start
nothing at all until Prometheus has sent again (every minute, `--rules.alert.resend-delay`).
SAFETY: what it does not know is taken for quiet only if it is ready, has been up for
`after_start`, and, where a `watchdog` is named, knows that alert to be active: an alert that
always fires, by which teams see that Prometheus reaches it. With `prometheus` the rules are asked
as well: they must be loaded there, work, and be evaluated lately, and pending alerts are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from rolloutctl.core.alerts import NAME_LABEL, SILENCED_LABEL, AlertSelector, AlertState
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Sample, Series
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.secret import SecretRef
from rolloutctl.core.units import DurationS, doc, format_duration, key
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.http import Access, shown
from rolloutctl.sources.prometheus.alert_answers import alerts_meant, worst_first
from rolloutctl.sources.prometheus.alertmanager_api import ActiveAlert, AlertmanagerApi
from rolloutctl.sources.prometheus.clock_skew import clock_findings
from rolloutctl.sources.prometheus.per_moment import PerMoment
from rolloutctl.sources.prometheus.source import Prometheus, PrometheusSpec

#: Twice the minute after which Prometheus sends active alerts again, at the latest.
AFTER_START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerSpec(Access):
    """Where the server is, how to be let in, and what proves that its silence means something."""

    url: str | SecretRef = doc("base address, such as https://alertmanager.example:9093")
    prometheus: PrometheusSpec | None = doc(
        "the Prometheus whose rules raise the alerts; its keys are those of that source",
        default=None,
    )
    watchdog: str = doc("an alert that always fires, such as Watchdog", default="")
    after_start_s: DurationS = key(
        "after_start",
        doc="so long after its start an alert that it does not know is no data (2m)",
        default=AFTER_START_S,
    )

    def __post_init__(self) -> None:
        """Raises `ValueError`, which lint shows at the spec's place."""
        Access.__post_init__(self)  # no super(): slots make the class anew
        if self.prometheus is not None and self.watchdog:
            raise ValueError("watchdog is for where no prometheus is given; remove one of them")


class Alertmanager:
    """Answers alerts; remembers how the server was at the last moment only."""

    name: ClassVar[str] = "alertmanager"
    Spec: ClassVar[type] = AlertmanagerSpec
    kinds: ClassVar[frozenset[str]] = frozenset({QueryKind.ALERTS, QueryKind.UNSILENCED_ALERTS})

    def __init__(self, spec: AlertmanagerSpec) -> None:
        self._spec = spec
        self._api = AlertmanagerApi(spec.url, spec)
        self._standing = PerMoment(self._api.standing)
        self._rules = Prometheus(spec.prometheus) if spec.prometheus is not None else None

    def probe(self) -> Sequence[Finding]:
        """Ready? Then the version, the clock, and whether its silence can mean anything."""
        try:
            url, standing = self._api.address, self._api.standing()
        except (NotFound, Rejected) as error:
            hint = error.hint or "url must be the server's base address"
            return [Finding(severity=Severity.REFUSE, message=error.message, hint=hint)]
        message = f"{shown(url)}: Alertmanager {standing.version} is ready".replace("  ", " ")
        found = [Finding(severity=Severity.OK, message=message)]
        found += [*clock_findings(url, standing.response), *self._spec.findings(url)]
        if self._rules is not None:
            return [*found, *self._rules.probe()]
        if self._spec.watchdog:
            return found
        because = "alone it cannot tell a quiet alert from one that is misspelt, pending or unsent"
        hint = "add prometheus: {url: …} to this source, or at least watchdog: NAME"
        warning = Finding(severity=Severity.WARN, message=f"{shown(url)}: {because}", hint=hint)
        return [*found, warning]

    def query(self, query: Query, at: datetime) -> Measurement:
        """The states of the named alerts; `at` is the rules' where a Prometheus is given."""
        if query.kind not in self.kinds:
            raise Rejected(
                "the source alertmanager answers about alerts only",
                hint="use a gate of kind alerts, or another source",
            )
        meant = alerts_meant(query.text)
        by_rule = self._by_rule(query, at)
        standing = self._standing.at(at)
        is_heard = self._hears_its_watchdog()
        active = self._active(meant)
        heeds_silences = query.kind is QueryKind.UNSILENCED_ALERTS
        firing = [_firing(one) for one in active if not (heeds_silences and one.silenced_by)]
        if by_rule is not None:
            return _with_rules(by_rule, active, firing)
        if not firing:
            age_s = (at - standing.started_at).total_seconds()
            # Asked again: both may have run out between two answers.
            is_heard = is_heard and self._hears_its_watchdog()
            doubt = self._doubt(age_s, is_settling=standing.is_settling, is_heard=is_heard)
            if doubt:
                return Measurement(at=at, state=DataState.EMPTY, detail=doubt)
        return _answer(at, firing, [_quiet(meant)])

    def history(self, query: Query, start: datetime, end: datetime, step_s: float) -> Series:
        """Never: resolved alerts are forgotten."""
        del query, start, end, step_s
        raise Rejected(
            "the source alertmanager keeps no history",
            hint="state what the gate is to be answered: --answer GATE=0 (quiet), 2 (firing)",
        )

    def _by_rule(self, query: Query, at: datetime) -> Measurement | None:
        """What the rules say. Raises `Rejected` where one is not loaded."""
        if self._rules is None:
            return None
        return self._rules.query(replace(query, kind=QueryKind.ALERTS), at)

    def _active(self, meant: AlertSelector) -> list[ActiveAlert]:
        """The server's own answer, looked through again: what is in between may drop a filter."""
        is_meant = meant.predicate()
        return [one for one in self._api.active(meant.matchers) if is_meant(dict(one.labels))]

    def _hears_its_watchdog(self) -> bool:
        """Is the alert that always fires active? True where none is named."""
        watchdog = self._spec.watchdog
        return not watchdog or bool(self._active(alerts_meant(watchdog)))

    def _doubt(self, age_s: float, *, is_settling: bool, is_heard: bool) -> str:
        """Why it says nothing that no alert is known; "" if it says that all are quiet."""
        if is_settling:
            return "Alertmanager is still joining its cluster"
        if age_s < self._spec.after_start_s:
            since = format_duration(max(age_s, 0.0))
            needed = format_duration(self._spec.after_start_s)
            return f"Alertmanager started {since} ago; what it does not know counts after {needed}"
        if not is_heard:
            name = self._spec.watchdog
            return f"the watchdog {name} is not active: does Prometheus reach Alertmanager?"
        return ""


def _with_rules(
    by_rule: Measurement, active: Sequence[ActiveAlert], firing: Sequence[Sample]
) -> Measurement:
    """Both servers' alerts; what only one of them knows counts too.

    An alert of a rule is the one here that has all its labels: `external_labels` add some.
    """
    if by_rule.state is not DataState.OK:
        return _answer(by_rule.at, firing, ()) if firing else by_rule
    known = [set(one.labels) for one in active]
    rest = [
        sample
        for sample in by_rule.samples
        if sample.value < AlertState.FIRING
        or not any(set(sample.labels) <= labels for labels in known)
    ]
    return _answer(by_rule.at, [*firing, *(one for one in rest if one.value)], rest)


def _answer(at: datetime, active: Sequence[Sample], named: Sequence[Sample]) -> Measurement:
    quiet = [one for one in named if not one.value]
    return Measurement(at=at, state=DataState.OK, samples=(*worst_first(active), *quiet))


def _firing(alert: ActiveAlert) -> Sample:
    silenced = ((SILENCED_LABEL, ",".join(alert.silenced_by)),) if alert.silenced_by else ()
    return Sample(labels=(*alert.labels, *silenced), value=float(AlertState.FIRING))


def _quiet(meant: AlertSelector) -> Sample:
    return Sample(labels=((NAME_LABEL, meant.name or meant.text),), value=0.0)
