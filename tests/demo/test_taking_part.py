"""The commands that the demo prints for another terminal work as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

COMMAND = str(Path(sys.executable).parent / "rolloutctl")
TIMEOUT_S = 150


def test_the_printed_commands_work_from_another_terminal_without_a_path(tmp_path):
    """Copied as they are, where rolloutctl is not on the PATH: looked at, explained, killed."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(
        [COMMAND, "demo"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed: dict[str, str] = {}
        answers = {}
        watching = None
        for line in demo.stdout:
            found = re.match(r"  (\S+ (watch|status|explain|kill) --store .*)", line)
            if found:
                printed[found[2]] = found[1]
            if "observed canary 5%" in line:
                break
        watching = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {printed.pop('watch')}"],
            env=environ,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for verb, words in printed.items():
            answers[verb] = subprocess.run(
                ["/bin/sh", "-c", words],
                env=environ,
                cwd="/",
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        demo.stdout.read()
        code = demo.wait(TIMEOUT_S)
        watched, _ = watching.communicate(timeout=TIMEOUT_S)
    finally:
        if watching is not None:
            watching.kill()
            watching.stdout.close()
        demo.kill()
        demo.stdout.close()

    assert list(answers) == ["status", "explain", "kill"]
    assert {verb: one.returncode for verb, one in answers.items()} == dict.fromkeys(answers, 0)
    assert "canary 5%" in answers["status"].stdout
    assert "kill asked by" in watched
    assert watching.returncode == 13
    assert code == 13
