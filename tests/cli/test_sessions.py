"""Golden sessions: what people see, on stdout and stderr, and the exit code.

A file of `sessions` holds command lines (`$ `), their stdout, their stderr (`! `) and their
exit code (`= `). Lines with `@ ` happen to the world: `gate X` sets what Prometheus
answers, `turn S X` sets it once S seconds have passed, `later S` lets time pass,
`interrupt S` presses Ctrl-C after S seconds, `edit A B` is another hand in the flag file,
`reset` puts the flag file back, `broken` takes it away, `set X=Y` sets a variable.
Run with UPDATE_SESSIONS=1 to write what is said now, then read the difference.
"""

import os
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from rolloutctl.cli import wiring

FILES = sorted((Path(__file__).parent / "sessions").glob("*.session"))
FLAGS = (Path(__file__).parent / "workspace" / "flags.json").read_text()
#: What differs between two runs of the same session, and what stands for it.
MOVING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "HH:MM:SS"),
    (re.compile(r"\b\d{16,20}-"), "MTIME-"),
    (re.compile(r'(sha256"?:? "?)[0-9a-f]{12,64}'), r"\1HASH"),
    (re.compile(r"this file has [0-9a-f]{12}"), "this file has HASH"),
    (re.compile(r"after \d+\.\d s"), "after N s"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r'("zero_at_s"|"settled_at_s"): \d[\d.e-]*'), r"\1: N"),
    (re.compile(r"\(pid \d+\)"), "(pid N)"),
)


def settled(text):
    """`text` with everything that moves replaced."""
    text = text.replace(wiring.actor().name, "operator@host")
    for pattern, word in MOVING:
        text = pattern.sub(word, text)
    return text


def transcript(line, said):
    """One command with its answer, as the session files have it."""
    out = "".join(f"{one}".rstrip() + "\n" for one in settled(said.out).splitlines())
    err = "".join(f"! {one}".rstrip() + "\n" for one in settled(said.err).splitlines())
    return f"{line}\n{out}{err}= {said.exit_code}\n"


@pytest.fixture
def happen(folder, clock, prometheus, interrupt_after, monkeypatch):
    """Makes an `@ ` line happen."""

    def act(what, *arguments):
        flags = folder / "flags.json"
        match what:
            case "gate":
                prometheus.answer = " ".join(arguments)
            case "turn":
                turns_at = clock.now() + timedelta(seconds=float(arguments[0]))
                clock.hooks.append(
                    lambda now: (
                        setattr(prometheus, "answer", arguments[1]) if now >= turns_at else None
                    )
                )
            case "later":
                clock.advance(float(arguments[0]))
            case "interrupt":
                interrupt_after(float(arguments[0]))
            case "edit":
                flags.write_text(flags.read_text().replace(*arguments, 1))
            case "reset":
                flags.write_text(FLAGS)
            case "broken":
                flags.unlink()
            case "set":
                name, _, value = arguments[0].partition("=")
                monkeypatch.setenv(name, value.replace("$PWD", str(folder)))
            case _:
                raise ValueError(what)

    return act


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_session_is_said_word_for_word(file, rolloutctl, happen):
    """Every command of the session answers what the file says."""
    golden = file.read_text()
    played = ""

    for line in golden.splitlines():
        if line.startswith("# "):
            played += f"{line}\n"
        elif line.startswith("@ "):
            happen(*shlex.split(line[2:]))
            played += f"{line}\n"
        elif line.startswith("$ "):
            played += transcript(
                line, rolloutctl(*[os.path.expandvars(word) for word in shlex.split(line[2:])[1:]])
            )

    if os.environ.get("UPDATE_SESSIONS"):
        file.write_text(played)
    assert played == golden
