"""The kill of rollouts whose journal cannot be followed: nothing else may stay exposed."""

import json
import sqlite3
import threading

import pytest

from rolloutctl.cli import wiring
from rolloutctl.errors import InvalidSettings, JournalUnavailable
from rolloutctl.runner import fence
from rolloutctl.store.sqlite import SqliteJournal

#: How long the journal hangs here, and how long it may, in seconds of this machine.
HANG_S = 20.0
SHORT_S = 0.05


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


def come_from_a_newer_version(connection):
    """The last event is of a kind that this version does not know."""
    connection.execute(
        """UPDATE event SET body = '{"kind":"Wondered","v":1}'
        WHERE id = (SELECT max(id) FROM event)"""
    )


def break_an_event(connection):
    """The last event is no JSON any more."""
    connection.execute("UPDATE event SET body = '{' WHERE id = (SELECT max(id) FROM event)")


#: What leaves the start of the rollout as it was.
DAMAGES = [drop_an_event, name_a_strange_target, come_from_a_newer_version, break_an_event]


def edit(folder, damage):
    """Applies one of the damages to the journal."""
    connection = sqlite3.connect(folder / "journal.db")
    with connection:
        damage(connection)
    connection.close()


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damaged(request, exposed, folder):
    """The journal of that rollout, edited behind its start."""
    del exposed
    edit(folder, request.param)


@pytest.fixture
def without_start(exposed, folder):
    """Not even the start of the rollout is left."""
    del exposed
    edit(folder, drop_all_events)


def kinds_recorded(folder):
    """The kinds of the events of the journal, in order."""
    connection = sqlite3.connect(folder / "journal.db")
    bodies = [body for (body,) in connection.execute("SELECT body FROM event ORDER BY id")]
    connection.close()
    return [body.partition('"kind":"')[2].partition('"')[0] for body in bodies]


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize(
    "words", [("r-1",), ("--all",), ("--playbook", "seconds.yaml")], ids=lambda words: words[0]
)
def test_the_start_of_a_rollout_is_enough_to_kill_it(rolloutctl, folder, words):
    """Fenced and killed; what the journal could not take is printed, not swallowed."""
    said = rolloutctl("kill", *words, "--output", "json")

    document = json.loads(said.out)
    assert canary_weight(folder) == 0
    assert said.exit_code == 0, said.err
    assert document["confirmed"]
    assert kinds_recorded(folder)[-1] == "KillRequested"
    assert "the journal did not take all of it" in said.err
    assert '"kind":"TargetKilled"' in said.err.replace(" ", "")


@pytest.mark.usefixtures("without_start")
def test_a_playbook_is_killed_although_its_rollout_cannot_be_followed(rolloutctl, folder):
    """The file names the targets; the unfenced rollout is told, and the exit code says so."""
    said = rolloutctl("kill", "--playbook", "seconds.yaml", "--output", "json")

    document = json.loads(said.out)
    assert canary_weight(folder) == 0
    assert said.exit_code == 20
    assert [one["confirmed"] for one in document["targets"]] == [True]
    assert not document["confirmed"]
    assert [one["rollout"] for one in document["not_killed"]] == ["r-1"]


@pytest.mark.usefixtures("without_start")
def test_one_damaged_rollout_does_not_hide_what_became_of_the_others(rolloutctl):
    """`--all` reports it as not killed, in words and to machines; it is no bug of ours."""
    said = rolloutctl("kill", "--all", "--output", "json")

    document = json.loads(said.out)
    assert said.exit_code == 20
    assert not document["confirmed"]
    assert "the journal cannot be followed" in document["not_killed"][0]["message"]
    assert "rollout r-1 was NOT killed" in said.err


@pytest.mark.usefixtures("without_start")
def test_not_killed_is_never_called_nothing_to_kill(rolloutctl):
    """Somebody reads only the table."""
    said = rolloutctl("kill", "--all")

    assert "nothing to kill" not in said.out
    assert "NOT KILLED" in said.out


@pytest.mark.usefixtures("exposed")
@pytest.mark.parametrize("damage", [drop_an_event, drop_all_events, name_a_strange_target])
@pytest.mark.parametrize("verb", ["status", "pause", "rollback"])
def test_a_journal_that_cannot_be_followed_is_unavailable_not_a_bug(
    rolloutctl, folder, verb, damage
):
    """Exit 5, and the way out that needs no journal."""
    edit(folder, damage)

    said = rolloutctl(verb, "r-1")

    assert said.exit_code == 5, said.err
    assert "the journal cannot be followed" in said.err
    assert "rolloutctl kill" in said.err


@pytest.mark.usefixtures("without_start")
def test_a_rollout_without_its_start_is_killed_by_its_file(rolloutctl):
    """Nothing names its targets; the way out does."""
    said = rolloutctl("kill", "r-1")

    assert said.exit_code == 5, said.err
    assert "the journal cannot be followed" in said.err
    assert "rolloutctl kill --playbook FILE" in said.err


