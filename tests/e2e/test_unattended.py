"""`agent` and `tick` as real processes: what they drive, take over, and leave."""

import json
import signal
from datetime import datetime, timedelta

import pytest

from e2e.hook import Hook
from e2e.real_command import FLAGS, Place, until
from rolloutctl.clock import SystemClock

pytestmark = pytest.mark.real

#: Below the 15 s after which a silent driver's lease runs out by itself, renewals included.
TAKEN_OVER = timedelta(seconds=10)


@pytest.fixture
def place(tmp_path):
    """A folder to run commands in; whatever still runs at the end is ended."""
    place = Place(tmp_path)
    place.running = []
    yield place
    for running in place.running:
        running.stop()


def _agent(place):
    agent = place.spawn("agent", "--poll", "0.1")
    place.running.append(agent)
    return agent


def _begin(place, rollout, steps):
    place.write_playbook(f"steps:\n{steps}")
    said = place.run("start", place.playbook, "--auto", "--detach", "--id", rollout)
    assert said.returncode == 0, said.stderr


def _begin_other(place, rollout, steps):
    """A rollout of another flag file: two open rollouts never share an address."""
    other = place.folder / "other"
    other.mkdir()
    elsewhere = Place(other, ROLLOUTCTL_STORE=str(place.journal))
    _begin(elsewhere, rollout, steps)
    return elsewhere


def _phases(place):
    said = place.run("list", "--output", "json")
    assert said.returncode == 0, said.stderr
    return {one["id"]: one["phase"] for one in json.loads(said.stdout)["rollouts"]}


def test_an_agent_drives_two_detached_rollouts_to_their_ends(place):
    """One succeeds, the other fails its command and is taken back; neither disturbs the other."""
    before = place.flags.read_bytes()
    _begin(place, "r-bad", "  - {canary: 5%}\n  - {run: {command: 'exit 3'}}\n")
    elsewhere = _begin_other(place, "r-good", "  - {canary: 5%, hold: 1s}\n  - {canary: 100%}\n")

    agent = _agent(place)
    until(
        lambda: _phases(place) == {"r-bad": "rolled-back", "r-good": "succeeded"}, "both are over"
    )
    agent.process.send_signal(signal.SIGTERM)

    assert agent.end() == 130, agent.err
    assert place.flags.read_bytes() == before
    assert elsewhere.served() == (10_000, 0)
    assert "r-good  " in agent.out
    assert "UNWATCHED" not in agent.err


def test_an_agent_that_was_killed_is_followed_at_once(place):
    """After kill -9 the next agent does not wait for the lease to run out."""
    _begin(place, "r-1", "  - {canary: 5%, hold: 10m}\n")
    first = _agent(place)
    until(lambda: place.served() == (500, 0), "the first agent drives")
    first.process.kill()
    first.end()

    killed_at = SystemClock().now()
    second = _agent(place)
    until(lambda: "driven from here on" in second.err, "the second agent drives")

    assert _last_taken_at(place) - killed_at < TAKEN_OVER
    assert place.served() == (500, 0)


def _last_taken_at(place):
    """When the last driver took the lease, as the journal has it."""
    lines = place.run("explain", "r-1", "--output", "ndjson").stdout.splitlines()
    taken = [one for one in map(json.loads, lines) if one["event"]["kind"] == "LeaseTaken"]
    return datetime.fromisoformat(taken[-1]["at"])


@pytest.mark.parametrize("successor", ["tick", "start"])
def test_a_driver_that_was_killed_is_followed_at_once_by(place, successor):
    """The same for a pass from cron, and for the next pipeline job."""
    place.write_playbook("steps:\n  - {canary: 5%, hold: 2s}\n  - {canary: 25%}\n")
    run = place.spawn("start", place.playbook, "--auto", "--id", "r-1")
    place.running.append(run)
    until(lambda: place.served() == (500, 0), "the first driver drives")
    run.process.kill()
    run.end()

    killed_at = SystemClock().now()
    if successor == "tick":
        until(lambda: place.run("tick").returncode == 0 and place.served() == (2_500, 0), "done")
    else:
        assert place.run("start", place.playbook, "--auto", "--id", "r-1").returncode == 0

    assert _last_taken_at(place) - killed_at < TAKEN_OVER
    assert place.served() == (2_500, 0)


def test_passes_from_cron_run_the_steps_and_leave_no_process(place):
    """Each pass does what is due, a command included, and exits 0."""
    _begin(place, "r-1", "  - {canary: 5%, hold: 1s}\n  - {run: {command: 'echo x >> ran.txt'}}\n")

    first = place.run("tick")
    assert first.returncode == 0, first.stderr
    assert place.served() == (500, 0)
    assert "holds for" in first.stdout
    until(
        lambda: place.run("tick").returncode == 0 and _phases(place)["r-1"] == "succeeded",
        "the last pass",
    )

    assert (place.folder / "ran.txt").read_text() == "x\n"
    assert place.left_behind() == []


def test_a_pass_names_what_cannot_go_on_and_drives_the_rest(place):
    """A target's file that is gone pauses its rollout; the other one goes on all the same."""
    _begin(place, "r-gone", "  - {canary: 5%}\n")
    elsewhere = _begin_other(place, "r-good", "  - {canary: 100%}\n")
    place.flags.unlink()

    said = place.run("tick")

    assert _phases(place)["r-good"] == "succeeded"
    assert elsewhere.served() == (10_000, 0)
    assert "r-gone  paused" in said.stdout
    assert "flags.json does not exist" in said.stdout
    place.flags.write_text(FLAGS)
    assert place.run("resume", "r-gone").returncode == 0
    until(
        lambda: place.run("tick").returncode == 0 and place.served() == (500, 0),
        "the pause before the next try is over",
    )


def test_an_http_step_is_sent_once_with_its_key_and_its_failure_goes_back(place):
    """A status that is not expected takes the rollout back, exit 10; the call named its key."""
    hook = Hook()
    steps = f'  - {{canary: 5%}}\n  - {{run: {{http: {{url: "{hook.url}", body: warm}}}}}}\n'
    before = place.flags.read_bytes()
    place.write_playbook(f"steps:\n{steps}")

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")
    place.flags.write_bytes(before)
    hook.status = 500
    failed = place.run("start", place.playbook, "--auto", "--id", "r-2")
    hook.close()

    assert done.returncode == 0, done.stderr
    assert failed.returncode == 10, failed.stderr
    assert place.flags.read_bytes() == before
    assert [body for _, _, body in hook.calls] == ["warm", "warm"]
    keys = [headers["Idempotency-Key"] for _, headers, _ in hook.calls]
    assert [key.partition(":")[0] for key in keys] == ["r-1", "r-2"]
    assert "500" in failed.stdout


def test_a_failing_command_with_on_fail_pause_holds_the_weight(place):
    """`on_fail: pause` is what the playbook declares: nothing is taken back."""
    place.write_playbook(
        "on_fail: pause\nsteps:\n  - {canary: 5%}\n  - {run: {command: 'exit 3'}}\n"
    )

    said = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert said.returncode == 8, said.stderr
    assert place.served() == (500, 0)
    assert "UNWATCHED" in said.stderr
