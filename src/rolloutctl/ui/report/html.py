"""A report as one HTML file: no network, no script, light and dark, printable; pure.

Everything that comes from a playbook, a provider or a person is escaped, and the page forbids
itself to load or run anything (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import yaml

from rolloutctl import __version__
from rolloutctl.core.state import Phase
from rolloutctl.core.units import format_duration
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.report.chart import Axis, exposure_chart, gate_chart

if TYPE_CHECKING:
    from datetime import datetime

    from rolloutctl.ui.report.model import GateCourse, Line, RolloutReport, TargetCourse

_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
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

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#5a6472;--line:#d9dee5;--soft:#f4f6f9;
--good:#136c3a;--bad:#b3261e;--wait:#8a5800;--seen:#1857c9;--area:#1857c922;--other:#7a3fb0}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e6eaf0;--dim:#9aa6b5;--line:#303944;
--soft:#1a2029;--good:#5fd38d;--bad:#ff8a80;--wait:#f2c14e;--seen:#7fb0ff;--area:#7fb0ff26;
--other:#cda4ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:62rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2.5rem 0 .5rem;
border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0}.dim{color:var(--dim)}.outcome{margin:1rem 0;padding:.75rem 1rem;
border-left:5px solid;background:var(--soft);border-radius:0 6px 6px 0;font-size:1.05rem}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
.outcome span{color:var(--fg)}.outcome b{margin-right:.5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}
dt{color:var(--dim)}dd{margin:0}
code,pre,.num{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
pre{background:var(--soft);padding:.75rem;overflow-x:auto;border-radius:6px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;
border-bottom:1px solid var(--line)}th{color:var(--dim);font-weight:600}
td.num,th.num,td.who{white-space:nowrap;overflow-wrap:normal}
tr.inner td.text{padding-left:1.25rem}summary{cursor:pointer;color:var(--dim)}
svg{width:100%;min-width:36rem;height:auto;display:block;margin:.25rem 0}
svg text{font:11px system-ui,sans-serif;fill:var(--fg)}svg .tick{fill:var(--dim)}
svg .grid{stroke:var(--line)}svg .step{stroke:var(--dim);stroke-dasharray:1 3}
svg .area{fill:var(--area)}svg .seen{fill:none;stroke:var(--seen);stroke-width:2.5}
svg .intended{fill:none;stroke:var(--fg);stroke-width:1.2;stroke-dasharray:6 4}
svg .shadow{fill:none;stroke:var(--other);stroke-width:2;stroke-dasharray:1.5 3.5;
stroke-linecap:round}
svg .band{opacity:.16}svg .band.wait{fill:var(--wait)}svg .band.back{fill:var(--bad)}
svg .label.wait{fill:var(--wait)}svg .label.back{fill:var(--bad)}
svg .limit{stroke:var(--bad);stroke-dasharray:7 4}
svg .path{fill:none;stroke:var(--dim);stroke-width:1}
svg .pass{fill:var(--good)}svg .fail{stroke:var(--bad);stroke-width:2.5;fill:none}
svg .open{fill:var(--bg);stroke:var(--wait);stroke-width:1.6}
.key{display:inline-block;width:1.6em;height:.7em;vertical-align:baseline;margin-right:.3em}
footer{margin-top:3rem;color:var(--dim);font-size:.9em}
@media print{body{max-width:none;padding:0}details{display:none}svg,tr{break-inside:avoid}}
"""


