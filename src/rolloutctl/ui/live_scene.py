"""All that the live view is made from, and how it marks what it says; pure.

No mark is a colour alone: each has a sign and a word, so that a screen reader, a colour-blind
reader and a black-and-white terminal tell the same story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome
from rolloutctl.credentials import redact
from rolloutctl.ui.live_course import Course
from rolloutctl.ui.rollout_view import Standing
from rolloutctl.ui.table import wrapped

#: Columns of a label at the left margin.
LABEL = 10
#: Columns before what stands under a line and belongs to it.
INDENT = 4
#: Columns between two cells.
GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question to the person at this terminal, and what was typed so far."""

    question: str
    typed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One moment of one rollout, as one terminal sees it.

    Attributes:
        standing: the rollout, what comes next, who drives.
        course: what its events told.
        alarm: what is wrong with the picture itself, such as "driver silent for 14s"; or "".
        pulse: what the driver is doing right now, where that is known; or "".
        is_driven_here: this terminal drives; else it only looks on.
        ask: the open question; None without one.
    """

    standing: Standing
    course: Course
    alarm: str = ""
    pulse: str = ""
    is_driven_here: bool = False
    ask: Ask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A sign of one column and the terminal's own colour for it."""

    sign: str
    style: str


DONE = Mark(sign="✓", style="green")
AHEAD = Mark(sign="○", style="dim")
HERE = Mark(sign="●", style="bold cyan")
BAD = Mark(sign="✗", style="bold red")
BACK = Mark(sign="↩", style="bold red")
ASKS = Mark(sign="?", style="bold yellow")
STOPPED = Mark(sign="‖", style="bold yellow")
OPEN = Mark(sign="~", style="cyan")
SILENT = Mark(sign="!", style="bold yellow")
NOT_YET = Mark(sign="·", style="dim")

PHASES: Mapping[Phase, Mark] = {
    Phase.RUNNING: HERE,
    Phase.ASKING: ASKS,
    Phase.PAUSED: STOPPED,
    Phase.ROLLING_BACK: BACK,
    Phase.KILLING: BACK,
    Phase.HELD: STOPPED,
    Phase.STUCK: BAD,
    Phase.SUCCEEDED: DONE,
    Phase.ROLLED_BACK: BACK,
    Phase.KILLED: BACK,
}
OUTCOMES: Mapping[Outcome, Mark] = {
    Outcome.PASS: DONE,
    Outcome.FAIL: BAD,
    Outcome.INCONCLUSIVE: OPEN,
    Outcome.NO_DATA: SILENT,
    Outcome.ERROR: SILENT,
}

#: Signs of this view in terminals without Unicode, each of one column.
ASCII = str.maketrans("✓○●✗↩‖·▁▂▃▄▅▆▇█━─…", "+o*x<|._.,-=+*#=-.")


def line(*parts: tuple[str, str] | str) -> Text:
    """One line of parts, each plain or with its style; never wrapped."""
    shown = [told(one) if isinstance(one, str) else (told(one[0]), one[1]) for one in parts]
    return Text.assemble(*shown, no_wrap=True, overflow="ellipsis", end="")


def told(text: str) -> str:
    """Without secrets, and without characters that would move a terminal's cursor.

    Before anything is shortened: the half of a secret is one, too.
    """
    shown = redact(text)
    return shown if shown.isprintable() else "".join(c if c.isprintable() else " " for c in shown)


def fitted(text: Text, width: int) -> Text:
    """The line within `width`, its end replaced by an ellipsis where it is too long."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(max(width, 1), overflow="ellipsis")
    return text


def padded(text: str, width: int) -> str:
    """A cell of exactly `width` columns, the last `GAP` of them free."""
    cell = Text(told(text))
    cell.truncate(max(width - GAP, 0), overflow="ellipsis", pad=True)
    return f"{cell.plain}{' ' * GAP}" if width else ""


def indented(text: str, width: int, *, rows: int, sign: str = "") -> list[str]:
    """The text under what it belongs to, in at most so many lines."""
    lines = wrapped(told(text), width - INDENT).split("\n")
    if len(lines) > rows:
        lines = [*lines[: rows - 1], " ".join(lines[rows - 1 :])]
    signs = [sign, *[""] * (len(lines) - 1)]
    return [f"{one:<{INDENT}}{text}" for one, text in zip(signs, lines, strict=True)]


def folded(label: str, text: str, width: int, *, style: str = "", rows: int = 2) -> list[Text]:
    """A labelled sentence in at most `rows` lines; what does not fit ends with an ellipsis."""
    room = max(width - LABEL, 1)
    lines: list[Text] = []
    rest = told(text)
    while rest and len(lines) < rows:
        head = label if not lines else ""
        is_last = len(lines) == rows - 1
        part, rest = (rest, "") if is_last else _split(rest, room)
        body = line((part, style))
        body.truncate(room, overflow="ellipsis")
        lines.append(Text.assemble((f"{head:<{LABEL}}", "dim"), body, no_wrap=True, end=""))
    return lines


def _split(text: str, room: int) -> tuple[str, str]:
    """The words that fit into `room` columns, and the rest."""
    if Text(text).cell_len <= room:
        return text, ""
    cut = text.rfind(" ", 0, room + 1)
    if cut <= 0:
        cut = room
    return text[:cut], text[cut:].lstrip()
