"""A report as one HTML file: no network, no script, light and dark, printable; pure.

Everything that comes from a playbook, a provider or a person is escaped, and the page forbids
itself to load or run anything (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import yaml

from rolloutctl import __version__
from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.report.chart import Axis, exposure_chart
from rolloutctl.ui.report.exposures import changes, seen_text
from rolloutctl.ui.report.gate_chart import gate_chart
from rolloutctl.ui.report.style import STYLE
from rolloutctl.ui.report.wording import (
    MARKS,
    about_gate,
    cut,
    facts_of,
    local,
    stamp,
    steps_rows,
)

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse, Line, RolloutReport, TargetCourse

#: Characters of the playbook.
PLAYBOOK_CHARS_MAX = 100_000
#: Gates that are drawn.
GATES_MAX = 60
#: Queries and numbers of one judgement.
QUERIES_MAX, NUMBERS_MAX = 12, 40
_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_html(report: RolloutReport) -> str:
    """The page, ending with a line break."""
    axis = Axis(report.began_at, report.ended_at)
    body = (
        _head(report),
        _section("Steps", _steps(report)) if report.steps else "",
        _section("Exposure", _exposures(report, axis)),
        _section("Gates", _gates(report, axis)) if report.gates else "",
        _section("What happened", _story(report)),
        _section("People", _people(report)) if report.people else "",
        _foot(report),
    )
    title = escape(f"{report.rollout_id}: {report.phase}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _head(report: RolloutReport) -> str:
    mark, tone = MARKS[report.phase]
    said = len(report.phase.value)  # the sentence begins with the phase, in its own words
    description = f'<p class="dim">{text_of(report.description)}</p>' if report.description else ""
    facts = [
        ("playbook", f"{text_of(report.name)} <code>sha256 {escape(report.sha256[:12])}</code>"),
        *((name, text_of(text)) for name, text in facts_of(report)),
    ]
    return (
        f"<header><h1>{escape(report.rollout_id)}</h1>{description}"
        f'<p class="outcome {tone}"><b>{mark} {escape(report.sentence[:said])}</b>'
        f"<span>{text_of(report.sentence[said:])}</span></p>"
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in facts)}</dl></header>"
    )


def text_of(text: str) -> str:
    """Somebody's text, harmless, and of a bounded length."""
    return escape(cut(text))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _steps(report: RolloutReport) -> str:
    return _table(("step", "began", "took", "ended"), steps_rows(report))


def _exposures(report: RolloutReport, axis: Axis) -> str:
    key = (
        '<p class="dim">● looked at · ◎ confirmed: no older write can land any more · solid: '
        "canary as seen · dashed: as intended · dotted: shadow · vertical: a step begins · below: "
        "time since the start</p>"
    )
    return key + "".join(
        f"<h3>{text_of(target.name)}</h3>{_arms(target)}"
        + _scrolled(
            exposure_chart(target, axis, report.steps, report.spans), f"exposure of {target.name}"
        )
        + _seen_table(report, target)
        for target in report.targets
    )


