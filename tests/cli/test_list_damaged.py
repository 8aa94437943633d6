"""One rollout whose journal is damaged: the others are still seen, and begun."""

import json
import sqlite3

import pytest


@pytest.fixture
def one_is_damaged(rolloutctl, folder):
    """`r-1` can be followed; of `r-2`, on another target, only the first event is left."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    other = (folder / "seconds.yaml").read_text().replace("flag: llm-model", "flag: other")
    (folder / "other.yaml").write_text(other)
    flags = json.loads((folder / "flags.json").read_text())
    flags["flags"]["other"] = flags["flags"]["llm-model"]
    flags["flags"]["third"] = flags["flags"]["llm-model"]
    (folder / "flags.json").write_text(json.dumps(flags))
    assert rolloutctl("start", "other.yaml", "--auto", "--id", "r-2").exit_code == 8
    connection = sqlite3.connect(folder / "journal.db")
    with connection:
        connection.execute("DELETE FROM event WHERE id = (SELECT max(id) - 1 FROM event)")
    connection.close()


@pytest.mark.usefixtures("one_is_damaged")
@pytest.mark.parametrize("command", ["list", "status"])
def test_the_others_are_listed_and_the_damaged_one_is_named(rolloutctl, command):
    """At 3 a.m. one bad row may not hide the rest; exit 5, because it is not the whole list."""
    said = rolloutctl(command, "--output", "json")

    assert [one["id"] for one in json.loads(said.out)["rollouts"]] == ["r-1"]
    assert "error: r-2: the journal cannot be followed" in said.err
    assert said.exit_code == 5


@pytest.mark.usefixtures("one_is_damaged")
def test_another_target_can_be_started_beside_it(rolloutctl, folder):
    """What a rollout holds stands in the journal by itself; nobody has to follow its events."""
    third = (folder / "seconds.yaml").read_text().replace("flag: llm-model", "flag: third")
    (folder / "third.yaml").write_text(third)

    held = rolloutctl("start", "other.yaml", "--auto", "--detach", "--id", "r-3")
    free = rolloutctl("start", "third.yaml", "--auto", "--detach", "--id", "r-4")

    assert held.exit_code == 6
    assert "is being changed by the open rollout r-2" in held.err
    assert free.exit_code == 0, free.err
