"""A command at a terminal of its own, as an independent terminal emulator (pyte) shows it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading

import pyte

from e2e.real_command import PATIENCE_S, until

#: What a terminal tells a program that it is.
TERM = "xterm-256color"


class WrapCounting(pyte.Screen):
    """Counts lines that were longer than the terminal, and so were broken by it."""

    wraps = 0

    def draw(self, data):
        """Character by character, to see where the terminal itself begins a new line."""
        for character in data:
            if self.cursor.x == self.columns:
                self.wraps += 1
            super().draw(character)

    def select_graphic_rendition(self, *attributes, **kind):
        """Faint text (SGR 2), which pyte does not know, as a colour of its own."""
        super().select_graphic_rendition(*attributes, **kind)
        if 2 in attributes:
            self.cursor.attrs = self.cursor.attrs._replace(fg="faint")


class TerminalScreen:
    """A command whose controlling terminal is ours; `rows` is what a person sees now."""

    def __init__(self, command, *, columns, rows, environ, cwd):
        self._screen = WrapCounting(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = b""
        self._code = None
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            try:
                _resize(0, columns, rows)
                os.chdir(cwd)
                os.execvpe(command[0], [str(word) for word in command], {**environ, "TERM": TERM})  # noqa: S606 - the command under test
            finally:
                os._exit(127)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                chunk = os.read(self._terminal, 65536)
            except OSError:  # Linux says EIO once the other side is closed
                return
            if not chunk:
                return
            with self._lock:
                self.raw += chunk
                self._stream.feed(chunk)

    @property
    def pid(self):
        """The command's process."""
        return self._pid

    @property
    def rows(self):
        """Every row of the screen as it is now, without the blanks at its end."""
        with self._lock:
            return [row.rstrip() for row in self._screen.display]

    @property
    def text(self):
        """The screen as one text."""
        return "\n".join(self.rows)

    @property
    def cells(self):
        """Rows of (character, foreground, is bold) for pictures, and the cursor's place."""
        with self._lock:
            width, height = self._screen.columns, self._screen.lines
            grid = [[self._screen.buffer[y][x] for x in range(width)] for y in range(height)]
            return [[(cell.data, cell.fg, cell.bold) for cell in row] for row in grid]

    @property
    def wraps(self):
        """How many lines the terminal had to break until now."""
        return self._screen.wraps

    def see(self, word, patience_s=PATIENCE_S):
        """Waits until the word is on the screen."""
        until(lambda: word in self.text, f"{word!r} on the screen:\n{self.text}", patience_s)

    def see_no_more(self, word, patience_s=PATIENCE_S):
        """Waits until the word is gone from the screen."""
        until(lambda: word not in self.text, f"{word!r} gone from:\n{self.text}", patience_s)

    def type(self, text):
        """Types."""
        os.write(self._terminal, text.encode())

    def resize(self, columns, rows):
        """Gives the terminal another size; the command gets SIGWINCH."""
        with self._lock:
            self._screen.resize(rows, columns)
            _resize(self._terminal, columns, rows)

    @property
    def echoes(self):
        """Whether the terminal writes what is typed by itself."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def end(self, patience_s=PATIENCE_S):
        """Its exit code, once it has ended and everything is on the screen."""
        until(self._has_ended, f"it ends:\n{self.text}", patience_s)
        self._reader.join(5)
        return self._code

    def _has_ended(self):
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    def stop(self):
        """Ends it, however it stands; for fixtures."""
        if not self._has_ended():
            os.kill(self._pid, 9)
            until(self._has_ended, "it is killed")
        self._reader.join(5)
        os.close(self._terminal)


def _resize(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
