"""A verb that does not help now names the one that does; what is over shows how it ended."""

import pytest

TWO_TARGETS = """
apiVersion: rolloutctl/v1
kind: Playbook
name: two
targets:
  model:
    provider: flagd-file
    file: ${env.FOLDER}/flags.json
    flag: llm-model
    control: {is: gpt-4}
    canary: {is: claude-3-5-sonnet}
  mode:
    provider: flagd-file
    file: ${env.FOLDER}/flags.json
    flag: llm-shadow
    control: {is: "off"}
    canary: {is: "on"}
steps:
  - {canary: 100%, hold: 1s}
limits: {deadline: 1m}
"""


@pytest.fixture
def asking(rolloutctl):
    """A rollout that serves the canary to a quarter and waits for an answer."""
    assert rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1").exit_code == 8


@pytest.fixture
def succeeded(rolloutctl):
    """A rollout that is done: the canary is served to everybody."""
    code = rolloutctl("start", "seconds.yaml", "--auto", "--approve-all", "--id", "r-1").exit_code
    assert code == 0


@pytest.mark.usefixtures("asking")
def test_a_promotion_of_a_paused_rollout_names_resume(rolloutctl):
    """Waiting for gates would not help: none is what stands in the way."""
    rolloutctl("pause", "r-1")

    said = rolloutctl("promote", "r-1")

    assert said.exit_code == 6
    assert "hint: rolloutctl resume r-1, then rolloutctl promote r-1" in said.err


@pytest.mark.usefixtures("succeeded")
def test_a_rollback_of_what_succeeded_names_the_kill_that_goes_back(rolloutctl):
    """Somebody wants the old model back: the rollout is over, the way there is not."""
    said = rolloutctl("rollback", "r-1")

    assert said.exit_code == 6
    assert "rolloutctl kill r-1 --to CONTROL" in said.err


def test_a_kill_of_what_succeeded_names_each_target_where_their_controls_differ(rolloutctl, folder):
    """No one arm is the safe one of both: what is printed can be run, line by line."""
    (folder / "two.yaml").write_text(TWO_TARGETS)
    assert rolloutctl("start", "two.yaml", "--auto", "--id", "r-1").exit_code == 0

    said = rolloutctl("kill", "r-1")

    assert said.exit_code == 2
    place = "rolloutctl kill 'flagd-file://$PWD/flags.json"
    assert f"{place}#llm-model' --to gpt-4; {place}#llm-shadow' --to off" in said.err


@pytest.mark.usefixtures("succeeded")
def test_the_list_says_of_a_rollout_that_is_over_what_it_left(rolloutctl):
    """Its share is history: a kill since then is recorded nowhere in it."""
    rolloutctl("kill", "r-1", "--to", "gpt-4")

    said = rolloutctl("list")

    assert "left llm (canary 100%)" in said.out


@pytest.mark.usefixtures("asking")
def test_a_killed_rollout_says_why_and_exposes_nothing(rolloutctl, folder):
    """The reason of a kill by address is kept in the journal of the rollout it ended."""
    address = f"flagd-file://{folder}/flags.json#llm-model"
    rolloutctl("kill", address, "--to", "gpt-4", "--reason", "bad answers")

    assert "the kill's reason: bad" in rolloutctl("status", "r-1").out
    listed = rolloutctl("list").out.splitlines()[1].split()
    assert listed == ["r-1", "killed", "1", "control", "only", "-"]


@pytest.mark.usefixtures("asking")
def test_an_arm_that_was_mistyped_is_named(rolloutctl, folder):
    """Nothing was touched by the rollout's id; the address is not confirmed."""
    by_id = rolloutctl("kill", "r-1", "--to", "gpt4")
    by_address = rolloutctl("kill", f"flagd-file://{folder}/flags.json#half", "--to", "gpt4")

    assert by_id.exit_code == 2
    assert "did you mean --to gpt-4?" in by_id.err
    assert by_address.exit_code == 20
    assert "did you mean gpt-4?" in by_address.out


@pytest.mark.usefixtures("asking")
def test_a_kill_that_is_not_confirmed_names_the_kill_that_repairs(rolloutctl, folder):
    """After the fence no rollback and no agent helps."""
    flags = folder / "flags.json"
    whole = flags.read_text()
    flags.write_text("{")
    said = rolloutctl("kill", "r-1")

    asked = rolloutctl("rollback", "r-1")
    flags.write_text(whole)
    again = rolloutctl("kill", "r-1")

    assert said.exit_code == 20
    assert "then kill again: rolloutctl kill r-1" in said.err
    assert asked.exit_code == 6
    assert "then: rolloutctl kill r-1" in asked.err
    assert again.exit_code == 0
