"""`rolloutctl demo` as a user runs it: the real command, real processes, real traffic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rolloutctl.clock import SystemClock, monotonic_s

pytestmark = pytest.mark.real

COMMAND = str(Path(sys.executable).parent / "rolloutctl")
#: The demo takes about 35 s; a busy machine gets time.
TIMEOUT_S = 150


def _environ(tmp_path):
    """Nothing of the user's: an own home, no store, no terminal."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}


def _demo(tmp_path, *arguments):
    try:
        return subprocess.run(
            [COMMAND, "demo", *arguments],
            env=_environ(tmp_path),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:  # what it waited for is the whole story
        said = [(text or b"").decode() for text in (expired.stderr, expired.stdout)]
        pytest.fail(f"not done after {TIMEOUT_S} s; it said:\n{said[0]}\n{said[1]}")


def _demo_processes(folder):
    """Command lines of processes that were started with this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode()
            environ = (entry / "environ").read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue
        if "rolloutctl" in command and str(folder) in environ:
            found.append(command.replace("\0", " "))
    return found


def _until(condition, timeout_s):
    deadline_s = monotonic_s() + timeout_s
    while not condition() and monotonic_s() < deadline_s:
        SystemClock().sleep(0.05)
    return condition()


def test_the_demo_reaches_full_weight_and_leaves_nothing_behind(tmp_path):
    """Exit 0 after 100 %; no process and no folder is left."""
    done = _demo(tmp_path)

    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    assert _demo_processes(tmp_path) == []
    assert list(tmp_path.glob("rolloutctl-demo-*")) == []


def test_a_stage_for_somebody_who_drives_stays_until_ctrl_c(tmp_path):
    """It says what to type; its playbook lints; no process and no folder is left."""
    with subprocess.Popen(
        [COMMAND, "demo", "--hands-on"],
        env=_environ(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        lines = list(iter(demo.stdout.readline, "here: Ctrl-C ends the application\n"))
        folder = Path(lines[1].split()[1])
        linted = subprocess.run(
            [COMMAND, "lint", "playbook.yaml"], cwd=folder, env=_environ(tmp_path), check=False
        )
        demo.send_signal(signal.SIGINT)
        code = demo.wait(TIMEOUT_S)

    assert linted.returncode == 0
    assert code == 0
    assert any(line.strip().startswith("touch bad") for line in lines)
    assert not folder.exists()
    assert _demo_processes(tmp_path) == []


def test_the_regression_is_taken_back_and_the_file_restored_to_the_byte(tmp_path):
    """Exit 10, one JSON document that says so, and the kept file is the first one."""
    folder = tmp_path / "kept"

    done = _demo(tmp_path, "--regression", "--keep", str(folder), "--output", "json")

    assert done.returncode == 10, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "Demo"
    assert document["exit_code"] == 10
    assert document["flags_restored"] is True
    template = Path(__file__).resolve().parents[2] / "src/rolloutctl/demo/flags.json"
    assert (folder / "flags.json").read_bytes() == template.read_bytes()
    assert _demo_processes(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_takes_the_model_back_and_leaves_no_process(tmp_path, how):
    """Ctrl-C in the middle of the rollout: rolled back, exit 14, service and traffic are gone."""
    with subprocess.Popen(
        [COMMAND, "demo"],
        env=_environ(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as demo:
        said = []
        for line in demo.stdout:
            said.append(line)
            if "observed canary 0%, shadow 10%" in line:
                break
        os.killpg(demo.pid, how)
        said += demo.communicate(timeout=60)

    output = "".join(filter(None, said))
    assert demo.returncode == 14, output
    assert "as before, to the byte" in output
    assert _until(lambda: _demo_processes(tmp_path) == [], 10)
    assert list(tmp_path.glob("rolloutctl-demo-*")) == []
