"""The kill of an address, beside journals that hold it, hang or are broken."""

import sqlite3

import pytest

from rolloutctl.cli import kill_holder


@pytest.fixture
def address(folder):
    """The flag that serves half of its units the canary."""
    return f"flagd-file://{folder}/flags.json#half"


def test_a_write_that_landed_after_the_kill_is_killed_again(
    rolloutctl, folder, address, monkeypatch
):
    """A driver between its decision and its write cannot undo the kill unseen."""
    flags = folder / "flags.json"
    exposed = flags.read_text()

    def holder_while_a_driver_writes(*_):
        flags.write_text(exposed)
        return "r-1"

    monkeypatch.setattr(kill_holder, "holder_of", holder_while_a_driver_writes)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0
    assert "was written again after the kill; killing once more" in said.err
    assert flags.read_text() != exposed


def test_a_target_that_cannot_be_read_again_is_not_called_killed(
    rolloutctl, folder, address, monkeypatch
):
    """Nobody may believe a kill that somebody undid and that cannot be repeated."""
    flags = folder / "flags.json"

    def holder_while_the_file_goes(*_):
        flags.unlink()
        return "r-1"

    monkeypatch.setattr(kill_holder, "holder_of", holder_while_the_file_goes)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 20
    assert "STUCK" in said.err


@pytest.mark.parametrize("content", [b"", b"no journal", b"SQLite format 3\0"])
def test_an_unusable_journal_changes_nothing(rolloutctl, folder, address, content):
    """The kill never needed one: no word about it, exit 0."""
    (folder / "journal.db").write_bytes(content)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0
    assert "note" not in said.err
    assert (folder / "journal.db").read_bytes() == content


def test_a_locked_journal_delays_nothing_but_the_note(rolloutctl, folder, address):
    """Another process in an exclusive transaction holds up at most the second look."""
    rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")
    lock = sqlite3.connect(folder / "journal.db")
    lock.execute("BEGIN EXCLUSIVE")

    said = rolloutctl("kill", address, "--to", "gpt-4")

    lock.rollback()
    lock.close()
    assert said.exit_code == 0
