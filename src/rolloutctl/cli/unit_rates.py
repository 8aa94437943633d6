"""How many units an experiment's source counts in a second: in the last day, or just now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.cli.foresight import HISTORY_S, STEP_S
from rolloutctl.core.arm_names import arm_names
from rolloutctl.core.measurement import DataState, Query, Series
from rolloutctl.core.ports import GateContext
from rolloutctl.core.rates import rates_per_s
from rolloutctl.core.units import format_duration
from rolloutctl.errors import RolloutctlError

if TYPE_CHECKING:
    from rolloutctl.core.playbook import Gate, Playbook
    from rolloutctl.core.ports import Clock, MetricSource
    from rolloutctl.runner.adapters import Adapters

#: The questions of the gate, in its order.
_NAMES = ("control success", "control total", "canary success", "canary total")


def units_of_day(
    playbook: Playbook, gate: Gate, adapters: Adapters, clock: Clock
) -> tuple[float | None, str]:
    """Units a second in the last day; None and why where the source does not say."""
    source, now = adapters.sources[gate.source], clock.now()
    begin = now - timedelta(seconds=HISTORY_S)
    try:
        named = [
            (name, source.history(query, begin, now, STEP_S))
            for name, query in _queries(playbook, gate, adapters, now)
        ]
    except RolloutctlError as error:
        hint = "give --traffic 3/s, or --watch 30s"
        return None, f"how long it takes is not known: {error.message}; {hint}"
    return _told(rates_per_s(named), "in the last day")


def units_while(
    playbook: Playbook, gate: Gate, adapters: Adapters, clock: Clock, *, watch_s: float
) -> tuple[float | None, str]:
    """Units a second while it watches. Raises what the source raises."""
    source = adapters.sources[gate.source]
    queries = _queries(playbook, gate, adapters, clock.now())
    first = _look(source, queries, clock.now())
    clock.sleep(watch_s)
    second = _look(source, queries, clock.now())
    named = [
        (name, Series(query=query, rows=(*first[name].rows, *second[name].rows)))
        for name, query in queries
    ]
    return _told(rates_per_s(named), f"in the last {format_duration(watch_s)}")


def _queries(
    playbook: Playbook, gate: Gate, adapters: Adapters, now: datetime
) -> Sequence[tuple[str, Query]]:
    context = GateContext(
        now=now,
        since=None,
        arms=arm_names(playbook, gate),
        exposure=None,
        interval_s=gate.limits.interval_s,
    )
    asked = adapters.kinds.gates[gate.kind].queries(gate.spec, context)
    return list(zip(_NAMES, asked, strict=True))


def _look(
    source: MetricSource, queries: Sequence[tuple[str, Query]], now: datetime
) -> Mapping[str, Series]:
    found = {}
    for name, query in queries:
        answer = source.query(query, now)
        rows = ((now, answer.samples),) if answer.state is DataState.OK else ()
        found[name] = Series(query=query, rows=rows)
    return found


def _told(rates: Mapping[str, float], when: str) -> tuple[float | None, str]:
    """All units a second, and a sentence with what control's share is now."""
    per_s = rates.get("control total", 0.0) + rates.get("canary total", 0.0)
    if per_s <= 0:
        return None, f"how long it takes is not known: no unit was counted {when}"
    total = rates.get("control total", 0.0)
    share = (
        f"; control's share is {rates.get('control success', 0.0) / total * 100:.3g}%"
        if total
        else ""
    )
    return per_s, f"measured {when}: {per_s:.4g} units a second in all arms{share}"
