"""A rollout's report from its journal; pure.

Times are those of the machine that writes the report, and say so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from rolloutctl.core import events as ev
from rolloutctl.core.state import Phase, RolloutState
from rolloutctl.ui.report.exposures import target_courses
from rolloutctl.ui.report.gate_courses import gate_courses
from rolloutctl.ui.report.model import RolloutReport
from rolloutctl.ui.report.stretches import step_spans, wait_spans
from rolloutctl.ui.report.telling import people_of, told_lines, troubles_of
from rolloutctl.ui.rollout_view import phase_line


def report_of(
    state: RolloutState,
    records: Sequence[ev.Recorded],
    *,
    chain: str,
    now: datetime,
) -> RolloutReport:
    """Gathers a report.

    Args:
        state: the fold of `records`.
        records: the whole journal of the rollout.
        chain: what is wrong with the journal's chain; "" if nothing.
        now: the end of a rollout that is not over.
    """
    started = records[0].event
    if not isinstance(started, ev.Started):
        raise TypeError("a journal begins with Started")
    document = json.loads(started.document)
    ended_at = records[-1].at if state.phase.is_terminal else now
    lines, left_out = told_lines(records)
    return RolloutReport(
        rollout_id=state.rollout_id,
        name=state.name,
        description=str(document.get("description", "")),
        owner=str(document.get("owner", "")),
        phase=state.phase,
        sentence=phase_line(state, _because(state, records)),
        began_at=records[0].at,
        ended_at=ended_at,
        is_over=state.phase.is_terminal,
        sha256=state.sha256,
        playbook=document,
        events=len(records),
        chain=chain,
        targets=target_courses(started, records, document),
        steps=step_spans(records, ended_at),
        spans=wait_spans(records, ended_at),
        gates=gate_courses(records, document),
        lines=lines,
        left_out=left_out,
        people=people_of(records),
        troubles=troubles_of(records),
    )


def _because(state: RolloutState, records: Sequence[ev.Recorded]) -> str:
    """Why it is where it is, as far as the journal alone tells."""
    match state.phase:
        case Phase.PAUSED:
            return state.paused_because
        case Phase.ASKING:
            return _last(records, ev.Asked, "question")
        case Phase.ROLLING_BACK if state.rollback is not None:
            return state.rollback.because
        case Phase.KILLING:
            return "a kill was requested" + (f": {state.kill_reason}" if state.kill_reason else "")
        case Phase.KILLED | Phase.STUCK if state.kill_reason:
            return f"{state.ended_because}; the kill's reason: {state.kill_reason}"
        case Phase.RUNNING:
            return _last(records, ev.StepEntered, "because") or "its first step has not begun"
        case _:
            return state.ended_because


def _last(records: Sequence[ev.Recorded], kind: type[ev.Event], name: str) -> str:
    events = (one.event for one in reversed(records))
    return next((str(getattr(event, name)) for event in events if isinstance(event, kind)), "")
