"""Alerts as an answer: which rules are meant, whether they are judged, what is active.

SAFETY: no active alert means that all is well only where the rule is loaded, works, was
evaluated lately, and rests on data. Everything else is an error or no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.alerts import (
    NAME_LABEL,
    WITHOUT_DATA_LABEL,
    AlertSelector,
    AlertState,
    parse_alerts,
)
from rolloutctl.core.measurement import DataState, Measurement, Sample
from rolloutctl.core.report import listed, suggestion
from rolloutctl.core.selector import SelectorError
from rolloutctl.errors import Rejected, Unavailable
from rolloutctl.sources.prometheus.rules import LoadedRule

#: The health of a rule whose last evaluation worked.
HEALTHY = "ok"
#: Active alerts in one answer, the worst first: it stands in the journal.
ALERTS_SHOWN_MAX = 50


def alerts_meant(text: str) -> AlertSelector:
    """The alerts of a query. Raises `Rejected` with the place of the mistake."""
    try:
        return parse_alerts(text)
    except SelectorError as error:
        raise Rejected(
            f"not an alert's name and labels: {error}: {text:.200}",
            hint='write HighErrorRate, or HighErrorRate{severity="page"}',
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRule:
    """A rule, those of its active alerts that are meant, and why they say nothing, if so."""

    rule: LoadedRule
    alerts: tuple[Sample, ...]
    doubt: Measurement | None

    @property
    def is_firing(self) -> bool:
        """Does one of them fire for certain?"""
        is_sound = self.doubt is None and self.rule.health == HEALTHY
        return is_sound and any(one.value == AlertState.FIRING for one in self.alerts)


def judge_rules(
    rules: Sequence[LoadedRule], meant: AlertSelector, at: datetime, *, staleness_s: float
) -> list[JudgedRule]:
    """The rules that may raise what is meant, and those that do.

    Raises `Rejected` where no such rule is loaded.
    """
    if not any(meant.may_raise(rule.name, rule.labels) for rule in rules):
        raise _not_loaded(rules, meant)
    return list(_judged(rules, meant, at, staleness_s=staleness_s))


def doubt_of(judged: Sequence[JudgedRule]) -> Measurement | None:
    """The answer where a rule says nothing of now; None where all of them do.

    What fires for certain is told, whatever is wrong with another rule. Raises `Unavailable`
    where a rule cannot be evaluated, so nothing is known of its alerts.
    """
    if any(one.is_firing for one in judged):
        return None
    _raise_if_broken(judged)
    return next((one.doubt for one in judged if one.doubt is not None), None)


def answer_of(
    judged: Sequence[JudgedRule], at: datetime, without_data: Mapping[str, str]
) -> Measurement:
    """The states of the alerts; `without_data` names what an expression lacks, if it does."""
    evaluated = [one.rule.evaluated_at or at for one in judged]
    return Measurement(
        at=min(evaluated, default=at),
        state=DataState.OK,
        samples=(
            *worst_first([sample for one in judged for sample in one.alerts]),
            *dict.fromkeys(_named(one.rule, without_data) for one in judged),
        ),
    )


def _named(rule: LoadedRule, without_data: Mapping[str, str]) -> Sample:
    """The sample that stands for the rule itself."""
    lacking = without_data.get(rule.query)
    told = ((WITHOUT_DATA_LABEL, lacking),) if lacking else ()
    return Sample(labels=((NAME_LABEL, rule.name), *told), value=float(AlertState.INACTIVE))


def worst_first(samples: Sequence[Sample]) -> list[Sample]:
    """At most `ALERTS_SHOWN_MAX` active alerts, firing ones before pending ones."""
    return sorted(samples, key=lambda one: (-one.value, one.labels))[:ALERTS_SHOWN_MAX]


def _judged(
    rules: Sequence[LoadedRule], meant: AlertSelector, at: datetime, *, staleness_s: float
) -> Iterator[JudgedRule]:
    """The rules that may raise what is meant, and those that do."""
    is_meant = meant.predicate()
    for rule in rules:
        alerts = tuple(
            Sample(labels=labels, value=float(state))
            for labels, state in rule.alerts
            if is_meant(dict(labels))
        )
        if alerts or meant.may_raise(rule.name, rule.labels):
            yield JudgedRule(rule=rule, alerts=alerts, doubt=_doubt(rule, at, staleness_s))


def _doubt(rule: LoadedRule, at: datetime, staleness_s: float) -> Measurement | None:
    """Why a rule's alerts say nothing of now, or None."""
    if rule.evaluated_at is None:
        detail = f"rule {rule.name} was not evaluated yet since the server's start"
        return Measurement(at=at, state=DataState.EMPTY, detail=detail)
    age_s = (at - rule.evaluated_at).total_seconds()
    if age_s <= staleness_s + rule.interval_s:
        return None
    limit = f"the limit is {staleness_s:g} s and its group's interval"
    detail = f"rule {rule.name} was last evaluated {age_s:.0f} s ago; {limit}"
    return Measurement(at=rule.evaluated_at, state=DataState.STALE, detail=detail)


def _raise_if_broken(judged: Sequence[JudgedRule]) -> None:
    for one in judged:
        rule = one.rule
        if rule.health != HEALTHY and rule.evaluated_at is not None:
            reason = f": {rule.error}" if rule.error else ""
            raise Unavailable(
                f"rule {rule.name} cannot be evaluated (health {rule.health}){reason}",
                hint="correct its expression; until then nobody knows whether it would fire",
            )


def _not_loaded(rules: Sequence[LoadedRule], meant: AlertSelector) -> Rejected:
    names = sorted({rule.name for rule in rules})
    named = f"alert {meant.name}" if meant.name in names else meant.text
    if meant.name in names:
        labels = "; ".join(sorted({_own_labels(one) for one in rules if one.name == meant.name}))
        return Rejected(
            f"no loaded alerting rule is {meant.text}",
            hint=f"{named} is loaded with other labels of its own: {labels}",
        )
    close = suggestion(meant.name, names) if meant.name else ""
    known = f"loaded: {listed(names)}"
    if not meant.is_by_name:
        known = f"none sets these labels itself; name the alert as well ({known})"
    return Rejected(
        f"no alerting rule {named} is loaded",
        hint=f"did you mean {close}? ({known})" if close else known,
    )


def _own_labels(rule: LoadedRule) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in rule.labels.items()) + "}"
