"""A report as Markdown, for a ticket, a chat or a pipeline's summary; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rolloutctl.core.units import format_duration
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.evidence_view import BLOCKS, level_of
from rolloutctl.ui.report.html import MARKS, local

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, Look, Point, RolloutReport, TargetCourse

#: Columns of a gate's path.
PATH_COLUMNS = 32
#: What Markdown or the HTML within it would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def report_markdown(report: RolloutReport) -> str:
    """The document, ending with a line break."""
    parts = [
        *_head(report),
        "## Exposure",
        *(text for target in report.targets for text in _target(target)),
    ]
    if report.gates:
        parts += ["## Gates", _table(("gate", "kind", "path", "last"), map(_gate, report.gates))]
    parts += ["## What happened", _story(report)]
    if report.people:
        parts += ["## People", _table(("who", "did"), report.people)]
    chain = f"BROKEN: {report.chain}" if report.chain else "unbroken"
    parts.append(
        f"{report.events} events, hash chain {escaped(chain)}. Playbook `sha256 {report.sha256}`. "
        f"Every verdict can be computed again: `rolloutctl explain {report.rollout_id} --replay`."
    )
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown takes for its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _head(report: RolloutReport) -> Iterator[str]:
    mark, _ = MARKS[report.phase]
    took = format_duration(round((report.ended_at - report.began_at).total_seconds()))
    until = (
        local(report.ended_at) if report.is_over else f"not over, as of {local(report.ended_at)}"
    )
    yield f"# {escaped(report.rollout_id)}"
    yield f"**{mark} {report.phase.value}**: {escaped(report.sentence)}"
    if report.description:
        yield escaped(report.description)
    rows = [
        ("playbook", report.name),
        ("owner", report.owner),
        ("began", local(report.began_at)),
        ("ended", until),
        ("took", took),
        ("asked by", report.people[0][0] if report.people else ""),
    ]
    yield "\n".join(f"- {name}: {escaped(text)}" for name, text in rows if text)


def _target(target: TargetCourse) -> Iterator[str]:
    yield (
        f"**{escaped(target.name)}** `{target.address}`: control {escaped(target.control)}, canary "
        f"{escaped(target.canary)}"
    )
    rows = [(local_time(point.at), _seen(point)) for point in _changes(target.seen)]
    yield _table(("time", "seen"), rows)


def _changes(points: Sequence[Point]) -> Iterator[Point]:
    """Points that differ from the one before."""
    last: tuple[int | None, int | None] | None = None
    for point in points:
        now = (point.canary_bp, point.shadow_bp)
        if now != last:
            last = now
            yield point


def _seen(point: Point) -> str:
    if point.canary_bp is None:
        return "neither control nor canary"
    shadow = f", shadow {point.shadow_bp / 100:g}%" if point.shadow_bp else ""
    return f"canary {point.canary_bp / 100:g}%{shadow}"


def _gate(gate: GateCourse) -> tuple[str, str, str, str]:
    last = gate.looks[-1]
    name = f"{gate.name} (guardrail)" if gate.is_guardrail else gate.name
    return name, gate.kind or "implied", _path(gate.looks), f"{last.outcome.value}: {last.because}"


def _path(looks: Sequence[Look]) -> str:
    heights = [one.height for one in looks if one.height is not None]
    if not heights:
        return ""
    columns = min(len(heights), PATH_COLUMNS)
    parts = [
        heights[index * len(heights) // columns : (index + 1) * len(heights) // columns]
        for index in range(columns)
    ]
    return "".join(BLOCKS[level_of(max(part))] for part in parts)


def _story(report: RolloutReport) -> str:
    rows = [(local_time(line.at), str(line.seq), line.text, line.who) for line in report.lines]
    if report.left_out:
        note = f"… {report.left_out} lines left out; rolloutctl explain has them"
        rows.insert(len(rows) // 2, ("", "", note, ""))
    return _table(("time", "#", "what", "who"), rows)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
