"""Asks whether the alerts and alarms that gates name are there, before anything is written.

A name that is not there is refused: unlike a metric, which may come with the first request,
a rule is there or is not, and its gate would be an error until the deadline.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rolloutctl.core.alarms import AlarmLabel, AlarmState
from rolloutctl.core.alerts import WITHOUT_DATA_LABEL, AlertState
from rolloutctl.core.arm_names import arm_names
from rolloutctl.core.measurement import DataState, Measurement, QueryKind
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.ports import GateContext
from rolloutctl.errors import NotFound, Rejected, RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.core.measurement import Query
    from rolloutctl.core.playbook import Gate, Playbook
    from rolloutctl.runner.adapters import Adapters

#: Alerts that are asked about; a plan of many gates stays quick.
ALERTS_MAX = 100
_KINDS = frozenset({QueryKind.ALERTS, QueryKind.UNSILENCED_ALERTS, QueryKind.ALARMS})


def survey_alerts(playbook: Playbook, adapters: Adapters, now: datetime) -> list[Finding]:
    """What speaks against each named alert or alarm; nothing of one that is there and quiet."""
    found: list[Finding] = []
    for gate, query in list(_questions(playbook, adapters, now))[:ALERTS_MAX]:
        found += _asked(gate, query, adapters, now)
    return list(dict.fromkeys(found))


def _questions(
    playbook: Playbook, adapters: Adapters, now: datetime
) -> Iterator[tuple[Gate, Query]]:
    for gate in playbook.gates.values():
        kind = adapters.kinds.gates[gate.kind]
        if gate.source not in adapters.sources or not kind.query_kinds(gate.spec) & _KINDS:
            continue
        context = GateContext(
            now=now,
            since=None,
            arms=arm_names(playbook, gate),
            exposure=None,
            interval_s=gate.limits.interval_s,
        )
        for query in kind.queries(gate.spec, context):
            yield gate, query


def _asked(gate: Gate, query: Query, adapters: Adapters, now: datetime) -> list[Finding]:
    try:
        measurement = adapters.sources[gate.source].query(query, now)
    except (NotFound, Rejected) as error:
        return [_finding(gate, Severity.REFUSE, error.message, error.hint)]
    except RolloutctlError as error:
        # A server that cannot be asked at all is told by its own probe; a broken rule is not.
        return [_finding(gate, Severity.WARN, error.message, error.hint)]
    if query.kind is QueryKind.ALARMS:
        return list(_of_alarms(gate, measurement))
    finding = _of_state(gate, query, measurement)
    return [finding] if finding is not None else []


def _of_alarms(gate: Gate, measurement: Measurement) -> Iterator[Finding]:
    """A warning of each alarm that would not pass now, or that nobody would hear."""
    for sample in measurement.samples:
        labels = dict(sample.labels)
        name = f"alarm {labels.get(AlarmLabel.NAME, '?')}"
        where = f" ({labels[AlarmLabel.REGION]})" if AlarmLabel.REGION in labels else ""
        if sample.value > AlarmState.OK:
            state = "in ALARM" if sample.value >= AlarmState.ALARM else "in INSUFFICIENT_DATA"
            since = f" since {labels[AlarmLabel.SINCE]}" if AlarmLabel.SINCE in labels else ""
            why = f": {labels[AlarmLabel.REASON]}" if AlarmLabel.REASON in labels else ""
            hint = "see to it first: what watches it, such as AppConfig, would roll back too"
            yield _finding(gate, Severity.WARN, f"{name}{where} is {state}{since}{why}", hint)
        if AlarmLabel.ACTIONS in labels:
            message = f"{name}{where} has its actions disabled: it is judged here all the same"
            hint = "aws cloudwatch enable-alarm-actions, if others are to act on it"
            yield _finding(gate, Severity.WARN, message, hint)


def _of_state(gate: Gate, query: Query, measurement: Measurement) -> Finding | None:
    """A warning of what would not pass if it were judged now."""
    worst = max((one.value for one in measurement.samples), default=0.0)
    if measurement.state is not DataState.OK:
        return _finding(gate, Severity.WARN, f"{query.text}: {measurement.detail}", "wait for it")
    lacking = [dict(one.labels).get(WITHOUT_DATA_LABEL) for one in measurement.samples]
    if worst <= AlertState.INACTIVE and any(lacking):
        message = f"{query.text} rests on no data now: nothing new in {next(filter(None, lacking))}"
        hint = "is the application up? Name the alert in may_be_empty if that is usual"
        return _finding(gate, Severity.WARN, message, hint)
    if worst <= AlertState.INACTIVE:
        return None
    state = "firing" if worst >= AlertState.FIRING else "pending"
    hint = "see to it first, unless the gate is to ignore it"
    return _finding(gate, Severity.WARN, f"{query.text} is {state} now", hint)


def _finding(gate: Gate, severity: Severity, message: str, hint: str) -> Finding:
    return Finding(severity=severity, message=f"gate {gate.name}: {message}", hint=hint)
