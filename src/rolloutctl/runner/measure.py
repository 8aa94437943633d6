"""Judges gates and looks at targets, all at one time; records what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from rolloutctl.core import events as ev
from rolloutctl.core.arm_names import arm_names, arms_ever, only_target
from rolloutctl.core.error_rate import error_rate_of, looks_of
from rolloutctl.core.evolve import evolve
from rolloutctl.core.judging import next_record
from rolloutctl.core.measurement import Query, Reading
from rolloutctl.core.observation import Observation
from rolloutctl.core.playbook import Gate, Playbook
from rolloutctl.core.ports import GateContext, MetricSource
from rolloutctl.core.state import Phase, TargetState
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.errors import RolloutctlError, Stale
from rolloutctl.runner.perform import disturbance, zeroed_on_the_way_back
from rolloutctl.runner.rollout import Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A gate, what it may know at this look, and what it asks."""

    gate: Gate
    context: GateContext
    queries: Sequence[Query]


def measure(rollout: Rollout, gates: Sequence[str], targets: Sequence[str]) -> None:
    """Looks at `targets`, then judges `gates`, with one time for all of it."""
    now = rollout.clock.now()
    view = View(
        playbook=rollout.playbook, state=rollout.state, kinds=rollout.adapters.kinds, now=now
    )
    asked = [_ask(view, rollout.playbook.gates[name]) for name in gates]
    wanted = dict.fromkeys((one.gate.source, query) for one in asked for query in one.queries)
    readings = _readings(rollout, list(wanted), now_of=asked)
    facts = _observations(rollout, targets)
    try:
        rollout.judged([judge(view, one, readings) for one in asked])
    except Stale:
        # Somebody asked for something meanwhile; these judgements are taken again.
        rollout.refresh()
    for fact in facts:
        rollout.record_fact(fact)


def context_of(view: View, gate: Gate) -> GateContext:
    """What `gate` may know when it judges at `view.now`."""
    own = gate.target or only_target(view.playbook)
    target = view.state.targets[own] if own else None
    facts, record = _facts(view, gate), view.record(gate)
    return GateContext(
        now=view.now,
        since=view.since(gate),
        arms=facts.arms,
        arms_ever=facts.arms_ever,
        exposure=target.exposure if target is not None and target.is_written else None,
        interval_s=gate.limits.interval_s,
        warm_up_s=gate.limits.warm_up_s,
        error_rate=facts.error_rate,
        looks=facts.looks,
        min_sample=gate.limits.min_sample,
        has_passed=record is not None and record.verdict.outcome is Outcome.PASS,
    )


class _Facts(NamedTuple):
    """What a gate may know that changes only with the exposure."""

    playbook: Playbook
    arms: Mapping[str, str]
    arms_ever: tuple[Mapping[str, str], ...]
    error_rate: float
    looks: int


#: Facts by (playbook, gate, targets that only mirror): every look needs them. Bounded: an
#: agent drives many rollouts. The playbook is kept with them, so that its id stays its own.
_FACTS_MAX = 4096
_facts_known: dict[tuple[int, str, tuple[str, ...]], _Facts] = {}


def _facts(view: View, gate: Gate) -> _Facts:
    known_as = (id(view.playbook), gate.name, view.mirrors)
    known = _facts_known.get(known_as)
    if known is not None:
        return known
    if len(_facts_known) >= _FACTS_MAX:
        _facts_known.clear()
    targets = view.state.targets.values()
    exposures = {one.name: one.exposure for one in targets if one.exposure is not None}
    facts = _Facts(
        playbook=view.playbook,
        arms=arm_names(view.playbook, gate, exposures=exposures),
        arms_ever=arms_ever(view.playbook, gate),
        error_rate=error_rate_of(view.playbook, gate, view.kinds.gates),
        looks=looks_of(view.playbook, gate),
    )
    _facts_known[known_as] = facts
    return facts


def _ask(view: View, gate: Gate) -> Asked:
    context = context_of(view, gate)
    kind = view.kinds.gates[gate.kind]
    return Asked(gate=gate, context=context, queries=kind.queries(gate.spec, context))


def _readings(
    rollout: Rollout, wanted: Sequence[tuple[str, Query]], *, now_of: Sequence[Asked]
) -> Mapping[tuple[str, Query], Reading]:
    """Asks each (source, query) once, at the one time of this measurement."""
    if not now_of:
        return {}
    at = now_of[0].context.now
    calls: list[Callable[[], Reading]] = [
        partial(read_once, rollout.adapters.sources[source], query, at) for source, query in wanted
    ]
    return dict(zip(wanted, rollout.adapters.gather(calls), strict=True))


def read_once(source: MetricSource, query: Query, at: datetime) -> Reading:
    """One reading; an error of the source is an outcome, not an exception."""
    try:
        return Reading(query=query, measurement=source.query(query, at))
    except RolloutctlError as error:
        return Reading(query=query, error=error.message)


def judge(view: View, one: Asked, readings: Mapping[tuple[str, Query], Reading]) -> ev.GateJudged:
    """One judgement on top of the gate's standing; `readings` by source and query."""
    gate = one.gate
    kind = view.kinds.gates[gate.kind]
    previous = view.record(gate)
    evidence = previous.evidence if previous is not None else None
    mine = tuple([readings[(gate.source, query)] for query in one.queries])
    evidence, verdict = kind.assess(gate.spec, evidence, mine, one.context)
    record = next_record(
        previous, verdict, evidence, limits=gate.limits, now=view.now, since=one.context.since
    )
    is_guardrail = gate.name in view.playbook.guardrails
    is_carried = bool(getattr(kind, "carries_evidence", False))
    is_kept = bool(getattr(kind, "keeps_evidence", False))
    if is_guardrail or is_carried or is_kept:
        record = evolve(record, is_guardrail=is_guardrail, is_carried=is_carried, is_kept=is_kept)
    return ev.GateJudged(
        gate=gate.name,
        step=view.state.steps_left,
        record=record,
        readings=mine,
        previous=previous,
        since=one.context.since,
    )


def _observations(rollout: Rollout, targets: Sequence[str]) -> list[ev.Event]:
    """What looking at `targets` makes known, not recorded yet."""
    facts: list[ev.Event] = []
    for name in targets:
        provider = rollout.adapters.providers[name]
        try:
            seen = provider.observe(rollout.playbook.targets[name])
        except RolloutctlError as error:
            failed = ev.ApplyFailed(
                key=f"look:{name}", target=name, why=ev.Why.UNAVAILABLE, message=error.message
            )
            facts.append(failed)
            rollout.looked_at(name, is_seen=False)
        else:
            fact = _fact(rollout, rollout.state.targets[name], seen)
            if fact is not None:
                facts.append(fact)
            rollout.looked_at(name, is_seen=True)
    return facts


def _fact(rollout: Rollout, target: TargetState, seen: Observation) -> ev.Event | None:
    if rollout.state.phase is not Phase.ROLLING_BACK:
        return disturbance(target, seen)
    if target.is_outside_killed:
        restored = seen.exposure is not None and seen.exposure.is_zero
    else:
        restored = seen.fingerprint == target.restore_point.fingerprint
    if restored:
        return ev.Settled(target=target.name, observation=seen)
    zeroed = zeroed_on_the_way_back(target, seen)
    if zeroed is not None:
        return zeroed
    return ev.Unsettled(target=target.name, observation=seen)
