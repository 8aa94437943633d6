"""`plan --against`: what changed since a run, in the playbook and on its targets."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def run_before(rolloutctl, folder):
    """A rollout that was killed; then the playbook and the flag were edited."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("kill", "r-1")
    path = folder / "seconds.yaml"
    path.write_text(path.read_text().replace("canary: 25%", "canary: 27%"))
    return rolloutctl


def test_differences_are_told_below_the_plan(run_before):
    """By their path, with both values; targets too."""
    said = run_before("plan", "seconds.yaml", "--against", "r-1")

    assert "against r-1 (killed, began " in said.out
    assert "~ steps[2].canary: 25% -> 27%" in said.out
    assert "target llm" in said.out.partition("against r-1")[2]


def test_machines_get_the_same(run_before):
    """With the plan in one document."""
    said = run_before("plan", "seconds.yaml", "--against", "r-", "--output", "json")

    against = json.loads(said.out)["against"]
    assert (against["rollout"], against["phase"], against["same_playbook"]) == (
        "r-1",
        "killed",
        False,
    )
    assert [one["change"] for one in against["differences"]] == ["changed"]


def test_an_unknown_rollout_is_one_error_and_nothing_is_asked(run_before):
    """Exit 3, with those that exist."""
    said = run_before("plan", "seconds.yaml", "--against", "nothing")

    assert said.exit_code == 3
    assert "r-1" in said.err
    assert said.out == ""


def test_a_target_that_cannot_be_read_now_is_not_passed_over(run_before, folder):
    """It is neither the same nor different, and said so."""
    (folder / "flags.json").unlink()

    said = run_before("plan", "seconds.yaml", "--against", "r-1")
    document = json.loads(
        run_before("plan", "seconds.yaml", "--against", "r-1", "--output", "json").out
    )

    assert "? target llm: not a target of this playbook, or not readable now" in said.out
    (target,) = document["against"]["targets"]
    assert (target["same"], target["now"]) == (None, None)