@pytest.mark.usefixtures("damaged")
def test_one_that_is_over_is_not_killed_on_the_word_of_its_start(rolloutctl, folder):
    """Its control may not be the safe arm any more, and its end cannot be read."""
    edit(folder, lambda c: c.execute("UPDATE rollout SET closed_at = created_at"))

    said = rolloutctl("kill", "r-1")

    assert said.exit_code == 2, said.err
    assert "rollout r-1 is over" in said.err
    assert "rolloutctl kill r-1 --to gpt-4" in said.err
    assert canary_weight(folder) > 0


@pytest.mark.usefixtures("exposed")
def test_a_journal_that_hangs_holds_up_neither_the_kill_nor_its_end(
    rolloutctl, folder, monkeypatch
):
    """Its threads are left behind: none is waited for, also not when the process exits."""
    goes_on = threading.Event()

    def hang(*_arguments, **_named):
        goes_on.wait(HANG_S)
        raise JournalUnavailable("it was gone")

    monkeypatch.setattr(SqliteJournal, "append", hang)
    for limit in ("FENCE_LIMIT_S", "LATE_LIMIT_S"):
        monkeypatch.setattr(fence, limit, SHORT_S)

    said = rolloutctl("kill", "--all")
    is_left_behind = not goes_on.is_set()
    threads = [one for one in threading.enumerate() if one.name in {"kill", "fence", "journal"}]
    goes_on.set()

    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0
    assert is_left_behind
    assert threads
    assert all(thread.daemon for thread in threads)
    assert f"did not answer within {SHORT_S:g} s" in said.err


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


@pytest.mark.usefixtures("exposed")
@pytest.mark.parametrize("verb", ["status", "pause"])
def test_a_playbook_of_the_journal_is_never_looked_up_in_a_file(rolloutctl, folder, verb):
    """Which rollout, and what it needs; no line of a file that happens to have that name."""
    for name in ("journal", "rollout r-1"):
        (folder / name).write_text("a line of somebody else\n")
    edit(
        folder,
        lambda c: c.execute(
            r"""UPDATE event SET body = replace(body, '\"threshold\"', '\"gone\"')
            WHERE body LIKE '{"kind":"Started"%'"""
        ),
    )

    said = rolloutctl(verb, "r-1")

    assert said.exit_code == 3
    assert "rollout r-1 cannot be read here" in said.err
    assert "'gone'" in said.err
    assert "the version of rolloutctl that started it" in said.err
    assert "journal:1:1" not in said.err
    assert "lint FILE" not in said.err
    assert "somebody else" not in said.err


def kill_the_address(rolloutctl, folder):
    """The kill of somebody who knows the place and no rollout."""
    return rolloutctl("kill", f"flagd-file://{folder}/flags.json#llm-model", "--to", "gpt-4")


@pytest.mark.usefixtures("damaged")
def test_the_address_of_a_damaged_rollout_is_killed_and_it_is_fenced(rolloutctl, folder):
    """Its driver, of whatever version, can write no more."""
    said = kill_the_address(rolloutctl, folder)

    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0
    assert kinds_recorded(folder).count("KillRequested") == 1


def test_a_rollout_that_cannot_be_opened_is_fenced_and_told(
    rolloutctl, folder, exposed, monkeypatch
):
    """Its other targets are out of reach here: exit 20, but nothing of it is written again."""
    del exposed

    def missing(*_arguments, **_options):
        raise InvalidSettings("its provider is not installed")

    monkeypatch.setattr(wiring, "open_to_kill", missing)

    said = kill_the_address(rolloutctl, folder)

    assert said.exit_code == 20
    assert "it is fenced" in said.err
    assert canary_weight(folder) == 0
    assert kinds_recorded(folder)[-1] == "KillRequested"


@pytest.mark.usefixtures("without_start")
def test_the_address_of_a_rollout_without_its_start_is_killed_and_it_is_fenced(rolloutctl, folder):
    """Nobody knows its other targets; the one that is known is at zero."""
    said = kill_the_address(rolloutctl, folder)

    assert canary_weight(folder) == 0
    assert kinds_recorded(folder) == ["KillRequested"], said.err
    assert said.exit_code == 20


def test_a_journal_that_takes_no_fence_fails_no_kill(rolloutctl, folder, exposed, monkeypatch):
    """Both targets are killed, and the operator hears that a driver may write there again."""
    del exposed
    monkeypatch.setattr(fence, "FENCE_LIMIT_S", SHORT_S)
    monkeypatch.setattr(fence, "LATE_LIMIT_S", SHORT_S)
    released = threading.Event()
    real = SqliteJournal.append

    def hang(*arguments, **options):
        released.wait(HANG_S)
        return real(*arguments, **options)

    monkeypatch.setattr(SqliteJournal, "append", hang)

    said = kill_the_address(rolloutctl, folder)

    released.set()
    assert said.exit_code == 0, said.err
    assert canary_weight(folder) == 0
    assert "r-1 is NOT fenced and may write" in said.err
    assert "rolloutctl kill r-1" in said.err
