"""Tells of metrics that a gate names and its source does not have: most often a typo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rolloutctl.core.arm_names import arm_names, names_of_arm
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.ports import GateContext
from rolloutctl.core.report import suggestion
from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.core.measurement import Query
    from rolloutctl.core.playbook import Gate, Playbook
    from rolloutctl.core.ports import NamesMetrics
    from rolloutctl.runner.adapters import Adapters

#: Queries that are looked at; a plan of many gates stays quick.
QUERIES_MAX = 50


def unknown_metrics(playbook: Playbook, adapters: Adapters, now: datetime) -> list[Finding]:
    """One warning a metric and source; nothing of a source that cannot tell, or does not."""
    found: dict[tuple[str, str], Finding] = {}
    asked = list(dict.fromkeys(_questions(playbook, adapters, now)))[:QUERIES_MAX]
    for gate, source, query in asked:
        names: NamesMetrics | None = _naming(adapters, source)
        if names is None:
            continue
        try:
            unknown = names.unknown_metrics(query, now)
        except RolloutctlError:
            continue  # what cannot be asked is told by the gate's own questions
        for metric, known in unknown.items():
            found.setdefault((source, metric), _finding(gate, source, metric, list(known)))
    return list(found.values())


def _naming(adapters: Adapters, source: str) -> NamesMetrics | None:
    one: object = adapters.sources[source]
    return one if hasattr(one, "unknown_metrics") else None


def _questions(
    playbook: Playbook, adapters: Adapters, now: datetime
) -> Iterator[tuple[str, str, Query]]:
    """(gate, source, query) of every gate, as asked of control: the canary may be silent yet."""
    for gate in playbook.gates.values():
        kind = adapters.kinds.gates[gate.kind]
        if gate.source in adapters.sources:
            for query in kind.queries(gate.spec, _context(playbook, gate, now)):
                yield gate.name, gate.source, query


def _context(playbook: Playbook, gate: Gate, now: datetime) -> GateContext:
    names = arm_names(playbook, gate)
    control = names_of_arm(names, CONTROL)
    return GateContext(
        now=now,
        since=None,
        arms={**names, **{f"{CANARY}.{name}": one for name, one in control.items()}},
        exposure=None,
        interval_s=gate.limits.interval_s,
    )


def _finding(gate: str, source: str, metric: str, known: list[str]) -> Finding:
    close = suggestion(metric, known)
    hint = f"did you mean {close}?" if close else "is the application up, and does it count this?"
    return Finding(
        severity=Severity.WARN,
        message=f"gate {gate}: source {source} has no metric {metric}",
        hint=hint,
    )
