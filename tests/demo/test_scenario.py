"""The demo's stage with its real processes, driven by a function of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.demo import scenario
from rolloutctl.errors import Unavailable, UsageError

pytestmark = pytest.mark.real

_PARENT = """
import sys, time
from pathlib import Path
from rolloutctl.demo import scenario

def drive(stage):
    print(stage.folder, flush=True)
    time.sleep(60)
    return 0

try:
    scenario.run(scenario.Options(), drive=drive, tell=lambda line: None)
except KeyboardInterrupt:
    sys.exit(130)
"""


def _say_nothing(_line):
    pass


def _processes_of(folder: str) -> list[int]:
    """Process ids whose command line names the folder, or traffic to its service."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if entry.name.isdigit() and folder in command and "rolloutctl.demo" in command:
            found.append(int(entry.name))
    return found


def _until(condition, timeout_s=10.0) -> bool:
    deadline_s = monotonic_s() + timeout_s
    while monotonic_s() < deadline_s:
        if condition():
            return True
        SystemClock().sleep(0.05)
    return condition()


def _children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return [int(child) for child in text.split()]


def test_the_driver_gets_a_playbook_of_this_run_and_real_traffic():
    """The playbook names this run's flag file and address, and answers are being served."""
    seen = {}

    def drive(stage):
        seen["playbook"] = stage.playbook.read_text("utf-8")
        seen["stage"] = stage
        seen["served"] = scenario.served_answers(int(stage.url.rsplit(":", 1)[1]))
        return 7

    outcome = scenario.run(scenario.Options(), drive=drive, tell=_say_nothing)

    assert outcome == scenario.Outcome(exit_code=7, flags_as_before=True)
    assert str(seen["stage"].flags) in seen["playbook"]
    assert f"{seen['stage'].url}/metrics" in seen["playbook"]
    assert "127.0.0.1:8100" not in seen["playbook"]
    assert seen["served"] >= scenario.WARM_ANSWERS
    assert not seen["stage"].folder.exists()


def test_a_changed_flag_file_is_told():
    """One byte more than before is not "as before"."""

    def drive(stage):
        stage.flags.write_bytes(stage.flags.read_bytes() + b"\n")
        return 0

    outcome = scenario.run(scenario.Options(), drive=drive, tell=_say_nothing)

    assert not outcome.flags_as_before


def test_a_kept_folder_stays_with_its_instructions(tmp_path):
    """Flags, playbook and the commands to go on with are there afterwards."""
    folder = tmp_path / "pieces"

    scenario.run(scenario.Options(keep=folder), drive=lambda _: 0, tell=_say_nothing)

    assert json.loads((folder / "flags.json").read_text("utf-8"))["flags"]["llm-model"]
    said = (folder / "README.txt").read_text("utf-8")
    # The way back first: the demo leaves the canary at 100%, and plan refuses to begin there.
    assert 0 < said.index("rolloutctl kill") < said.index("rolloutctl plan")
    assert said.index("rolloutctl plan") < said.index("rolloutctl start")
    for verb in ("watch", "promote", "pause", "resume", "rollback", "explain", "kill"):
        assert f"rolloutctl {verb} --store {folder / 'journal.db'} ROLLOUT" in said
    assert (folder / "playbook.yaml").exists()


def test_a_folder_with_things_in_it_is_refused_before_anything_starts(tmp_path):
    """Nobody's files are overwritten."""
    (tmp_path / "mine.txt").write_text("mine", "utf-8")

    with pytest.raises(UsageError, match="not empty"):
        scenario.run(scenario.Options(keep=tmp_path), drive=lambda _: 0, tell=_say_nothing)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("", "utf-8")

    with pytest.raises(UsageError, match="cannot be used"):
        scenario.run(
            scenario.Options(keep=tmp_path / "file" / "below"),
            drive=lambda _: 0,
            tell=_say_nothing,
        )


def test_a_service_that_cannot_start_says_why(tmp_path, monkeypatch):
    """Its last words are in the hint, and nothing is left running."""
    monkeypatch.setattr("rolloutctl.demo.scenario._template", lambda _: "not JSON")

    with pytest.raises(Unavailable) as raised:
        scenario.run(scenario.Options(keep=tmp_path / "d"), drive=lambda _: 0, tell=print)

    assert "did not start" in raised.value.message
    assert "Error" in raised.value.hint
    assert _processes_of(str(tmp_path)) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_however_the_parent_ends(how, tmp_path):
    """Ctrl-C, SIGTERM, a closed terminal, even kill -9: service and traffic end too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    folder = parent.stdout.readline().strip()
    children = _children_of(parent.pid)
    assert len(children) == 2

    parent.send_signal(how)
    parent.wait(10)
    parent.stdout.close()

    assert _until(lambda: not any(_is_alive(child) for child in children))
    if how != signal.SIGKILL:
        assert parent.returncode == 130
        assert not Path(folder).exists()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie of a parent killed with -9 waits for whoever adopted it; it runs no more.
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"
