"""`verify_exposure` in a real process, with the real OpenFeature SDK on the flag file."""

import re

import pytest

from e2e.real_command import Place

pytestmark = pytest.mark.real

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


def test_plan_says_that_the_sdk_can_be_asked(place):
    """And names the gate among what each step waits for."""
    place.write_playbook(STEPS)

    said = place.run("plan", place.playbook)

    assert "verify_exposure: the SDK of target llm answers" in said.stdout
    assert "exposure" in said.stdout
