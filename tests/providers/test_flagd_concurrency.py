"""Several real processes on one flag file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from providers.flagd_files import FILE, target_in
from rolloutctl.clock import monotonic_s
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.providers.flagd_file import FlagdFile

TESTS = str(Path(__file__).resolve().parents[1])
PROVIDER = FlagdFile()
ROUNDS = 60
PREAMBLE = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from providers.flagd_files import target_in
from rolloutctl.core.exposure import split
from rolloutctl.errors import Conflict, RolloutctlError
from rolloutctl.providers.flagd_file import FlagdFile
provider, path = FlagdFile(), Path(sys.argv[1])
target = target_in(path, shadow=None, flag=sys.argv[3])
"""
#: Adds one basis point ROUNDS times by compare-and-set: a lost update would show in the sum.
ADD = """
done = 0
while done < int(sys.argv[4]):
    seen = provider.observe(target)
    wanted = split(seen.exposure.canary_bp + 1)
    try:
        provider.apply(target, wanted, key="k", expect=seen.version, timeout_s=10.0)
        done += 1
    except Conflict:
        pass
"""
#: Stops itself between the last check and the rename, where a write is past every fence.
STALL = """
real = Path.rename
def rename(self, to):
    print("stopping", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    return real(self, to)
Path.rename = rename
seen = provider.observe(target)
try:
    provider.apply(target, split(10_000), key="k", expect=seen.version, timeout_s=600.0)
    print("landed")
except RolloutctlError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(FILE.encode())
    return path


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


@pytest.fixture
def start(path):
    """Starts a process; whatever still runs at the end is ended."""
    running = []

    def begin(code, flag="llm"):
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + code, str(path), TESTS, flag, str(ROUNDS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def test_no_update_is_lost_between_two_processes(path, start):
    """Each adds one basis point at a time; the sum is what both added."""
    processes = [start(ADD), start(ADD)]

    while any(process.poll() is None for process in processes):
        json.loads(path.read_bytes())  # never half a file

    assert [process.returncode for process in processes] == [0, 0]
    assert PROVIDER.observe(target_in(path)).exposure == split(2 * ROUNDS)
    assert names(path) == ["flags.json"]


def test_two_flags_of_one_file_are_driven_by_two_processes(path, start):
    """Neither write takes the other flag back."""
    text = path.read_text()
    flag = text[text.index('"llm": {') : text.index('"llm-shadow"')]
    path.write_text(text.replace(flag, flag + flag.replace('"llm"', '"second"')))
    processes = [start(ADD), start(ADD, "second")]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]

    for name in ("llm", "second"):
        target = target_in(path, shadow=None, flag=name)
        assert PROVIDER.observe(target).exposure == split(ROUNDS)


def test_a_writer_stopped_right_before_its_rename_neither_delays_nor_undoes_a_kill(path, start):
    """SIGSTOP holds the lock for ever; SIGCONT finds its write taken back."""
    process = start(STALL)
    assert process.stdout.readline() == "stopping\n"
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)

    began_s = monotonic_s()
    receipt = PROVIDER.kill(target_in(path), timeout_s=10.0)
    took_s = monotonic_s() - began_s
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=30)

    assert took_s < 3.0
    assert receipt.unsettled_s > 0
    assert said.startswith("Conflict")
    assert "a kill took this write back" in said
    assert PROVIDER.observe(target_in(path)).exposure == ZERO
    assert names(path) == ["flags.json"]


def test_the_lock_of_a_dead_process_is_free_and_its_leftovers_are_cleared(path, start):
    """Kill -9 between writing and renaming."""
    process = start(STALL)
    assert process.stdout.readline() == "stopping\n"
    process.kill()
    process.wait(timeout=30)
    assert len(names(path)) == 2

    PROVIDER.apply(target_in(path), split(500), key="k", expect=None, timeout_s=1.0)

    assert names(path) == ["flags.json"]
