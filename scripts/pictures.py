"""Makes the pictures of the live view in docs/pictures/, from the real program.

The demo's application serves real traffic; `rolloutctl start` runs at a terminal, which an
independent emulator (pyte) reads; what is on that screen becomes an SVG. Nothing is drawn by
hand but the name of whoever ran it.

Usage: python scripts/pictures.py [NAME…]     NAME: healthy, waiting, rolling-back, stuck
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from rich.color import Color  # noqa: E402 - the tests' folder is found above
from rich.console import Console  # noqa: E402 - same
from rich.style import Style  # noqa: E402 - same
from rich.terminal_theme import TerminalTheme  # noqa: E402 - same
from rich.text import Text  # noqa: E402 - same

from e2e.real_command import COMMAND, until  # noqa: E402 - same
from e2e.terminal_screen import TerminalScreen  # noqa: E402 - same
from rolloutctl.clock import SystemClock  # noqa: E402 - same
from rolloutctl.demo import scenario  # noqa: E402 - same

FOLDER = ROOT / "docs" / "pictures"
COLUMNS, ROWS = 100, 44
ROLLOUT = "claude-for-gpt4"
#: Who ran it is nobody's business.
PERSON = "sre@laptop"
#: Quiet colours that keep a contrast of 4.5:1 on the ground (WCAG 2.1, 1.4.3).
THEME = TerminalTheme(
    (24, 26, 31),
    (214, 217, 224),
    [
        (24, 26, 31),
        (240, 113, 120),
        (126, 200, 120),
        (235, 190, 100),
        (110, 170, 240),
        (198, 140, 230),
        (92, 200, 210),
        (214, 217, 224),
    ],
)
#: As terminals show faint text.
_FAINT = Color.from_rgb(142, 147, 160)
_COLOURS = {"brown": "yellow"}
Act = Callable[[TerminalScreen, scenario.Stage], None]


def healthy(screen: TerminalScreen, stage: scenario.Stage) -> None:
    """Holding at 25 %, everything judged."""
    del stage
    screen.see("[canary 25%]")
    SystemClock().sleep(9)


def waiting(screen: TerminalScreen, stage: scenario.Stage) -> None:
    """The hold is over, the gates pass, a person is asked."""
    del stage
    screen.see("? answer")
    SystemClock().sleep(2)
    screen.type("prom")
    SystemClock().sleep(1)


def rolling_back(screen: TerminalScreen, stage: scenario.Stage) -> None:
    """The canary went bad, and somebody else holds the lock of the flag file's folder."""
    screen.see("observed canary 25%")
    fcntl.flock(os.open(stage.folder, os.O_RDONLY), fcntl.LOCK_EX)  # until this process ends
    screen.see("ROLLING-BACK")
    SystemClock().sleep(4)


def stuck(screen: TerminalScreen, stage: scenario.Stage) -> None:
    """The same, once it has tried for as long as the playbook says."""
    rolling_back(screen, stage)
    until(lambda: "STUCK" in screen.text, "it is stuck")
    SystemClock().sleep(2)


PICTURES: dict[str, Act] = {
    "healthy": healthy,
    "waiting": waiting,
    "rolling-back": rolling_back,
    "stuck": stuck,
}


def take(name: str) -> None:
    """Runs the demo's application and one rollout on it, and draws its screen."""
    act = PICTURES[name]

    def drive(stage: scenario.Stage) -> int:
        _slow_down(stage.playbook, name)
        environ = {**os.environ, "ROLLOUTCTL_STORE": str(stage.store)}
        command = [COMMAND, "start", str(stage.playbook), "--id", ROLLOUT]
        screen = TerminalScreen(
            command, columns=COLUMNS, rows=ROWS, environ=environ, cwd=stage.folder
        )
        try:
            screen.see("Only `yes`")
            screen.type("yes\n")
            act(screen, stage)
            _draw(screen, name)
            return 0
        finally:
            screen.stop()

    options = scenario.Options(is_regression=name in {"rolling-back", "stuck"})
    scenario.run(options, drive=drive, tell=print)


def _slow_down(playbook: Path, name: str) -> None:
    """The demo's playbook with longer holds: a picture wants to look lived in."""
    text = playbook.read_text("utf-8")
    text = text.replace("name: llm-demo", "name: claude-for-gpt4")
    text = text.replace("canary: 25%, hold: 6s", "canary: 25%, hold: 15s")
    if name == "waiting":
        text = text.replace("{canary: 25%, hold: 15s,", "{canary: 25%, hold: 6s, confirm: true,")
    if name == "stuck":
        text = text.replace("deadline: 3m", "deadline: 3m, rollback: 10s")
    playbook.write_text(text, "utf-8")


def _draw(screen: TerminalScreen, name: str) -> None:
    """The live view's rows, from its rule on, as an SVG without anything from the network."""
    cells = screen.cells
    first = max(y for y, row in enumerate(cells) if all(cell[0] == "─" for cell in row[:20]))
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="standard")
    user = _user()
    for row in cells[first + 1 :]:
        text = Text(no_wrap=True, end="\n")
        for data, colour, is_bold in row:
            text.append(data, style=_style(colour, is_bold=is_bold))
        text.rstrip()
        if user in text.plain:
            start = text.plain.index(user)
            text = Text.assemble(text[:start], PERSON, text[start + len(user) :])
        console.print(text)
    svg = console.export_svg(title=f"rolloutctl start · {name}", theme=THEME, unique_id=name)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(_without_network(svg), "utf-8")


def _style(colour: str, *, is_bold: bool) -> Style:
    if colour == "faint":
        return Style(color=_FAINT)
    named = _COLOURS.get(colour, colour)
    return Style(color=None if named == "default" else Color.parse(named), bold=is_bold or None)


def _user() -> str:
    """As the program names whoever runs it."""
    from rolloutctl.cli import wiring  # noqa: PLC0415 - scripts only

    return wiring.actor().name


def _without_network(svg: str) -> str:
    """Rich names fonts on a server; a reader's own will do."""
    begin, end = svg.index("@font-face"), svg.rindex("@font-face")
    end = svg.index("}", end) + 1
    fonts = "DejaVu Sans Mono, Menlo, Consolas, monospace"
    return (
        (svg[:begin] + svg[end:]).replace("Fira Code, monospace", fonts).replace("Fira Code", fonts)
    )


def main() -> None:
    """Takes the pictures that were named, or all."""
    for name in sys.argv[1:] or PICTURES:
        take(name)
        print(f"{FOLDER / name}.svg")


if __name__ == "__main__":
    main()
