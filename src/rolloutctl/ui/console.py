"""The only place that prints: stdout is data, stderr is talk.

Everything said passes `credentials.redact`. It must not know what a rollout is.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from threading import Event
from typing import IO, TYPE_CHECKING

from rolloutctl.core.json_types import Json
from rolloutctl.credentials import redact
from rolloutctl.ui.hints import with_store
from rolloutctl.ui.table import wrapped

if TYPE_CHECKING:
    from rolloutctl.ui.terminal import Terminal

#: Set while data could not be written; of this process, because streams are.
_lost = Event()
#: Columns assumed where no terminal says otherwise.
WIDTH_DEFAULT = 80
#: Narrower terminals get lines of this width anyway; tables cannot be narrower.
WIDTH_MIN = 60


class Output(StrEnum):
    """The form of the data on stdout."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    YAML = "yaml"


class Style(StrEnum):
    """SGR parameters (ECMA-48, 8.3.117) of the few styles used."""

    BOLD = "1"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    DIM = "2"


class Console:
    """Writes data to stdout and talk to stderr.

    A reader that went away (`| head`) ends the data, never the command: a rollout that is
    being driven must not stop because nobody reads its log. The exit code stays.
    SAFETY: a full disk below a log stops nothing either; `kill` speaks before it acts.
    """

    def __init__(
        self,
        *,
        output: Output = Output.TABLE,
        out: IO[str] | None = None,
        err: IO[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.output = output
        self._out = out
        self._err = err
        self._environ = os.environ if environ is None else environ
        self.reader_left = False
        self._above: Callable[[str], None] | None = None

    def data(self, text: str) -> None:
        """Writes lines to stdout, at once."""
        if self._above is not None:
            self._above(redact(text))
            return
        if self.reader_left:
            return
        error = _write(self._stdout, text)
        if error is None:
            return
        self.reader_left = True
        if not isinstance(error, BrokenPipeError):
            _lost.set()
            self.talk(f"error: standard output cannot be written: {error.strerror}")

    def talk(self, text: str) -> None:
        """Writes lines to stderr, at once; a broken stderr is no reason to stop.

        Commands in it carry the `--store` of this process.
        """
        if self._above is not None:
            self._above(redact(with_store(text)))
            return
        text = with_store(text)
        _write(self._stderr, self._folded(text) if _is_terminal(self._stderr) else text)

    def _folded(self, text: str) -> str:
        """Sentences that are too long broken between words; what is copied is left whole."""
        return "\n".join(self._folded_line(line) for line in text.split("\n"))

    def _folded_line(self, line: str) -> str:
        is_copied = "rolloutctl " in line or line.startswith("{")
        if len(line) <= self.width or is_copied or "\033" in line:
            return line
        return wrapped(line, self.width, indent=" " * _indent_of(line))

    def say_above(self, writer: Callable[[str], None] | None) -> None:
        """While a live view holds the terminal, all lines go above it; None ends that."""
        self._above = writer

    def live_terminal(self) -> Terminal | None:
        """The one terminal that both streams write to, if a live view can be drawn on it."""
        out, err = self._stdout, self._stderr
        if not self.is_for_people or not (_is_terminal(out) and _is_terminal(err)):
            return None
        from rolloutctl.ui.terminal import terminal_of  # noqa: PLC0415 - people only

        try:
            descriptors = [stream.fileno() for stream in (out, err) if stream is not None]
            if len({os.fstat(one).st_rdev for one in descriptors}) > 1:
                return None
        except (OSError, ValueError):
            return None
        keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        return terminal_of(descriptors[0], keys, self._environ)

    @property
    def has_colour(self) -> bool:
        """Whether a terminal may be coloured."""
        return not self._environ.get("NO_COLOR")

    @property
    def is_unicode(self) -> bool:
        """Whether stdout takes every character."""
        encoding = getattr(self._stdout, "encoding", None) or "ascii"
        return encoding.lower().replace("-", "").replace("_", "") == "utf8"

    def document(self, value: Mapping[str, Json], table: Callable[[], str]) -> None:
        """Writes one document to stdout in the asked form; `table` makes the text one."""
        match self.output:
            case Output.TABLE:
                self.data(table())
            case Output.JSON:
                self.data(to_json(value))
            case Output.NDJSON:
                self.data(to_json_line(value))
            case Output.YAML:
                self.data(to_yaml(value))

    def data_line(self, value: Json) -> None:
        """Writes one record as a line of JSON."""
        self.data(to_json_line(value))

    @property
    def is_for_people(self) -> bool:
        """Whether stdout carries tables and sentences."""
        return self.output is Output.TABLE

    @property
    def can_ask(self) -> bool:
        """Whether a person can read a question and answer it."""
        return sys.stdin is not None and sys.stdin.isatty() and _is_terminal(self._stderr)

    def answer(self) -> str:
        """One line from the person at the terminal; "" if it is closed."""
        return sys.stdin.readline()

    @property
    def width(self) -> int:
        """Columns to write in; COLUMNS overrides the terminal's own."""
        return max(WIDTH_MIN, shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns)

    def styled(self, text: str, style: Style | None, *, on_err: bool = False) -> str:
        """`text` in a style, where the stream is a terminal that wants colours."""
        stream = self._stderr if on_err else self._stdout
        if style is None or not _is_terminal(stream) or self._environ.get("NO_COLOR"):
            return text
        if self._environ.get("TERM") == "dumb":
            return text
        return f"\033[{style.value}m{text}\033[0m"

    def line(self, head: str, text: str, style: Style | None, *, on_err: bool = False) -> str:
        """`text` after `head`; on a terminal styled, and folded under where it begins.

        Elsewhere it stays one line, which is what a log is searched by.
        """
        stream = self._stderr if on_err else self._stdout
        if _is_terminal(stream) and "\n" not in text:
            folded = wrapped(f"{head}{text}", self.width, indent=" " * len(head))
            text = folded[len(head) :]
        return f"{head}{self.styled(text, style, on_err=on_err)}"

    @property
    def is_one_stream(self) -> bool:
        """Whether whoever reads stdout reads stderr too, as far as one can know."""
        return _is_terminal(self._stdout) == _is_terminal(self._stderr)

    @property
    def _stdout(self) -> IO[str] | None:
        return sys.stdout if self._out is None else self._out

    @property
    def _stderr(self) -> IO[str] | None:
        return sys.stderr if self._err is None else self._err


def lost_data() -> bool:
    """Whether data could not be written since this was last asked."""
    was_lost = _lost.is_set()
    _lost.clear()
    return was_lost


def to_json(value: Json) -> str:
    """Indented JSON for machines that people also read."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def to_json_line(value: Json) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def to_yaml(value: Json) -> str:
    """The same document as YAML, keys in the order of the JSON."""
    import yaml  # noqa: PLC0415 - 25 ms that only this form needs

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text.rstrip("\n")


def _indent_of(line: str) -> int:
    """Where the rest of a folded line begins: a little right of its beginning."""
    return len(line) - len(line.lstrip()) + 2


def _write(stream: IO[str] | None, text: str) -> OSError | None:
    """Writes lines; returns why they could not be written. No stream (`2>&-`) takes all."""
    if stream is None:
        return None
    clean = redact(text)
    try:
        try:
            print(clean, file=stream, flush=True)
        except UnicodeEncodeError as error:
            print(_escaped(clean, error.encoding), file=stream, flush=True)
    except OSError as error:
        _silence(stream)
        return error
    return None


def _escaped(text: str, encoding: str) -> str:
    """Characters that the encoding lacks as JSON writes them, so that JSON stays JSON."""

    def shown(character: str) -> str:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            return json.dumps(character)[1:-1]
        return character

    return "".join(shown(character) for character in text)


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()


def _silence(stream: IO[str]) -> None:
    """Points a broken stream at nothing, so that closing it at exit cannot fail either."""
    with suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)
