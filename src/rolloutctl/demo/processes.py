"""Starts and ends the demo's two processes; none of them outlives this one."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rolloutctl.clock import monotonic_s
from rolloutctl.errors import Unavailable

#: Importing the OpenFeature SDK on a slow machine is most of this.
FIRST_LINE_TIMEOUT_S = 30.0
END_TIMEOUT_S = 2.0
_LOG_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running process of the demo and the first line it printed."""

    name: str
    process: subprocess.Popen[str]
    first_line: str

    @property
    def is_running(self) -> bool:
        """Has not ended."""
        return self.process.poll() is None


def start(module: str, arguments: Sequence[str], *, log: Path) -> Child:
    """Starts `python -m module` and waits for its first line.

    The child gets a session of its own, so that a Ctrl-C reaches only us, and ends when
    the pipe to its standard input closes, however we end. Raises `Unavailable`
    with what it wrote if it ends or says nothing for 30 s.
    """
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", module, *arguments, "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        line = _first_line(process)
    except BaseException:
        end(Child(name=module, process=process, first_line=""))
        raise
    child = Child(name=module, process=process, first_line=line)
    if not line:
        end(child)
        raise Unavailable(
            f"{module} did not start within {FIRST_LINE_TIMEOUT_S:g} s",
            hint=f"it said: {log.read_text(encoding='utf-8')[-_LOG_TAIL_CHARACTERS:] or 'nothing'}",
        )
    return child


def _first_line(process: subprocess.Popen[str]) -> str:
    """The line, or nothing if the process ended or stayed silent."""
    if process.stdout is None:
        return ""
    deadline_s = monotonic_s() + FIRST_LINE_TIMEOUT_S
    while (rest_s := deadline_s - monotonic_s()) > 0:
        if select.select([process.stdout], [], [], rest_s)[0]:
            return process.stdout.readline().strip()
    return ""


def end(child: Child) -> None:
    """Ends it: SIGTERM, and SIGKILL after 2 s. Returns when it is gone; safe twice."""
    child.process.terminate()
    try:
        child.process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            pipe.close()
