"""Computes every recorded verdict again from nothing but the journal; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rolloutctl.core.events import GateJudged, GateRecord, Recorded
from rolloutctl.core.judging import next_record
from rolloutctl.core.machine import fold
from rolloutctl.core.playbook import Playbook
from rolloutctl.core.ports import Kinds
from rolloutctl.core.state import RolloutState
from rolloutctl.core.view import View
from rolloutctl.runner.measure import context_of
from rolloutctl.ui.explain_view import Replayed


def replay_verdicts(
    rollout_id: str, playbook: Playbook, kinds: Kinds, *, records: Sequence[Recorded]
) -> list[Replayed]:
    """Judges again what each `GateJudged` was judged from."""
    found: list[Replayed] = []
    state: RolloutState | None = None
    for record in records:
        event = record.event
        if isinstance(event, GateJudged) and state is not None:
            view = View(playbook=playbook, state=state, kinds=kinds, now=event.record.judged_at)
            computed = _judge(view, event)
            found.append(
                Replayed(seq=record.seq, gate=event.gate, recorded=event.record, computed=computed)
            )
        state = fold(rollout_id, [record], state)
    return found


def _judge(view: View, event: GateJudged) -> GateRecord:
    gate = view.playbook.gates[event.gate]
    context = replace(context_of(view, gate), since=event.since)
    before = event.previous.evidence if event.previous is not None else None
    evidence, measured = view.kinds.gates[gate.kind].assess(
        gate.spec, before, event.readings, context
    )
    return next_record(
        event.previous,
        measured,
        evidence,
        limits=gate.limits,
        now=view.now,
        since=event.since,
    )
