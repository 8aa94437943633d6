"""The kill of rollouts whose journal cannot be followed: nothing else may stay exposed."""

import json
import sqlite3

import pytest


def canary_weight(folder):
    """The share of the flag that `seconds.yaml` drives."""
    flag = json.loads((folder / "flags.json").read_text())["flags"]["llm-model"]
    fractional = flag.get("targeting", {}).get("fractional", [])
    return next((part[1] for part in fractional[1:] if part[0] == "claude-3-5-sonnet"), 0)


@pytest.fixture
def exposed(rolloutctl):
    """A rollout that serves the canary to a quarter and waits for an answer."""
    assert rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1").exit_code == 8


def drop_an_event(connection):
    """A gap: one event in the middle is gone."""
    connection.execute(
        "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 1, 1)"
    )


def drop_all_events(connection):
    """Nothing is left but the row of the rollout."""
    connection.execute("DELETE FROM event")


def name_a_strange_target(connection):
    """Well-formed events about a target that the rollout does not have."""
    connection.execute(
        """UPDATE event SET body = replace(body, '"target":"llm"', '"target":"other"')
        WHERE body LIKE '{"kind":"Intended"%'"""
    )


DAMAGES = [drop_an_event, drop_all_events, name_a_strange_target]


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damaged(request, exposed, folder):
    """The journal of that rollout, edited so that it still reads as JSON."""
    del exposed
    connection = sqlite3.connect(folder / "journal.db")
    with connection:
        request.param(connection)
    connection.close()


@pytest.mark.usefixtures("damaged")
def test_a_playbook_is_killed_although_its_rollout_cannot_be_followed(rolloutctl, folder):
    """The file names the targets; the unfenced rollout is told, and the exit code says so."""
    said = rolloutctl("kill", "--playbook", "seconds.yaml", "--output", "json")

    document = json.loads(said.out)
    assert canary_weight(folder) == 0
    assert said.exit_code == 20
    assert [one["confirmed"] for one in document["targets"]] == [True]
    assert not document["confirmed"]
    assert [one["rollout"] for one in document["not_killed"]] == ["r-1"]


@pytest.mark.usefixtures("damaged")
def test_one_damaged_rollout_does_not_hide_what_became_of_the_others(rolloutctl):
    """`--all` reports it as not killed, in words and to machines; it is no bug of ours."""
    said = rolloutctl("kill", "--all", "--output", "json")

    document = json.loads(said.out)
    assert said.exit_code == 20
    assert not document["confirmed"]
    assert "the journal cannot be followed" in document["not_killed"][0]["message"]
    assert "rollout r-1 was NOT killed" in said.err


@pytest.mark.usefixtures("damaged")
def test_not_killed_is_never_called_nothing_to_kill(rolloutctl):
    """Somebody reads only the table."""
    said = rolloutctl("kill", "--all")

    assert "nothing to kill" not in said.out
    assert "NOT KILLED" in said.out


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize("verb", ["status", "kill", "pause", "rollback"])
def test_a_journal_that_cannot_be_followed_is_unavailable_not_a_bug(rolloutctl, verb):
    """Exit 5, and the way out that needs no journal."""
    said = rolloutctl(verb, "r-1")

    assert said.exit_code == 5, said.err
    assert "the journal cannot be followed" in said.err
    assert "rolloutctl kill" in said.err


@pytest.mark.usefixtures("exposed")
def test_a_rollout_without_its_provider_is_killed_by_address(rolloutctl, folder):
    """Nobody can correct a playbook that stands in the journal: `lint FILE` is no way out."""
    connection = sqlite3.connect(folder / "journal.db")
    with connection:
        connection.execute(
            r"""UPDATE event SET body = replace(body, '\"flagd-file\"', '\"gone\"')
            WHERE body LIKE '{"kind":"Started"%'"""
        )
    connection.close()

    said = rolloutctl("kill", "r-1")

    assert said.exit_code == 3
    assert "unknown provider 'gone'" in said.err
    assert "rolloutctl kill ADDRESS --to ARM" in said.err
    assert "lint FILE" not in said.err
