"""Reads the traffic of the last day, so that a plan can say what its gates will see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.core.arm_names import arm_names, names_of_arm
from rolloutctl.core.exposure import CANARY, CONTROL
from rolloutctl.core.measurement import QueryKind
from rolloutctl.core.observation import Finding, Severity
from rolloutctl.core.ports import GateContext
from rolloutctl.core.rates import rates_per_s
from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.core.measurement import Query, Series
    from rolloutctl.core.playbook import Gate, Playbook
    from rolloutctl.runner.adapters import Adapters

#: How far back traffic is looked at: a whole day has its peak and its night.
HISTORY_S = 86_400.0
#: Between two points of it: a counter reset loses at most so much.
STEP_S = 300.0
#: What is asked of the sources at most: a plan of many gates stays quick.
QUERIES_MAX = 50


def stated_rates(
    playbook: Playbook, adapters: Adapters, *, per_s: float, bad_share: float
) -> Mapping[str, Mapping[str, float]]:
    """The rates that somebody states, for every gate that can see ahead."""
    rates = {"total": per_s, "bad": per_s * bad_share}
    return {gate.name: rates for gate in _seeing(playbook, adapters)}


def survey_rates(
    playbook: Playbook, adapters: Adapters, now: datetime
) -> tuple[Mapping[str, Mapping[str, float]], list[Finding]]:
    """Events per second at control by gate and key; findings where they cannot be read."""
    known: dict[tuple[str, Query], Series | RolloutctlError] = {}
    rates: dict[str, Mapping[str, float]] = {}
    troubled: dict[str, str] = {}
    for gate in _seeing(playbook, adapters):
        named = []
        for key, query in _control_queries(playbook, adapters, gate, now):
            series = _history(adapters, gate.source, query, now, known)
            if isinstance(series, RolloutctlError):
                troubled.setdefault(gate.source, series.message)
            elif series is not None:
                named.append((key, series))
        found = rates_per_s(named)
        if found:
            rates[gate.name] = found
        elif gate.source not in troubled:
            troubled[gate.source] = f"gate {gate.name}: control had no counters in the last day"
    return rates, [_unseen(source, why) for source, why in troubled.items()]


def _seeing(playbook: Playbook, adapters: Adapters) -> list[Gate]:
    used = dict.fromkeys(name for step in playbook.steps for name in step.gates)
    used.update(dict.fromkeys(playbook.guardrails))
    return [gate for gate in map(playbook.gates.__getitem__, used) if _sees(adapters, gate)]


def _sees(adapters: Adapters, gate: Gate) -> bool:
    """Only what is counted can be foreseen; of an expression nothing is known."""
    kind = adapters.kinds.gates[gate.kind]
    return hasattr(kind, "sight") and QueryKind.COUNTERS in kind.query_kinds(gate.spec)


def _control_queries(
    playbook: Playbook, adapters: Adapters, gate: Gate, now: datetime
) -> Sequence[tuple[str, Query]]:
    """The gate's questions about control, by key: the canary is not served yet."""
    names = arm_names(playbook, gate)
    control = names_of_arm(names, CONTROL)
    as_control = {f"{CANARY}.{name}": one for name, one in control.items()}
    context = GateContext(
        now=now,
        since=None,
        arms={**names, **as_control},
        exposure=None,
        interval_s=gate.limits.interval_s,
    )
    kind = adapters.kinds.gates[gate.kind]
    queries = kind.queries(gate.spec, context)
    # A kind that asks once per arm asks control first.
    return [
        (key, query)
        for key, query in zip(kind.texts(gate.spec), queries, strict=False)
        if query.kind is QueryKind.COUNTERS
    ]


def _history(
    adapters: Adapters,
    source: str,
    query: Query,
    now: datetime,
    known: dict[tuple[str, Query], Series | RolloutctlError],
) -> Series | RolloutctlError | None:
    if (source, query) not in known:
        if len(known) >= QUERIES_MAX:
            return None
        begin = now - timedelta(seconds=HISTORY_S)
        try:
            found: Series | RolloutctlError = adapters.sources[source].history(
                query, begin, now, STEP_S
            )
        except RolloutctlError as error:
            found = error
        known[source, query] = found
    return known[source, query]


def _unseen(source: str, why: str) -> Finding:
    return Finding(
        severity=Severity.OK,
        message=f"what gates of source {source} will see is not known: {why}",
        hint="state the traffic: rolloutctl plan FILE --traffic 50/s --bad-share 1%",
    )
