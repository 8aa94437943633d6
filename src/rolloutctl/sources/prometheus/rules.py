"""From the JSON of `/api/v1/rules` to loaded alerting rules and their active alerts.

Prometheus 2.42 observed: `health` is "unknown" and `lastEvaluation` 0001-01-01 until a rule
was first evaluated after the server's start; with "err" the alerts are those of the last
evaluation that worked. https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rolloutctl.core.alerts import AlertState
from rolloutctl.credentials import redact
from rolloutctl.errors import Rejected, Unavailable

#: More rules than one server evaluates in time.
RULES_MAX = 20_000
#: Active alerts read of all rules; a rule that raises more is a rule about something else.
ALERTS_MAX = 50_000
_ERROR_CHARS_MAX = 300
_HEALTH_CHARS_MAX = 40
_SHOWN_CHARS_MAX = 100
_STATES = {"pending": AlertState.PENDING, "firing": AlertState.FIRING}

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRule:
    """One alerting rule as the server has it.

    Attributes:
        name: of its alerts.
        labels: those that the rule sets itself, templates not filled in.
        query: its expression, as the server writes it.
        health: "ok", or why its alerts say nothing.
        evaluated_at: when it was last evaluated; None if it never was since the start.
        interval_s: seconds between two evaluations; 0 if not told.
        alerts: those that are pending or firing: sorted labels and state.
    """

    name: str
    labels: Mapping[str, str]
    query: str
    health: str
    error: str
    evaluated_at: datetime | None
    interval_s: float
    alerts: tuple[tuple[Labels, AlertState], ...]


def read_rules(data: Mapping[str, Any]) -> list[LoadedRule]:  # Any: JSON
    """The alerting rules of all groups, in the server's order.

    Raises:
        Unavailable: the answer has another shape than the API documents.
        Rejected: there are more than can be looked through.
    """
    rules: list[LoadedRule] = []
    alerts = 0
    for group in _list(data.get("groups")):
        for entry in _list(_of(group, "rules")):
            if _of(entry, "type") != "alerting":
                continue
            rules.append(_rule(entry, interval_s=_number(group.get("interval"))))
            alerts += len(rules[-1].alerts)
            if len(rules) > RULES_MAX or alerts > ALERTS_MAX:
                raise Rejected(
                    f"more than {RULES_MAX} alerting rules or {ALERTS_MAX} active alerts",
                    hint="ask a server that has only the rules of this application",
                )
    return rules


def _rule(entry: Mapping[str, Any], *, interval_s: float) -> LoadedRule:  # Any: JSON
    name, health = entry.get("name"), entry.get("health")
    if not isinstance(name, str) or not isinstance(health, str):
        raise _misshapen(entry)
    return LoadedRule(
        name=redact(name),
        labels=dict(_labels(entry.get("labels") or {})),
        query=redact(str(entry.get("query", ""))),
        health=redact(health)[:_HEALTH_CHARS_MAX],
        error=redact(str(entry.get("lastError", "")))[:_ERROR_CHARS_MAX],
        evaluated_at=_time(entry.get("lastEvaluation")),
        interval_s=interval_s,
        alerts=tuple(_alerts(entry, name)),
    )


def _alerts(entry: Mapping[str, Any], name: str) -> Iterator[tuple[Labels, AlertState]]:
    for alert in _list(entry.get("alerts") or []):
        state = _STATES.get(_of(alert, "state"))
        if state is None:
            # SAFETY: a state that is not known might be one that must not pass.
            raise _misshapen(alert)
        labels = {"alertname": name, **dict(_labels(alert.get("labels") or {}))}
        yield tuple(sorted(labels.items())), state


def _labels(found: object) -> Labels:
    if not isinstance(found, dict):
        raise _misshapen(found)
    # Labels go into the journal; a server that repeats what it was sent must not fill it.
    return tuple((str(name), redact(str(value))) for name, value in found.items())


def _time(found: object) -> datetime | None:
    """RFC 3339; None for the year 1, which stands for "never"."""
    if not isinstance(found, str):
        return None
    try:
        at = datetime.fromisoformat(found)
    except ValueError as error:
        raise _misshapen(found) from error
    return None if at.year <= 1 else at.astimezone(UTC)


def _number(found: object) -> float:
    return float(found) if isinstance(found, int | float) else 0.0


def _list(found: object) -> list[Any]:  # Any: JSON
    if not isinstance(found, list):
        raise _misshapen(found)
    return found


def _of(found: object, key: str) -> Any:  # Any: JSON
    if not isinstance(found, dict):
        raise _misshapen(found)
    return found.get(key)


def _misshapen(found: object) -> Unavailable:
    shown = redact(repr(found))[:_SHOWN_CHARS_MAX]
    return Unavailable(f"the rules have another shape than Prometheus documents: {shown}")