def _scrolled(content: str, label: str) -> str:
    """Scrolls by itself on a narrow screen, by keyboard too."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text_of(label)}">'
        f"{content}</div>"
    )


def _seen_table(report: RolloutReport, target: TargetCourse) -> str:
    rows = [(stamp(report, point.at), seen_text(point)) for point in changes(target.seen)]
    return f"<details><summary>as a table</summary>{_table(('time', 'seen'), rows)}</details>"


def _arms(target: TargetCourse) -> str:
    return (
        f'<p class="dim"><code>{text_of(target.address)}</code><br>'
        f"control {text_of(target.control)}, canary {text_of(target.canary)}</p>"
    )


def _gates(report: RolloutReport, axis: Axis) -> str:
    key = (
        '<p class="dim">● pass · ✕ fail · ○ undecided · ◇ no data · □ error; recorded judgements: '
        "one when the verdict changes, and every five minutes</p>"
    )
    drawn = "".join(_gate(gate, report, axis) for gate in report.gates[:GATES_MAX])
    more = len(report.gates) - GATES_MAX
    rest = f"<p>… {more} more gates; rolloutctl explain has them</p>" if more > 0 else ""
    return key + drawn + rest


def _gate(gate: GateCourse, report: RolloutReport, axis: Axis) -> str:
    last = gate.looks[-1]
    tone = {Outcome.PASS: "good", Outcome.FAIL: "bad"}.get(last.outcome, "wait")
    return (
        f"<h3>{text_of(gate.name)}</h3>"
        f'<p class="dim">{text_of(about_gate(gate))}</p>'
        f"{_scrolled(gate_chart(gate, axis, report.spans), f'gate {gate.name}')}"
        f'<p>last: <b class="{tone}">{escape(last.outcome.value)}</b>: {text_of(last.because)}</p>'
        f"{_made_from(gate)}"
    )


def _made_from(gate: GateCourse) -> str:
    """What the last judgement was made from."""
    numbers = [(name, f"{value:g}") for name, value in gate.numbers[:NUMBERS_MAX]]
    rows = [*gate.queries[:QUERIES_MAX], *numbers]
    if not rows:
        return ""
    table = _table(("asked, computed", "answer"), rows)
    return f"<details><summary>what the last judgement was made from</summary>{table}</details>"


def _story(report: RolloutReport) -> str:
    half = len(report.lines) // 2 if report.left_out else len(report.lines)
    has_who = any(line.who for line in report.lines)
    rows = [_row(report, line, has_who=has_who) for line in report.lines[:half]]
    if report.left_out:
        rows.append(
            f'<tr><td colspan="{4 if has_who else 3}" class="dim">… {report.left_out} lines left '
            "out; rolloutctl explain has them</td></tr>"
        )
        rows += [_row(report, line, has_who=has_who) for line in report.lines[half:]]
    zone = escape(f"{report.ended_at.astimezone():%Z}")
    head = (
        f'<tr><th scope="col" class="nowrap">time, {zone}</th><th scope="col" class="num">#</th>'
        f'<th scope="col">what</th>{"<th scope=col>who</th>" if has_who else ""}</tr>'
    )
    return _scrolled(f"<table>{head}{''.join(rows)}</table>", "what happened")


def _row(report: RolloutReport, line: Line, *, has_who: bool) -> str:
    inner = ' class="inner"' if line.is_inner else ""
    tone = f" {line.tone}" if line.tone else ""
    who = f'<td class="who">{text_of(line.who)}</td>' if has_who else ""
    return (
        f'<tr{inner}><td class="num">{stamp(report, line.at)}</td>'
        f'<td class="num dim">{line.seq}</td>'
        f'<td class="text{tone}">{text_of(line.text)}</td>{who}</tr>'
    )


def _people(report: RolloutReport) -> str:
    return _table(("who", "did"), report.people)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the row."""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in headers)
    body = "".join(
        f'<tr><th scope="row">{text_of(row[0])}</th>'
        f"{''.join(f'<td>{text_of(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return _scrolled(f'<table class="facts"><tr>{head}</tr>{body}</table>', ", ".join(headers))


def _foot(report: RolloutReport) -> str:
    document = yaml.safe_dump(dict(report.playbook), sort_keys=False, allow_unicode=True)
    if len(document) > PLAYBOOK_CHARS_MAX:
        document = f"{document[:PLAYBOOK_CHARS_MAX]}\n… cut; the journal has all of it\n"
    chain = f"BROKEN: {report.chain}" if report.chain else "unbroken"
    zone = local(report.ended_at).rpartition(" ")[2]
    return (
        f"<section><h2>Playbook</h2><details><summary>as it was run, inputs replaced</summary>"
        f"<pre>{escape(document)}</pre></details></section>"
        f"<footer><p>{report.events} events, hash chain {escape(chain)}. Every verdict can be "
        f"computed again: <code>rolloutctl explain {escape(report.rollout_id)} --replay</code></p>"
        f"<p>playbook <code>sha256 {escape(report.sha256)}</code> · rolloutctl "
        f"{escape(__version__)} · times are {escape(zone)}</p></footer>"
    )