def report_html(report: RolloutReport) -> str:
    """The page, ending with a line break."""
    axis = Axis(report.began_at, report.ended_at)
    body = (
        _head(report),
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
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _head(report: RolloutReport) -> str:
    mark, tone = MARKS[report.phase]
    took = format_duration(round((report.ended_at - report.began_at).total_seconds()))
    until = (
        local(report.ended_at) if report.is_over else f"not over; as of {local(report.ended_at)}"
    )
    facts = [
        ("playbook", f"{escape(report.name)} <code>sha256 {escape(report.sha256[:12])}</code>"),
        ("owner", escape(report.owner)),
        ("began", local(report.began_at)),
        ("ended", until),
        ("took", took),
        ("asked by", escape(report.people[0][0]) if report.people else ""),
    ]
    description = f'<p class="dim">{escape(report.description)}</p>' if report.description else ""
    return (
        f"<header><h1>{escape(report.rollout_id)}</h1>{description}"
        f'<p class="outcome {tone}"><b>{mark} {escape(report.phase.value)}</b>'
        f"<span>{escape(report.sentence)}</span></p>"
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in facts if text)}</dl>"
        "</header>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _exposures(report: RolloutReport, axis: Axis) -> str:
    key = (
        '<p class="dim">solid: canary as seen · dashed: as intended · dotted: shadow · '
        "vertical: a step begins · time since the start</p>"
    )
    return key + "".join(
        f"<h3>{escape(target.name)}</h3>{_arms(target)}"
        f'<div class="scroll">{exposure_chart(target, axis, report.steps, report.spans)}</div>'
        for target in report.targets
    )


def _arms(target: TargetCourse) -> str:
    return (
        f'<p class="dim"><code>{escape(target.address)}</code><br>'
        f"control {escape(target.control)}, canary {escape(target.canary)}</p>"
    )


def _gates(report: RolloutReport, axis: Axis) -> str:
    key = (
        '<p class="dim">● pass · ✕ fail · ○ undecided · ◇ no data · □ error; recorded judgements: '
        "one when the verdict changes, and every five minutes</p>"
    )
    return key + "".join(_gate(gate, report, axis) for gate in report.gates)


def _gate(gate: GateCourse, report: RolloutReport, axis: Axis) -> str:
    last = gate.looks[-1]
    guard = ", guardrail" if gate.is_guardrail else ""
    what = f"{gate.kind}{guard}, source {gate.source}" if gate.kind else "implied by the playbook"
    scale = f"; {gate.scale}" if gate.scale else ""
    return (
        f"<h3>{escape(gate.name)}</h3>"
        f'<p class="dim">{escape(what)}{escape(scale)}; {gate.judgements} judgements recorded</p>'
        f'<div class="scroll">{gate_chart(gate, axis, report.spans)}</div>'
        f"<p>last: <b>{escape(last.outcome.value)}</b>: {escape(last.because)}</p>"
        f"{_made_from(gate)}"
    )


def _made_from(gate: GateCourse) -> str:
    """What the last judgement was made from."""
    rows = [(f"<code>{escape(text)}</code>", escape(answer)) for text, answer in gate.queries]
    rows += [(escape(name), f"{value:g}") for name, value in gate.numbers]
    if not rows:
        return ""
    body = "".join(f'<tr><td>{name}</td><td class="num">{value}</td></tr>' for name, value in rows)
    return (
        "<details><summary>what the last judgement was made from</summary><div class=scroll>"
        '<table><tr><th scope="col">asked, computed</th><th scope="col">answer</th></tr>'
        f"{body}</table></div></details>"
    )


def _story(report: RolloutReport) -> str:
    half = len(report.lines) // 2 if report.left_out else len(report.lines)
    rows = [_row(line) for line in report.lines[:half]]
    if report.left_out:
        rows.append(
            f'<tr><td></td><td></td><td class="dim">… {report.left_out} lines left out; '
            "rolloutctl explain has them</td><td></td></tr>"
        )
        rows += [_row(line) for line in report.lines[half:]]
    head = (
        '<tr><th scope="col" class="num">time</th><th scope="col" class="num">#</th>'
        '<th scope="col">what</th><th scope="col">who</th></tr>'
    )
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _row(line: Line) -> str:
    inner = ' class="inner"' if line.is_inner else ""
    tone = f" {line.tone}" if line.tone else ""
    return (
        f'<tr{inner}><td class="num">{local_time(line.at)}</td><td class="num dim">{line.seq}</td>'
        f'<td class="text{tone}">{escape(line.text)}</td>'
        f'<td class="who">{escape(line.who)}</td></tr>'
    )


def _people(report: RolloutReport) -> str:
    return _table(("who", "did"), report.people)


def _table(headers: Iterable[str], rows: Iterable[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in headers)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _foot(report: RolloutReport) -> str:
    document = yaml.safe_dump(dict(report.playbook), sort_keys=False, allow_unicode=True)
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


def local(at: datetime) -> str:
    """Date, time and time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
