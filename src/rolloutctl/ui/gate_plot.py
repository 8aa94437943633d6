"""The judgements of one gate against its limit, drawn with characters; pure.

Shapes carry the meaning: the picture is the same without colour, and in a ticket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolloutctl.core.verdict import Outcome
from rolloutctl.ui.event_view import local_time
from rolloutctl.ui.report.gate_courses import BEYOND
from rolloutctl.ui.report.gate_scale import GateScale, gate_scale, scale_marks
from rolloutctl.ui.table import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rolloutctl.ui.report.model import GateCourse

#: Rows of the drawing, its columns at most, and columns of its labels.
ROWS, COLUMNS_MAX, _LABEL = 8, 100, 10
#: Worst last: where two looks meet, the worse is drawn.
_MARKS = {
    Outcome.PASS: "•",
    Outcome.INCONCLUSIVE: "o",
    Outcome.NO_DATA: "?",
    Outcome.ERROR: "!",
    Outcome.FAIL: "x",
}
_KEY = "• pass  o undecided  x fail  ? no data  ! error  ┄ limit"
#: Columns of a time of day.
_TIME = 8


def gate_plot(gate: GateCourse, width: int) -> str:
    """The drawing with its title and key; a title alone where there is no number to draw."""
    title = wrapped(_title(gate), width, indent="  ")
    looks = [one for one in gate.looks if one.value is not None]
    if not gate.measure or not looks:
        return f"{title}\n  no numbers to draw"
    scale = gate_scale(gate)
    columns = max(_TIME * 2 + 1, min(width - _LABEL - 2, COLUMNS_MAX))
    cells = [[" "] * columns for _ in range(ROWS)]
    cells[_row(scale, gate.limit)] = ["┄"] * columns
    began, ended = gate.looks[0].at, gate.looks[-1].at
    whole_s = (ended - began).total_seconds() or 1.0
    for look in looks:
        column = round((look.at - began).total_seconds() / whole_s * (columns - 1))
        _put(cells, _row(scale, look.value or 0.0), column, _MARKS[look.outcome])
    labels = _labels(gate, scale)
    lines = [
        f"{labels.get(row, ''):>{_LABEL}} ┤{''.join(cells[row])}".rstrip() for row in range(ROWS)
    ]
    gap = " " * (columns - 2 * _TIME)
    times = f"{local_time(began)}{gap}{local_time(ended)}"
    indent = " " * _LABEL
    return "\n".join(
        [title, *lines, f"{indent} └{'─' * columns}", f"{indent}  {times}", f"{indent}  {_KEY}"]
    )


def _title(gate: GateCourse) -> str:
    fails = f", fails {gate.fails} {gate.limit:g}" if gate.fails else f", limit {gate.limit:g}"
    measure = "worse than accepted, at least" if gate.measure == BEYOND else gate.measure
    drawn = f": {measure}{fails}" if measure else ""
    scale = ", logarithmic" if gate.measure == "evidence" else ""
    return f"{gate.name}{drawn}{scale}; {gate.judgements} judgements recorded"


def _row(scale: GateScale, value: float) -> int:
    """Rows count from the top."""
    return (ROWS - 1) - round(scale.share(value) * (ROWS - 1))


def _labels(gate: GateCourse, scale: GateScale) -> dict[int, str]:
    """The limit's label is never left out."""
    found: dict[int, str] = {}
    for value in scale_marks(gate, scale):
        found.setdefault(_row(scale, value), f"{value:.4g}")
    return found


def _put(cells: Sequence[list[str]], row: int, column: int, mark: str) -> None:
    order = ["", *_MARKS.values()]
    held = cells[row][column]
    if order.index(mark) >= (order.index(held) if held in order else 0):
        cells[row][column] = mark
