import errno
import io
import json

import pytest
import yaml

from rolloutctl.credentials import remember
from rolloutctl.ui.console import Console, Output, Style, lost_data


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """It is."""
        return True


class Gone(io.StringIO):
    """A pipe whose reader left."""

    def write(self, text):  # noqa: ARG002 - the stream's signature
        """Fails as a pipe does."""
        raise BrokenPipeError

    def fileno(self):
        """Has no descriptor to point elsewhere."""
        raise OSError


def test_data_goes_to_stdout_and_talk_to_stderr():
    """A pipeline reads data and nothing else."""
    out, err = io.StringIO(), io.StringIO()
    console = Console(out=out, err=err)

    console.data("data")
    console.talk("talk")

    assert (out.getvalue(), err.getvalue()) == ("data\n", "talk\n")


@pytest.mark.parametrize(
    ("output", "parse"),
    [(Output.JSON, json.loads), (Output.NDJSON, json.loads), (Output.YAML, yaml.safe_load)],
)
def test_every_machine_form_carries_the_same_document(output, parse):
    """What is read back is what was written, whatever the form."""
    out = io.StringIO()
    document = {"kind": "Plan", "names": ["off", "1e3", "ü"], "share": 0.5}

    Console(output=output, out=out).document(document, lambda: "never")

    assert parse(out.getvalue()) == document


def test_a_secret_never_leaves_the_console():
    """Whatever a message carries, remembered secrets are masked on both streams."""
    remember("planted-secret-of-the-console")
    out, err = io.StringIO(), io.StringIO()
    console = Console(out=out, err=err)

    console.data("token planted-secret-of-the-console")
    console.talk("token planted-secret-of-the-console")

    assert "planted" not in out.getvalue() + err.getvalue()


def test_a_reader_that_left_is_remembered_and_nothing_fails():
    """A rollout goes on being driven when nobody reads its log any more."""
    console = Console(out=Gone(), err=Gone())

    console.data("one")
    console.data("two")
    console.talk("three")

    assert console.reader_left


@pytest.mark.parametrize(
    ("stream", "environ", "is_coloured"),
    [
        (Tty, {"TERM": "xterm"}, True),
        (Tty, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Tty, {"TERM": "dumb"}, False),
        (io.StringIO, {"TERM": "xterm"}, False),
    ],
)
def test_colours_only_where_a_person_wants_them(stream, environ, is_coloured):
    """A terminal that did not refuse them, and nothing else."""
    console = Console(out=stream(), environ=environ)

    assert ("\033[" in console.styled("text", Style.RED)) is is_coloured


class Full(io.StringIO):
    """A file on a disk that is full."""

    def write(self, text):  # noqa: ARG002 - the stream's signature
        """Fails as the system does."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_below_the_log_stops_nothing():
    """SAFETY: `kill 2>>log` speaks before it acts; a log on a full disk must not stop it."""
    out = io.StringIO()
    console = Console(out=out, err=Full())

    console.talk("killing …")
    console.data("killed")

    assert out.getvalue() == "killed\n"


def test_data_that_cannot_be_written_is_told_once_and_remembered():
    """A driver goes on; a command that only reads must not say that all went well."""
    err = io.StringIO()
    console = Console(out=Full(), err=err)

    console.data("one")
    console.data("two")

    said = "error: standard output cannot be written: No space left on device"
    assert err.getvalue().count(said) == 1
    assert lost_data()
    assert not lost_data()


def test_what_the_stream_cannot_encode_is_escaped_as_json_does():
    """A file's odd bytes, an ASCII terminal: still readable, and still the same JSON."""
    raw = io.BytesIO()
    console = Console(output=Output.NDJSON, out=io.TextIOWrapper(raw, encoding="ascii"))

    console.data_line({"file": "é\U0001f642\udcff"})

    assert json.loads(raw.getvalue()) == {"file": "é\U0001f642\udcff"}


def test_closed_streams_are_silence(monkeypatch):
    """`>&-` and `2>&-`: Python has no stream there at all; talk never lands among the data."""
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", None)
    Console(out=out).talk("talk")
    monkeypatch.setattr("sys.stdout", None)
    console = Console()

    console.data("data")

    assert out.getvalue() == ""
    assert not console.can_ask
    assert console.is_one_stream
    assert console.line("", "text", Style.RED, on_err=True) == "text"


def test_a_long_sentence_is_folded_between_words_at_a_terminal_only(monkeypatch):
    """A log is searched by lines; a terminal would break them within a word."""
    monkeypatch.setenv("COLUMNS", "60")
    sentence = "error: " + "resumption " * 12
    err, log = Tty(), io.StringIO()

    Console(err=err).talk(sentence.strip())
    Console(err=log).talk(sentence.strip())

    assert all(len(line) <= 60 for line in err.getvalue().splitlines())
    assert err.getvalue().splitlines()[1].startswith("  resumption")
    assert log.getvalue().count("\n") == 1


@pytest.mark.parametrize("line", ["  hint: rolloutctl kill " + "x" * 90, '{"id": "' + "x " * 50])
def test_what_is_copied_is_never_folded(monkeypatch, line):
    """A command, or an event that no journal took."""
    monkeypatch.setenv("COLUMNS", "60")
    err = Tty()

    Console(err=err).talk(line)

    assert err.getvalue() == f"{line}\n"
