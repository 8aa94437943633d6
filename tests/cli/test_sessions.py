"""Golden sessions: what people see, on stdout and stderr, and the exit code.

A file of `sessions` holds command lines (`$ `), their stdout, their stderr (`! `) and their
exit code (`= `). Run with UPDATE_SESSIONS=1 to write what is said now, then read the diff.
"""

import os
import re
import shlex
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parent / "sessions").glob("*.session"))
#: What differs between two runs of the same session, and what stands for it.
MOVING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
    (re.compile(r"\b\d{16,20}-"), "MTIME-"),
    (re.compile(r'(sha256"?:? "?)[0-9a-f]{12,64}'), r"\1HASH"),
    (re.compile(r"after \d+\.\d s"), "after N s"),
)


def settled(text):
    """`text` with everything that moves replaced."""
    for pattern, word in MOVING:
        text = pattern.sub(word, text)
    return text


def transcript(line, said):
    """One command with its answer, as the session files have it."""
    out = "".join(f"{one}\n" for one in settled(said.out).splitlines())
    err = "".join(f"! {one}".rstrip() + "\n" for one in settled(said.err).splitlines())
    return f"{line}\n{out}{err}= {said.exit_code}\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_session_is_said_word_for_word(file, rolloutctl):
    """Every command of the session answers what the file says."""
    golden = file.read_text()
    lines = [line for line in golden.splitlines() if line.startswith("$ ")]
    head = "".join(f"{line}\n" for line in golden.splitlines() if line.startswith("# "))

    played = head + "".join(
        transcript(line, rolloutctl(*shlex.split(line[2:])[1:])) for line in lines
    )

    if os.environ.get("UPDATE_SESSIONS"):
        file.write_text(played)
    assert played == golden
