"""What the SQLite journal has beyond the port: chain, retention, place, imports."""

import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rolloutctl.core.events import Finished, FinishedAs
from rolloutctl.errors import NotFound, UsageError
from rolloutctl.store.place import default_path
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.clock import EPOCH
from rolloutctl.testing.journal_contract import ENTERED, make_started

END = Finished(finished_as=FinishedAs.SUCCEEDED, because="done")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    made = SqliteJournal(path)
    yield made
    made.close()


def begin(journal, rollout_id="r-1", *, holds=(), events=3):
    journal.create(rollout_id, make_started(), at=EPOCH, holds=holds)
    journal.append(rollout_id, [ENTERED] * events, at=EPOCH, expect_seq=1, epoch=None)


def edit(path, statement):
    """Somebody edits the file behind our back."""
    other = sqlite3.connect(path)
    other.execute(statement)
    other.commit()
    other.close()


def test_an_untouched_chain_holds(journal):
    """Every recorded event follows from the ones before it."""
    begin(journal)
    journal.acquire_lease("r-1", "a", now=EPOCH, ttl_s=60.0)

    assert journal.verify_chain("r-1") is None
    with pytest.raises(NotFound):
        journal.verify_chain("r-2")


@pytest.mark.parametrize(
    ("statement", "seq", "word"),
    [
        ("UPDATE event SET body = replace(body, 'begins', 'ends') WHERE id & 255 = 3", 3, "edited"),
        ("UPDATE event SET at = '2020-01-01T00:00:00.000000Z' WHERE id & 255 = 2", 2, "edited"),
        ("UPDATE event SET hash = zeroblob(32) WHERE id & 255 = 4", 4, "edited"),
        ("DELETE FROM event WHERE id & 255 = 2", 2, "missing"),
        ("DELETE FROM event WHERE id & 255 = 4", 4, "the last recorded event is 4"),
        ("UPDATE rollout SET head_seq = 3", 4, "the chain ends at 4"),
    ],
)
def test_an_edited_chain_names_the_first_broken_event(journal, path, statement, seq, word):
    """A changed, missing or cut off event is found, and which one."""
    begin(journal)
    begin(journal, "r-2")
    edit(path, statement)

    found = journal.verify_chain("r-1")

    assert found is not None
    assert (found.rollout_id, found.seq) == ("r-1", seq)
    assert word in str(found)


def test_a_chain_cannot_be_moved_to_another_rollout(journal, path):
    """The rollout's id is part of each hash."""
    begin(journal)
    edit(path, "UPDATE rollout SET rollout_id = 'r-9'")

    assert journal.verify_chain("r-9").seq == 1


def test_the_journal_can_be_read_with_the_sqlite_shell(journal, path):
    """The view `journal` shows every event with its rollout and seq."""
    begin(journal)
    other = sqlite3.connect(path)

    rows = other.execute("SELECT rollout_id, seq FROM journal").fetchall()

    assert rows == [("r-1", 1), ("r-1", 2), ("r-1", 3), ("r-1", 4)]
    other.close()


def test_pruning_removes_only_what_finished_long_ago(journal):
    """Open rollouts and recent ends stay, however old their start is."""
    late = EPOCH + timedelta(days=1)
    for rollout_id in [f"old-{n}" for n in range(45)] + ["recent", "open"]:
        begin(journal, rollout_id)
    for row in journal.rollouts():
        at = late if row.rollout_id == "recent" else EPOCH
        if row.rollout_id != "open":
            journal.append(row.rollout_id, [END], at=at, expect_seq=4, epoch=None)

    removed = journal.prune(late)

    assert removed == 45
    assert {row.rollout_id for row in journal.rollouts()} == {"recent", "open"}
    assert journal.prune(late) == 0
    assert len(journal.read("recent")) == 5
    assert journal.verify_chain("open") is None


def test_a_pruned_place_is_not_used_again(journal):
    """A later rollout never meets events of a pruned one."""
    begin(journal)
    journal.append("r-1", [END], at=EPOCH, expect_seq=4, epoch=None)
    journal.prune(EPOCH + timedelta(seconds=1))

    begin(journal, "r-1", events=1)

    assert len(journal.read("r-1")) == 2
    assert journal.verify_chain("r-1") is None


def test_heads_follow_other_connections(journal, path):
    """A copy of the heads is only used while nobody wrote."""
    begin(journal)
    assert journal.heads() == journal.heads() == {"r-1": 4}
    other = SqliteJournal(path)

    other.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None)
    assert journal.heads() == {"r-1": 5}
    journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=5, epoch=None)

    assert journal.heads() == other.heads() == {"r-1": 6}
    other.close()


def test_odd_bytes_in_names_are_not_a_traceback(journal):
    """Paths and arguments that are not UTF-8 can be held, and looked for."""
    odd = os.fsdecode(b"file:///tmp/\xff")
    begin(journal, holds=(odd, odd))

    with pytest.raises(NotFound):
        journal.read(odd)
    journal.acquire_lease("r-1", odd, now=EPOCH, ttl_s=60.0)

    assert journal.rollouts()[0].lease.owner.isprintable()


def test_the_store_option_wins_over_the_environment(tmp_path, monkeypatch):
    """`--store`, then ROLLOUTCTL_STORE, then the platform's state directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/somebody")
    env = {"ROLLOUTCTL_STORE": "~/env.db"}

    assert default_path(env, store="/option.db") == Path("/option.db")
    assert default_path(env) == Path("/home/somebody/env.db")
    assert default_path({"ROLLOUTCTL_STORE": ""}).name == "journal.db"
    assert default_path({}, store="here.db") == Path.cwd() / "here.db"
    if sys.platform == "linux":
        assert default_path({}) == tmp_path / "rolloutctl" / "journal.db"
    with pytest.raises(UsageError):
        default_path({}, store="~no-such-user-here/journal.db")


def test_the_journal_imports_nothing_heavy():
    """Opening a journal costs neither an HTTP client nor a screen."""
    code = (
        "import sys, rolloutctl.store.sqlite, rolloutctl.store.place;"
        "print([n for n in ('httpx', 'rich', 'typer', 'yaml', 'platformdirs', 'asyncio')"
        " if n in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
