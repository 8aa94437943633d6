"""A `run` step driven by the real command: the composition root knows how to run it."""

import pytest

from e2e.real_command import Place

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
