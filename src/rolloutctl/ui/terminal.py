"""The terminal that a person sits at: its size, its keys, whose turn on it is.

While a live view is shown keys are read as they come and are not echoed by the terminal, which
would write them into the picture. Ctrl-C and Ctrl-Z mean what they always mean.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

#: A line that somebody types is not longer.
TYPED_MAX = 200
#: Smaller terminals get plain lines.
COLUMNS_MIN = 60
ROWS_MIN = 14
_LFLAG, _CC = 3, 6  # places in what `termios.tcgetattr` answers
_READ_MAX = 1024
_ENTER = "\r\n"
_ERASE = "\x7f\x08"
_ERASE_LINE = "\x15"


class Heard(NamedTuple):
    """What came while one waited: finished lines ("" is the end of all), and whether anything."""

    lines: tuple[str, ...]
    is_something: bool


class Terminal:
    """A terminal by its descriptors.

    Args:
        out: where it is written.
        keys: where it is read; None if somebody else reads there.
    """

    def __init__(self, out: int, keys: int | None) -> None:
        self._out = out
        self._keys = keys
        self._before: list[object] | None = None
        self._typed = ""
        self._is_gone = False

    def size(self) -> tuple[int, int]:
        """Columns and rows now; as small as can be if it does not say."""
        try:
            columns, rows = os.get_terminal_size(self._out)
        except OSError:
            return COLUMNS_MIN, ROWS_MIN
        return columns or COLUMNS_MIN, rows or ROWS_MIN

    def write(self, text: str) -> None:
        """Writes everything; a terminal that went away is no reason to stop."""
        rest = text.encode("utf-8", "replace")
        while rest and not self._is_gone:
            try:
                rest = rest[os.write(self._out, rest) :]
            except OSError:
                self._is_gone = True

    @property
    def is_mine(self) -> bool:
        """Whether this process is in the foreground: else the screen belongs to a shell."""
        try:
            return os.tcgetpgrp(self._out) == os.getpgrp()
        except OSError:
            return False

    # -- keys -----------------------------------------------------------------

    def hold_keys(self) -> bool:
        """Reads keys as they come, not echoed. True if that is new: it was not so before.

        SAFETY: from the background this would stop the process (SIGTTOU), and a rollout with
        it; so it is only done in the foreground.
        """
        if self._keys is None or not self.is_mine:
            return False
        try:
            mode = termios.tcgetattr(self._keys)
            if not mode[_LFLAG] & (termios.ICANON | termios.ECHO):
                return False
            if self._before is None:
                self._before = list(mode)
            mode[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
            mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
            _set_mode(self._keys, mode)
        except (OSError, termios.error):
            return False
        return True

    def give_keys_back(self) -> None:
        """As it was before; safe twice."""
        if self._keys is None or self._before is None or not self.is_mine:
            return
        with suppress(OSError, termios.error):
            _set_mode(self._keys, self._before)
        self._before = None

    @property
    def typed(self) -> str:
        """The line that is being typed."""
        return self._typed

    def forget_keys(self) -> None:
        """What was typed until now answers nothing that is asked from now on."""
        self._typed = ""
        if self._keys is not None and self._before is not None and self.is_mine:
            with suppress(OSError, termios.error):
                termios.tcflush(self._keys, termios.TCIFLUSH)

    def wait(self, other: int, seconds: float) -> Heard:
        """Waits until keys come, `other` can be read or the time is over."""
        keys = self._keys if self._before is not None and self.is_mine else None
        ready, _, _ = select.select([other] if keys is None else [other, keys], [], [], seconds)
        if keys is None or keys not in ready:
            return Heard(lines=(), is_something=bool(ready))
        try:
            read = os.read(keys, _READ_MAX)
        except OSError:
            if not self.is_mine:  # sent to the background just now: the keys are the shell's
                return Heard(lines=(), is_something=False)
            read = b""
        if not read:
            self._keys = None
            return Heard(lines=("",), is_something=True)
        return Heard(lines=tuple(self._lines(read.decode("utf-8", "replace"))), is_something=True)

    def _lines(self, keys: str) -> list[str]:
        lines = []
        if keys.startswith("\x1b"):
            return []  # an arrow or a function key is no word
        for key in keys:
            if key in _ENTER:
                lines.append(f"{self._typed}\n")
                self._typed = ""
            elif key in _ERASE:
                self._typed = self._typed[:-1]
            elif key == _ERASE_LINE:
                self._typed = ""
            elif key.isprintable() and len(self._typed) < TYPED_MAX:
                self._typed += key
        return lines


def terminal_of(out: int, keys: int | None, environ: Mapping[str, str]) -> Terminal | None:
    """The terminal, if a picture can be drawn in place there; else None."""
    if environ.get("TERM", "") in ("", "dumb"):
        return None
    try:
        columns, rows = os.get_terminal_size(out)
    except OSError:
        return None
    # One that does not know its size cannot be drawn on in place.
    if columns < COLUMNS_MIN or rows < ROWS_MIN:
        return None
    terminal = Terminal(out, keys)
    return terminal if terminal.is_mine else None


def dare_background() -> set[int]:
    """From here on this thread is not stopped for touching a terminal from the background.

    SAFETY: job control stops the whole process (SIGTTIN, SIGTTOU), and with it a rollout that
    is being driven. What is touched too late answers with an error instead. Returns the mask
    from before.
    """
    stops = {signal.SIGTTIN, signal.SIGTTOU}
    return {int(one) for one in signal.pthread_sigmask(signal.SIG_BLOCK, stops)}


def _set_mode(descriptor: int, mode: list[object]) -> None:
    """Sets it although the process may have been sent to the background just now."""
    before = dare_background()
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)  # type: ignore[arg-type]  # as read
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
