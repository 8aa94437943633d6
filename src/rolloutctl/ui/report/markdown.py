"""A report as Markdown, for a ticket, a chat or a pipeline's summary; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rolloutctl.ui.evidence_view import BLOCKS, level_of
from rolloutctl.ui.report.exposures import changes, seen_text
from rolloutctl.ui.report.gate_courses import share_of_limit
from rolloutctl.ui.report.wording import MARKS, cut, facts_of, stamp, steps_rows

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, RolloutReport, TargetCourse

#: Columns of a gate's path.
PATH_COLUMNS = 32
#: What Markdown or the HTML within it would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def report_markdown(report: RolloutReport) -> str:
    """The document, ending with a line break."""
    parts = [
        *_head(report),
        "## Exposure",
        *(text for target in report.targets for text in _target(report, target)),
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
    """`text` on one line, bounded, with nothing in it that Markdown takes for its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(cut(text).split()))


def code(text: str) -> str:
    """`text` as code on one line; nothing in it ends the code."""
    return "`" + " ".join(cut(text).split()).replace("`", "'") + "`"


def _head(report: RolloutReport) -> Iterator[str]:
    mark, _ = MARKS[report.phase]
    said = len(report.phase.value)
    yield f"# {escaped(report.rollout_id)}"
    rest = escaped(report.sentence[said:])
    space = "" if rest.startswith(":") else " "
    yield f"**{mark} {report.sentence[:said]}**{space}{rest}"
    if report.description:
        yield escaped(report.description)
    rows = [("playbook", report.name), *facts_of(report)]
    yield "\n".join(f"- {name}: {escaped(text)}" for name, text in rows)
    if report.steps:
        yield "## Steps"
        yield _table(("step", "began", "took", "ended"), steps_rows(report))


def _target(report: RolloutReport, target: TargetCourse) -> Iterator[str]:
    yield (
        f"**{escaped(target.name)}** {code(target.address)}: control {escaped(target.control)}, "
        f"canary {escaped(target.canary)}"
    )
    rows = [(stamp(report, point.at), seen_text(point)) for point in changes(target.seen)]
    yield _table(("time", "seen"), rows)


def _gate(gate: GateCourse) -> tuple[str, str, str, str]:
    last = gate.looks[-1]
    name = f"{gate.name} (guardrail)" if gate.is_guardrail else gate.name
    return name, gate.kind or "implied", _path(gate), f"{last.outcome.value}: {last.because}"


def _path(gate: GateCourse) -> str:
    shares = [share_of_limit(gate, one.value) for one in gate.looks if one.value is not None]
    heights = shares if gate.measure and gate.fails != "below" else []
    if not heights:
        return ""
    columns = min(len(heights), PATH_COLUMNS)
    parts = [
        heights[index * len(heights) // columns : (index + 1) * len(heights) // columns]
        for index in range(columns)
    ]
    return "".join(BLOCKS[level_of(max(part))] for part in parts)


def _story(report: RolloutReport) -> str:
    rows = [(stamp(report, line.at), str(line.seq), line.text, line.who) for line in report.lines]
    if report.left_out:
        note = f"… {report.left_out} lines left out; rolloutctl explain has them"
        rows.insert(len(rows) // 2, ("", "", note, ""))
    return _table(("time", "#", "what", "who"), rows)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
