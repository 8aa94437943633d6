import io
import json

import pytest
import yaml

from rolloutctl.credentials import remember
from rolloutctl.ui.console import Console, Output, Style


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
