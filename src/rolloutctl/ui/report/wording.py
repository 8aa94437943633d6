"""What a report says in the same words in HTML and in Markdown; plain text, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.report.gate_courses import BEYOND

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.ui.report.model import GateCourse, RolloutReport

#: Characters of one text.
TEXT_CHARS_MAX = 1_000
#: The end in a mark and a word; colour only repeats it.
MARKS = {
    Phase.SUCCEEDED: ("✓", "good"),
    Phase.ROLLED_BACK: ("↩", "bad"),
    Phase.KILLED: ("■", "bad"),
    Phase.STUCK: ("!", "bad"),
    Phase.ROLLING_BACK: ("↩", "bad"),
    Phase.KILLING: ("■", "bad"),
    Phase.ASKING: ("?", "wait"),
    Phase.PAUSED: ("‖", "wait"),
    Phase.HELD: ("‖", "wait"),
    Phase.RUNNING: ("▶", "good"),
}


def facts_of(report: RolloutReport) -> list[tuple[str, str]]:
    """What is known of the whole rollout, as (name, text); plain text."""
    took = format_duration(round((report.ended_at - report.began_at).total_seconds()))
    until = (
        local(report.ended_at) if report.is_over else f"not over; as of {local(report.ended_at)}"
    )
    facts = [
        ("owner", report.owner),
        ("started by", report.people[0][0] if report.people else ""),
        ("began", local(report.began_at)),
        ("ended", until),
        ("took", took if report.is_over else f"{took} so far"),
        ("trouble", ", ".join(report.troubles) or "none: no failed write, no foreign edit"),
    ]
    return [(name, text) for name, text in facts if text]


def about_gate(gate: GateCourse) -> str:
    """What kind of gate it is, and what is drawn of it; plain text."""
    guard = ", guardrail" if gate.is_guardrail else ""
    what = f"{gate.kind}{guard}, source {gate.source}" if gate.kind else "implied by the playbook"
    drawn = {
        "": "",
        BEYOND: "; how much worse than accepted, chance allowed for; limit 0",
        "evidence": f"; evidence against the canary on a logarithmic scale, limit {gate.limit:g}",
    }.get(gate.measure, f"; {gate.measure}, limit {gate.limit:g}")
    return f"{what}{drawn}; {gate.judgements} judgements recorded"


def steps_rows(report: RolloutReport) -> list[tuple[str, str, str, str]]:
    """Each step: name, began, took, how it ended; plain text."""
    return [
        (
            step.name,
            stamp(report, step.begins),
            format_duration(round((step.ends - step.begins).total_seconds())),
            step.ended or ("goes on" if not report.is_over else ""),
        )
        for step in report.steps
    ]


def stamp(report: RolloutReport, at: datetime) -> str:
    """The time of day, with its date where the rollout saw more than one."""
    ends = {one.astimezone().date() for one in (report.began_at, report.ended_at)}
    return local_time(at) if len(ends) == 1 else f"{at.astimezone():%m-%d} {local_time(at)}"


def local(at: datetime) -> str:
    """Date, time and time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def cut(text: str) -> str:
    """Somebody's text, of a bounded length."""
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"
