"""Each gate: numbers against the limit, evidence, how far it is from a verdict; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from rolloutctl.core.events import GateRecord
from rolloutctl.core.playbook import Gate, OnFail
from rolloutctl.core.units import format_duration
from rolloutctl.core.verdict import Outcome
from rolloutctl.core.view import View
from rolloutctl.ui.evidence_view import BLOCKS, block_of
from rolloutctl.ui.live_course import Course, share_of
from rolloutctl.ui.live_scene import (
    GAP,
    NOT_YET,
    OUTCOMES,
    Mark,
    Scene,
    fitted,
    indented,
    line,
    padded,
)

_NAME_MAX = 22
#: Columns of an evidence path, where it is narrow and where there is room.
_PATH_NARROW = 12
_PATH_WIDE = 24
_WIDE_FROM = 96
#: From this width on the numbers stand beside the verdict, below it under it.
_BESIDE_FROM = 150
#: Columns that the way to a verdict takes where the numbers stand beside it.
_DISTANCE = 26
#: A judgement older than this many of its intervals is told with its age.
_OLD_INTERVALS = 2.0
#: A reason that begins with what is still missing, such as "16 of 20 looks".
_COUNTED = re.compile(r"[\d,]+ of [\d,]+ (canary |)[a-z]+")


class _Row(NamedTuple):
    """One gate's cells; `because` has the numbers against the limit."""

    mark: Mark
    name: str
    verdict: str
    way: str
    distance: str
    because: str
    is_good: bool


class Density(NamedTuple):
    """How much is said of each gate, from the most to the least."""

    number_rows: int
    is_folding_good: bool


WHOLE = Density(number_rows=3, is_folding_good=False)
FULL = Density(number_rows=1, is_folding_good=False)
SHORT = Density(number_rows=0, is_folding_good=False)
FOLDED = Density(number_rows=0, is_folding_good=True)


def gate_lines(scene: Scene, width: int, density: Density = FULL) -> list[Text]:
    """A head and one or more lines a gate; with `FOLDED` those that pass share one."""
    view = scene.standing.view
    gates = gates_shown(view)
    if not gates:
        return []
    path = _PATH_WIDE if width >= _WIDE_FROM else _PATH_NARROW
    rows = [_row(scene, gate, path) for gate in gates]
    good = [row.name for row in rows if row.is_good] if density.is_folding_good else []
    shown = [row for row in rows if row.name not in good]
    # No column for evidence where no gate weighs any.
    sizes = _sizes(shown or rows, path if any(row.way for row in rows) else -GAP)
    lines = [_head(sizes, width)]
    for row in shown:
        lines += _drawn(row, sizes, width, density)
    if good:
        mark = OUTCOMES[Outcome.PASS]
        words = f"{len(good)} pass: {', '.join(good)}"
        lines.append(fitted(line((f"{mark.sign} ", mark.style), words), width))
    return lines


def gates_shown(view: View) -> list[Gate]:
    """The gates of the current step, then the guardrails, each once."""
    step = view.step
    names = dict.fromkeys((*(step.before if step else ()), *(step.gates if step else ())))
    if step is None and view.state.phase.is_at_rest:
        names = dict.fromkeys(view.playbook.gates)
    names.update(dict.fromkeys(view.playbook.guardrails))
    return [view.playbook.gates[name] for name in names]


def _row(scene: Scene, gate: Gate, path: int) -> _Row:
    view = scene.standing.view
    record = view.state.gates.get(gate.name)
    if view.state.phase.is_terminal:
        # What each gate said when it was judged last, in whichever step.
        record = scene.standing.history.judged.get(gate.name, record)
    is_guardrail = gate.name in view.playbook.guardrails
    name = f"{gate.name} (guardrail)" if is_guardrail else gate.name
    if record is None:
        mark, verdict, because = NOT_YET, "not judged yet", ""
    else:
        verdict, because = record.verdict.outcome.value, record.verdict.because
        mark = OUTCOMES[record.verdict.outcome]
    if gate.limits.observe_only:
        verdict = f"{verdict} (observed)"
    return _Row(
        mark=mark,
        name=name,
        verdict=verdict,
        way=path_of(scene.course, gate.name, path),
        distance=_distance(view, gate, record),
        because=because,
        is_good=record is not None and record.verdict.outcome is Outcome.PASS,
    )


def path_of(course: Course, gate: str, columns: int) -> str:
    """The newest looks as blocks; "" for a gate whose numbers tell no way to its limit."""
    looks = [look.share for look in course.paths.get(gate, ()) if not math.isnan(look.share)]
    return "".join(block_of(share) for share in looks[-columns:])


