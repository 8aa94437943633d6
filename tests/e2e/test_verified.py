"""`verify_exposure` in a real process, with the real OpenFeature SDK on the flag file."""

import re

import pytest

from e2e.real_command import Place, until
from rolloutctl.clock import monotonic_s

pytestmark = pytest.mark.real

#: A whole process on a busy machine; a sample of the SDK takes up to 60 s.
KILL_MAX_S = 10.0
STEPS = """verify_exposure: true
defaults: {interval: 500ms, on_no_data: wait, on_error: wait, on_inconclusive: wait}
steps:
  - {shadow: 10%, hold: 500ms}
  - {canary: 25%, hold: 500ms}
  - {canary: 100%}
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_each_step_waits_until_the_sdk_serves_what_was_written(place):
    """Also one without a hold, and one that only mirrors."""
    place.write_playbook(STEPS)

    said = place.run("start", place.playbook, "--auto", "--id", "r-1")

    assert said.returncode == 0, said.stderr
    told = place.run("explain", "r-1", "--output", "json", "--replay")
    verified = re.findall(r"the SDK serves [^\"]* of 5,000 units", told.stdout)
    for intended in ("shadow 10%", "canary 25%", "canary 100%"):
        arm, share = intended.split()
        assert any(re.search(rf"{arm} \S+ \(intended {share}\)", one) for one in verified), intended
    assert told.returncode == 0, told.stderr


def test_a_pass_of_cron_stays_until_the_sdk_has_answered(place):
    """A sample dies with its process: each pass would begin another, and none would end."""
    place.write_playbook(STEPS.replace("hold: 500ms", "hold: 100ms"))
    place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1")

    passes = [place.run("tick") for _ in range(2)]

    assert place.served()[0] == 10_000, passes[0].stdout + passes[0].stderr
    assert place.run("status", "r-1").returncode == 0


def test_a_kill_does_not_wait_for_the_sdk(place):
    """Right after the write, when the sample is taken; the driver ends at once, too."""
    place.write_playbook(STEPS)
    driver = place.spawn("start", place.playbook, "--auto", "--id", "r-1")
    until(lambda: place.served()[0] == 2_500, "the canary is written")

    began_s = monotonic_s()
    killed = place.run("kill", "r-1")

    took_s = monotonic_s() - began_s
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert place.served() == (0, 0)
    assert took_s < KILL_MAX_S
    assert driver.end() == 13


def test_plan_says_that_the_sdk_can_be_asked(place):
    """And names the gate among what each step waits for."""
    place.write_playbook(STEPS)

    said = place.run("plan", place.playbook)

    assert "verify_exposure: the SDK of target llm answers" in said.stdout
    assert "exposure" in said.stdout
