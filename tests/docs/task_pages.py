"""Types what a page of the documentation says, as its reader would, and looks at what comes.

A comment before a block of commands says how they are meant; readers do not see it:

- `stage`: the application, in a terminal of its own, until the page is over
- `terminal [exit N]`: in a terminal of its own, `yes` at its question, its end awaited at the end
- `until WORD`: first wait until `rolloutctl status` shows the word
- `retry`: again until it exits 0
- `exit N`: this exit code, otherwise 0
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

from docs.pages import ROOT
from e2e.real_command import COMMAND, until
from e2e.terminal_screen import TerminalScreen
from rolloutctl.clock import SystemClock

_BLOCK = re.compile(
    r"(?:<!-- (?P<how>[^\n]*) -->\n)?^```sh\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
_CODE = re.compile(r"\bexit (\d+)")
_EXPORT = re.compile(r"export (\w+)=(\S+)")
#: No command of a page takes longer, in seconds.
PATIENCE_S = 60.0
#: A page for people holds for half a minute; the reader of tests is impatient.
HOLD = "6s"
#: Between two looks at a rollout, in seconds.
LOOK_S = 0.3


@dataclass(frozen=True)
class Typed:
    """A block of commands and how it is meant."""

    how: str
    lines: list


def typed_in(page):
    """What the page has its reader type, in order."""
    text = (ROOT / page).read_text("utf-8")
    return [Typed(m["how"] or "", m["text"].splitlines()) for m in _BLOCK.finditer(text)]


class Reader:
    """Follows a page in a folder of its own."""

    def __init__(self, folder, environ):
        self.folder = folder
        self.environ = environ
        self._screens = []

    def follow(self, page):
        """Types everything; then every terminal must have ended as the page says."""
        for block in typed_in(page):
            self._wait(block.how)
            for line in block.lines:
                self._type(line, block.how)
        for screen, code in self._screens:
            if code is not None:
                assert screen.end() == code, screen.text

    def leave(self):
        """Ends what still runs, the application last."""
        for screen, _ in reversed(self._screens):
            screen.stop()

    def _type(self, line, how):
        if line.startswith("cd "):
            self.folder = self.folder / line.removeprefix("cd ")
        elif found := _EXPORT.fullmatch(line):
            self.environ[found[1]] = found[2].replace("$PWD", str(self.folder))
        elif how == "stage":
            self._raise_stage(line)
        elif how.startswith("terminal"):
            self._open(line, int((_CODE.search(how) or ["", "0"])[1])).see("Only `yes`")
            self._screens[-1][0].type("yes\n")
        else:
            self._run(line, how)

    def _raise_stage(self, line):
        screen = self._open(line, None)
        screen.see("Ctrl-C ends the application")
        (played,) = self.folder.glob("*/playbook.yaml")
        text = played.read_text()
        self.environ["METRICS"] = re.search(r"http://127.0.0.1:\d+/metrics", text)[0]
        assert "hold: 30s" in text
        played.write_text(text.replace("hold: 30s", f"hold: {HOLD}"))

    def _open(self, line, code):
        words = ["bash", "-c", f"exec {line}"]
        screen = TerminalScreen(words, columns=100, rows=60, environ=self.environ, cwd=self.folder)
        self._screens.append((screen, code))
        return screen

    def _wait(self, how):
        if found := re.search(r"until (\S+)", how):
            until(lambda: found[1] in self._standing(), f"{found[1]} in its status")

    def _standing(self):
        """Phase and step of the latest rollout that is not over, else of the last one."""
        SystemClock().sleep(LOOK_S)
        told = self._bash(f"{COMMAND} list --output json")
        rollouts = json.loads(told.stdout)["rollouts"] if told.returncode == 0 else []
        if not rollouts:
            return ""
        return self._bash(f"{COMMAND} status {rollouts[0]['id']}").stdout

    def _run(self, line, how):
        expected = int((_CODE.search(how) or ["", "0"])[1])
        if how == "retry":
            until(lambda: SystemClock().sleep(LOOK_S) or not self._bash(line).returncode, line)
            return
        said = self._bash(line)
        assert said.returncode == expected, f"{line}\n{said.stdout}\n{said.stderr}"
        assert "Traceback" not in said.stderr

    def _bash(self, line):
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