def _heat(way: str) -> str:
    """Warmer towards the limit; the height of the last block says the same."""
    level = BLOCKS.find(way[-1:]) if way else 0
    if level == len(BLOCKS) - 1:
        return "bold red"
    return "yellow" if level >= len(BLOCKS) // 2 else "cyan"


def _distance(view: View, gate: Gate, record: GateRecord | None) -> str:
    """How far it is from a verdict, or from turning, and how old that is."""
    if record is None:
        return _first_look(view, gate)
    parts = [_way_left(gate, record, view.now), _age(view, gate, record)]
    return ", ".join(part for part in parts if part)


def _first_look(view: View, gate: Gate) -> str:
    if view.state.phase.is_at_rest:
        return ""
    is_due = gate in view.judged_gates
    return "first look is due" if is_due else "once the step is in force"


def _way_left(gate: Gate, record: GateRecord, now: datetime) -> str:
    verdict, limits = record.verdict, gate.limits
    match verdict.outcome:
        case Outcome.FAIL:
            if limits.observe_only:
                return "observed only"
            return "rolls back" if limits.on_fail is OnFail.ROLLBACK else "pauses"
        case Outcome.NO_DATA | Outcome.ERROR:
            count = max(record.silences, record.errors, 1)
            looks = "look" if count == 1 else "looks in a row"
            return f"{count} {looks}, {_silence(gate, verdict.outcome)}"
        case Outcome.INCONCLUSIVE:
            return _undecided(gate, record, now)
        case Outcome.PASS:
            return _to_fail(record)


def _silence(gate: Gate, outcome: Outcome) -> str:
    what = gate.limits.on_no_data if outcome is Outcome.NO_DATA else gate.limits.on_error
    return {"wait": "waits", "pause": "then pauses", "fail": "then fails"}[what.value]


def _undecided(gate: Gate, record: GateRecord, now: datetime) -> str:
    at, sample, least = record.verdict.settles_at, record.verdict.sample, gate.limits.min_sample
    counted = _COUNTED.match(record.verdict.because)
    if counted is not None:
        return counted[0]
    if sample is not None and 0 <= sample < least:
        return f"{sample:,.0f} of {least:,.0f} events"
    if at is not None and at > now:
        return f"verdict in {format_duration(max(1.0, (at - now).total_seconds()))}"
    return _to_fail(record) or "open"


def _to_fail(record: GateRecord) -> str:
    share = share_of(record)
    return "" if math.isnan(share) else f"{share:.0%} of the way to fail"


def _age(view: View, gate: Gate, record: GateRecord) -> str:
    if view.state.phase.is_at_rest:
        return ""
    age_s = (view.now - record.judged_at).total_seconds()
    if age_s < max(2.0, _OLD_INTERVALS * gate.limits.interval_s):
        return ""
    return f"as of {format_duration(age_s)} ago"


def _sizes(rows: Sequence[_Row], path: int) -> tuple[int, int, int]:
    name = min(_NAME_MAX, max(len("GATE"), *(len(row.name) for row in rows)))
    # The longest verdict has its room from the start, so that no column moves when it comes.
    verdict = max(len(Outcome.INCONCLUSIVE), *(len(row.verdict) for row in rows))
    return name, verdict, path


def _head(sizes: tuple[int, int, int], width: int) -> Text:
    name, verdict, path = sizes
    scale = f"EVIDENCE {BLOCKS[0]}0 {BLOCKS[-1]}limit" if path >= _PATH_WIDE else "EVIDENCE"
    cells = [
        padded("GATE", name + GAP),
        padded("VERDICT", verdict + GAP),
        padded(scale, path + GAP),
        "TO A VERDICT",
    ]
    return fitted(line("  ", ("".join(cells), "dim")), width)


def _drawn(row: _Row, sizes: tuple[int, int, int], width: int, density: Density) -> list[Text]:
    name, verdict, path = sizes
    text = line(
        (f"{row.mark.sign} ", row.mark.style),
        (padded(row.name, name + GAP), "bold"),
        (padded(row.verdict, verdict + GAP), row.mark.style),
        (padded(row.way, path + GAP), _heat(row.way)),
        row.distance,
    )
    if not density.number_rows or not row.because:
        return [fitted(text, width)]
    if width >= _BESIDE_FROM:
        text.append(" " * max(GAP, _DISTANCE - Text(row.distance).cell_len))
        text.append(row.because, style="dim")
        return [fitted(text, width)]
    numbers = indented(row.because, width, rows=density.number_rows)
    return [fitted(text, width), *(fitted(line((one, "dim")), width) for one in numbers)]
