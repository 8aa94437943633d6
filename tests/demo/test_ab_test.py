"""The A/B playbook on a real application: real flags, real SDK, real traffic, real counters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.demo import processes, scenario

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ROOT / "src/rolloutctl/demo/flags.json"
PLAYBOOK = (ROOT / "playbooks/ab-test.yaml").read_text("utf-8")
TIMEOUT_S = 120
#: A week in seconds: the arms differ by 30 points, so that 173 units each show it always.
IN_SECONDS = (
    ("interval: 1m", "interval: 500ms"),
    ("warm_up: 5m", "warm_up: 1s"),
    ("hold: 7d", "hold: 3s"),
    ("hold: 1h", "hold: 2s"),
    ("effect: +5pp", "effect: +15pp"),
    ("window: 10m", "window: 3s"),
    ("min_sample: 200", "min_sample: 20"),
)


@pytest.fixture
def application(tmp_path):
    """The demo's service and its users, each asking once; both end with the test."""
    flags = tmp_path / "flags.json"
    flags.write_bytes(FLAGS.read_bytes())
    service = processes.start(
        "rolloutctl.demo.service", ["--flags", str(flags)], log=tmp_path / "service.log"
    )
    port = int(service.first_line.removeprefix("port "))
    url = f"http://127.0.0.1:{port}"
    users = processes.start(
        "rolloutctl.demo.traffic",
        ["--url", url, "--users", "50000"],
        log=tmp_path / "traffic.log",
    )
    deadline_s = monotonic_s() + 20
    while scenario.served_answers(port) < 30 and monotonic_s() < deadline_s:
        SystemClock().sleep(0.1)
    yield tmp_path, flags, url
    processes.end(users)
    processes.end(service)


def _playbook(folder, *changes):
    text = PLAYBOOK
    for old, new in (*IN_SECONDS, *changes):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "ab.yaml"
    path.write_text(text, "utf-8")
    return path


def _rolloutctl(folder, *words):
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ROLLOUTCTL_STORE": str(folder / "journal.db"),
        **{key: value for key, value in os.environ.items() if key == "PYTHONPATH"},
    }
    return subprocess.run(
        [sys.executable, "-m", "rolloutctl.cli.main", *words],
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _run(application, *changes):
    """Starts the playbook; the end, its experiment's last verdict, and the replay."""
    folder, flags, url = application
    inputs = ("--input", f"flags={flags}", "--input", f"metrics={url}/metrics")
    done = _rolloutctl(folder, "start", str(_playbook(folder, *changes)), "--auto", *inputs)
    (row,) = json.loads(_rolloutctl(folder, "list", "--output", "json").stdout)["rollouts"]
    rollout = row.get("rollout") or row["id"]
    told = json.loads(_rolloutctl(folder, "explain", rollout, "--output", "json").stdout)
    replay = _rolloutctl(folder, "explain", rollout, "--replay")
    judged = [one for one in told["events"] if "gate experiment" in one["text"]]
    return done, judged[-1]["text"] if judged else "", replay


def test_the_better_model_is_shipped(application):
    """Units are split by the real SDK, counted by the real application, judged once."""
    done, said, replay = _run(application)

    assert done.returncode == 0, done.stderr
    assert "better, ship as declared" in said, said
    assert "chi-square" in said
    assert (replay.returncode, "all identical" in replay.stderr) == (0, True)
    served = json.loads(application[1].read_text())["flags"]["llm-model"]
    assert "claude-3-5-sonnet" in json.dumps(served)


def test_the_worse_model_is_taken_back_to_the_byte(application):
    """The same application, asked whether fewer solved conversations are what is wanted."""
    done, said, replay = _run(
        application,
        ("want: increase", "want: decrease"),
        ("effect: +15pp", "effect: -15pp"),
    )

    assert done.returncode == 10, done.stderr
    assert "worse, rollback as declared" in said, said
    assert replay.returncode == 0
    assert application[1].read_bytes() == FLAGS.read_bytes()


def test_the_size_is_read_from_the_running_application(application):
    """`abtest size --watch`: units a second now, and control's share now."""
    folder, flags, url = application
    inputs = ("--input", f"flags={flags}", "--input", f"metrics={url}/metrics")

    said = _rolloutctl(
        folder,
        *("abtest", "size", "--playbook", str(_playbook(folder)), "--watch", "3s"),
        *(*inputs, "--output", "json"),
    )

    found = json.loads(said.stdout)
    assert found["units"] == {"control": 173, "canary": 173}
    assert 40 < found["per_s"] < 140
    assert "control's share is" in found["measured"]
