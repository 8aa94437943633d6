"""Draws lines in place on a terminal, below the lines that stay; knows no rollout.

The frame is the last thing on the screen and its cursor stands at the end of its last line.
A paint writes only the rows that changed, all in one write, and asks the terminal to show them
at once (synchronized output, DEC private mode 2026; terminals without it ignore it): nothing
flickers. Rows are never longer than the terminal less one column, so that nothing wraps, and
the sequences used (ECMA-48: CUU, ED, EL, CUP) are those of every terminal since the VT100.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from rolloutctl.ui.live_scene import ASCII

#: Lines above the frame that are drawn again after a resize.
KEPT_MAX = 200
_SYNC_ON, _SYNC_OFF = "\x1b[?2026h", "\x1b[?2026l"
_ERASE_REST, _ERASE_BELOW, _CLEAR = "\x1b[K", "\x1b[J", "\x1b[H\x1b[2J"
_SGR = re.compile(r"\x1b\[[0-9;]*m")


class Screen(Protocol):
    """What a painter needs of a terminal."""

    def size(self) -> tuple[int, int]:
        """Columns and rows now."""
        ...

    def write(self, text: str) -> None:
        """Everything at once; a terminal that went away takes it silently."""
        ...


class Ink:
    """Makes styled lines what a terminal reads: its own palette, or no style at all."""

    def __init__(self, *, has_colour: bool, is_unicode: bool) -> None:
        self._has_colour = has_colour
        self._is_unicode = is_unicode
        # Only its defaults are asked for; it writes nowhere.
        self._console = Console(quiet=True, color_system=None, markup=False, highlight=False)

    def drawn(self, text: Text) -> str:
        """The line with its control sequences."""
        if not self._has_colour:
            return self._signs(text.plain)
        return "".join(
            segment.style.render(self._signs(segment.text), color_system=ColorSystem.STANDARD)
            if segment.style
            else self._signs(segment.text)
            for segment in text.render(self._console)
        )

    def _signs(self, text: str) -> str:
        return text if self._is_unicode else text.translate(ASCII)


class Painter:
    """One frame at the bottom of a terminal. Not for two threads at once."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._size = screen.size()
        self._shown: list[str] = []
        self._is_beside = False
        self._above: deque[str] = deque(maxlen=KEPT_MAX)

    def paint(self, rows: Sequence[str]) -> None:
        """Shows the rows in place of those before."""
        size = self._screen.size()
        if size != self._size:
            self._size = size
            self._rebuild(rows)
            return
        if list(rows) == self._shown:
            return
        self._write(self._to_top(), self._changed(rows))
        self._shown = list(rows)

    def above(self, text: str) -> None:
        """Puts lines above the frame, where they stay and scroll away."""
        lines = text.split("\n")
        self._above.extend(lines)
        said = "".join(f"{line}\r\n" for line in lines)
        frame = "\r\n".join(f"{row}{_ERASE_REST}" for row in self._shown)
        self._write(self._to_top(), _ERASE_BELOW, said, frame)

    def leave(self) -> None:
        """The frame stays as it is; what is written next stands below it."""
        if self._shown:
            self._screen.write("\r\n")
        self._shown = []

    def forget(self) -> None:
        """Somebody else wrote on the screen: the next frame begins on a line of its own."""
        self._is_beside = bool(self._shown)
        self._shown = []

    def _changed(self, rows: Sequence[str]) -> str:
        """From the frame's top: the rows that differ, and nothing left below."""
        last = len(rows) - 1
        parts = []
        for number, row in enumerate(rows):
            is_same = number < len(self._shown) and self._shown[number] == row
            # The last one is always written: the cursor stays at its end.
            body = "" if is_same and number != last else f"{row}{_ERASE_REST}"
            parts.append(f"\r\n{body}" if number else body)
        if len(rows) < len(self._shown):
            parts.append(_ERASE_BELOW)
        return "".join(parts)

    def _rebuild(self, rows: Sequence[str]) -> None:
        """Draws the whole screen: after a resize nobody knows which row is where."""
        columns, height = self._size
        room = height - len(rows)
        kept: list[str] = []
        for line in reversed(self._above):
            room -= max(1, -(-len(_SGR.sub("", line)) // max(columns, 1)))
            if room < 0:
                break
            kept.append(line)
        said = "".join(f"{line}\r\n" for line in reversed(kept))
        self._write(_CLEAR, said, "\r\n".join(rows))
        self._shown = list(rows)

    def _to_top(self) -> str:
        if self._is_beside:
            self._is_beside = False
            return "\r\n"
        up = len(self._shown) - 1
        return f"\r\x1b[{up}A" if up > 0 else "\r"

    def _write(self, *parts: str) -> None:
        self._screen.write(f"{_SYNC_ON}{''.join(parts)}{_SYNC_OFF}")
