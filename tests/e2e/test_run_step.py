"""A `run` step driven by the real command: the composition root knows how to run it."""

import signal

import pytest

from e2e.real_command import PATIENCE_S, Place, until

pytestmark = pytest.mark.real


def test_a_command_of_a_playbook_is_run_once_with_its_key(tmp_path):
    """The step's command ran, saw its key, and the rollout went on."""
    place = Place(tmp_path)
    place.write_playbook(
        'steps:\n  - {run: {command: "echo ran $ROLLOUTCTL_KEY >> ran.txt"}}\n  - {canary: 5%}\n'
    )

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran.txt").read_text().startswith("ran r-1:")
    assert place.served() == (500, 0)


def test_a_command_that_fails_takes_the_rollout_back(tmp_path):
    """Exit 10 with the command's own words; the file is as it was, to the byte."""
    place = Place(tmp_path)
    place.write_playbook("steps:\n  - {canary: 5%}\n  - {run: {command: 'echo no luck; exit 3'}}\n")
    before = place.flags.read_bytes()

    done = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert done.returncode == 10, done.stderr
    assert "exit 3" in done.stdout
    assert "no luck" in done.stdout
    assert place.flags.read_bytes() == before


#: A command with a child, which both outlive any test unless somebody ends them.
LASTING = 'steps:\n  - {canary: 5%}\n  - {run: {command: "sleep 600 & echo $$ > pid; wait"}}\n'


def lasting(tmp_path):
    """A driver whose command is at work."""
    place = Place(tmp_path)
    place.write_playbook(LASTING)
    driver = place.spawn("start", place.playbook, "--auto", "--on-exit", "leave", "--id", "r-1")
    until((tmp_path / "pid").exists, "the command's beginning")
    return place, driver


def test_an_interrupted_driver_leaves_no_command_behind(tmp_path):
    """Command and child are gone when the driver is, the journal says so, the weight stays."""
    place, driver = lasting(tmp_path)

    driver.process.send_signal(signal.SIGINT)

    assert driver.process.wait(PATIENCE_S) == 130, driver.err
    assert place.left_behind() == []
    assert "ended because its driver stopped" in place.run("explain", "r-1").stdout
    assert place.served() == (500, 0)


def test_a_command_that_was_ended_asks_before_it_is_run_again(tmp_path):
    """The next driver pauses and names the answers; an override counts it as done."""
    place, driver = lasting(tmp_path)
    driver.process.send_signal(signal.SIGTERM)
    driver.process.wait(PATIENCE_S)

    passed = place.run("tick")
    promoted = place.run("promote", "r-1", "--override", "--reason", "done by hand")

    assert passed.returncode == 0, passed.stderr
    assert "resume runs it again" in passed.stdout + passed.stderr
    assert promoted.returncode == 0, promoted.stderr
    assert place.left_behind() == []


@pytest.mark.parametrize(("verb", "code"), [("kill", 13), ("rollback", 14)])
def test_the_way_back_does_not_wait_for_a_command(tmp_path, verb, code):
    """Its driver sees the request while the command runs, ends it, and goes."""
    place, driver = lasting(tmp_path)

    asked = place.run(verb, "r-1", "--reason", "bad answers")

    assert asked.returncode in {0, code}, asked.stderr
    assert driver.process.wait(PATIENCE_S) == code, driver.err
    assert place.left_behind() == []
    assert "ended because the rollout" in place.run("explain", "r-1").stdout
    assert place.served() == (0, 0)


def test_a_pass_stays_with_its_command_to_the_end(tmp_path):
    """`tick` from cron would else end it each time, and the rollout never get further."""
    place = Place(tmp_path)
    command = "if [ -e pid ]; then sleep 1; touch done; else echo $$ > pid; sleep 600; fi"
    place.write_playbook(f'steps:\n  - {{run: {{command: "{command}", on_crash: rerun}}}}\n')
    driver = place.spawn("start", place.playbook, "--auto", "--on-exit", "leave", "--id", "r-1")
    until((tmp_path / "pid").exists, "the command's beginning")
    driver.process.send_signal(signal.SIGINT)
    driver.process.wait(PATIENCE_S)

    passed = place.run("tick")

    assert passed.returncode == 0, passed.stderr
    assert (tmp_path / "done").exists()
    assert "succeeded" in place.run("status", "r-1").stdout
