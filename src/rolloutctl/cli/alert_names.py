"""Asks whether the alerts that gates name are loaded, before anything is written.

A name that is not loaded is refused: unlike a metric, which may come with the first request,
a rule is there or is not, and its gate would be an error until the deadline.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

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
_KINDS = frozenset({QueryKind.ALERTS, QueryKind.UNSILENCED_ALERTS})


def survey_alerts(playbook: Playbook, adapters: Adapters, now: datetime) -> list[Finding]:
    """What speaks against each named alert; nothing of one that is loaded and quiet."""
    found = []
    for gate, query in list(_questions(playbook, adapters, now))[:ALERTS_MAX]:
        finding = _asked(gate, query, adapters, now)
        if finding is not None:
            found.append(finding)
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


def _asked(gate: Gate, query: Query, adapters: Adapters, now: datetime) -> Finding | None:
    try:
        measurement = adapters.sources[gate.source].query(query, now)
    except (NotFound, Rejected) as error:
        return _finding(gate, Severity.REFUSE, error.message, error.hint)
    except RolloutctlError as error:
        # A server that cannot be asked at all is told by its own probe; a broken rule is not.
        return _finding(gate, Severity.WARN, error.message, error.hint)
    return _of_state(gate, query, measurement)


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
