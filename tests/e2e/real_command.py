"""The real command in real processes, in a folder of the test's own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

from rolloutctl.clock import SystemClock, monotonic_s

COMMAND = str(Path(sys.executable).parent / "rolloutctl")
#: No test waits longer for one command, or for something to become true.
PATIENCE_S = 60.0
LOOK_S = 0.02

#: What this process has started and may still run.
_spawned: list[subprocess.Popen] = []


def end_all():
    """Ends what a test left running, which only one that fails does."""
    while _spawned:
        process = _spawned.pop()
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


FLAGS = """{
  "flags": {
    "llm-model": {
      "state": "ENABLED",
      "variants": {"gpt-4": "gpt-4", "claude": "claude"},
      "defaultVariant": "gpt-4"
    },
    "llm-shadow": {
      "state": "ENABLED",
      "variants": {"off": false, "on": true},
      "defaultVariant": "off"
    }
  }
}
"""

PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: e2e
targets:
  llm:
    provider: flagd-file
    file: {folder}/flags.json
    flag: llm-model
    control: {{is: gpt-4}}
    canary: {{is: claude}}
    shadow: {{flag: llm-shadow}}
{steps}
"""


def served(flags):
    """(canary, shadow) in basis points as the file states them; raises on a broken file."""
    document = json.loads(Path(flags).read_bytes())["flags"]
    return _weight(document["llm-model"], "claude"), _weight(document["llm-shadow"], "on")


def _weight(flag, variant):
    rule = flag.get("targeting") or {}
    shares = {share[0]: share[1] for share in rule.get("fractional", []) if isinstance(share, list)}
    total = sum(shares.values())
    return round(10_000 * shares.get(variant, 0) / total) if total else 0


def until(condition, what, patience_s=PATIENCE_S):
    """Waits until `condition()` is truthy and returns its answer."""
    ends_s = monotonic_s() + patience_s
    while not (answer := condition()):
        assert monotonic_s() < ends_s, f"waited {patience_s:g} s in vain: {what}"
        SystemClock().sleep(LOOK_S)
    return answer


class Place:
    """A folder with a flag file, a playbook and a journal; starts commands in it."""

    def __init__(self, folder, **environ):
        self.folder = folder
        self.flags = folder / "flags.json"
        self.playbook = folder / "playbook.yaml"
        self.journal = folder / "journal.db"
        self.flags.write_text(FLAGS)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ROLLOUTCTL_STORE": str(self.journal),
            "COLUMNS": "200",
            **environ,
        }

    def write_playbook(self, steps):
        """Writes a playbook with one target, `llm`; `steps` is everything below targets."""
        self.playbook.write_text(PLAYBOOK.format(folder=self.folder, steps=steps))

    def run(self, *arguments, environ=None):
        """Runs a command to its end."""
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            env={**self.environ, **(environ or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def spawn(self, *arguments, stdin=subprocess.DEVNULL):
        """Starts a command; what it says goes to files, so that it never blocks."""
        name = f"{arguments[0]}-{len(list(self.folder.glob('*.out')))}"
        out, err = self.folder / f"{name}.out", self.folder / f"{name}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [COMMAND, *map(str, arguments)],
                env=self.environ,
                cwd=self.folder,
                stdin=stdin,
                stdout=out_file,
                stderr=err_file,
            )
        _spawned.append(process)
        return Running(process, out, err)

    def at_a_terminal(self, *arguments):
        """Starts a command whose three streams are a terminal."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            env=self.environ,
            cwd=self.folder,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        _spawned.append(process)
        return AtTerminal(process, ours)

    def served(self):
        """(canary, shadow) in basis points now."""
        return served(self.flags)

    def left_behind(self):
        """Command lines of processes that were started in this folder and still run."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environ = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if command and f"HOME={self.folder}".encode() in environ.split(b"\0"):
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found


class Running:
    """A command that runs; `out` and `err` are what it has said so far."""

    def __init__(self, process, out, err):
        self.process = process
        self._out, self._err = out, err

    @property
    def out(self):
        return self._out.read_text()

    @property
    def err(self):
        return self._err.read_text()

    def end(self, patience_s=PATIENCE_S):
        """Its exit code, once it has ended."""
        return self.process.wait(patience_s)

    def stop(self):
        """Ends it, however it stands; for fixtures."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class AtTerminal:
    """A command at a terminal; `said` is the screen so far."""

    def __init__(self, process, terminal):
        self.process = process
        self.said = ""
        self._terminal = terminal
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                chunk = os.read(self._terminal, 4096)
            except OSError:  # Linux says EIO once the other side is closed
                return
            if not chunk:
                return
            self.said += chunk.decode(errors="replace").replace("\r\n", "\n")

    def see(self, word, patience_s=PATIENCE_S):
        """Waits until the word is on the screen."""
        until(lambda: word in self.said, f"{word!r} on the screen: {self.said[-800:]}", patience_s)

    def type(self, text):
        """Types a line."""
        os.write(self._terminal, text.encode())

    def end(self, patience_s=PATIENCE_S):
        """Its exit code, once it has ended and everything is on the screen."""
        code = self.process.wait(patience_s)
        self._reader.join(5)
        return code

    def stop(self):
        """Ends it, however it stands; for fixtures."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        os.close(self._terminal)
