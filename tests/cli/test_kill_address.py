"""The kill of an address, beside journals that hold it, hang or are broken."""

import sqlite3
import threading

import pytest

from rolloutctl.cli import kill_address, kill_holder
from rolloutctl.cli.kill_holder import Holding


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
        return Holding(rollout_id="r-1", trouble="it is locked")

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
        return Holding(rollout_id="r-1", trouble="it is locked")

    monkeypatch.setattr(kill_holder, "holder_of", holder_while_the_file_goes)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 20
    assert "STUCK" in said.err


@pytest.mark.parametrize("content", [b"no journal", b"SQLite format 3\0"])
def test_an_unusable_journal_fails_no_kill_and_is_told(rolloutctl, folder, address, content):
    """Whether a driver may write there again is not known; what to do about it is said."""
    (folder / "journal.db").write_bytes(content)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0
    assert "may write flagd-file://$PWD/flags.json#half again" in said.err
    assert "rolloutctl kill --store JOURNAL ROLLOUT" in said.err
    assert (folder / "journal.db").read_bytes() == content


def test_a_store_beneath_a_file_fails_no_kill(rolloutctl, folder, address):
    """A path that can lead nowhere is a journal that is missing."""
    said = rolloutctl("kill", address, "--to", "gpt-4", "--store", f"{folder}/flags.json/none.db")

    assert said.exit_code == 0
    assert "there is no journal at $PWD/flags.json/none.db" in said.err


def test_an_empty_journal_is_left_as_it_is(rolloutctl, folder, address):
    """Nothing is open in it: nothing is made of it, and nothing is said."""
    (folder / "journal.db").write_bytes(b"")

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0
    assert "note" not in said.err
    assert (folder / "journal.db").read_bytes() == b""


def test_a_journal_that_hangs_holds_up_no_kill(rolloutctl, folder, address, monkeypatch):
    """As one on a dead mount: the kill has its report, and says what it does not know."""
    released = threading.Event()
    monkeypatch.setattr(kill_address, "ANSWER_LIMIT_S", 0.05)
    monkeypatch.setattr(kill_holder, "holder_of", lambda *_: released.wait(60) and Holding())

    said = rolloutctl("kill", address, "--to", "gpt-4")

    released.set()
    assert said.exit_code == 0
    assert "the journal did not answer" in said.err
    assert '["gpt-4", 5000]' not in (folder / "flags.json").read_text()


@pytest.mark.parametrize("broken", ["kill_holder.holder_of", "kill_held.kill_held"])
def test_a_bug_behind_the_kill_of_an_address_does_not_fail_it(
    rolloutctl, folder, monkeypatch, broken
):
    """Whatever becomes of the rollout: the address is killed, and its report is printed."""
    rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")

    def fail(*_arguments, **_options):
        raise TypeError("a bug")

    monkeypatch.setattr(f"rolloutctl.cli.{broken}", fail)

    said = rolloutctl("kill", f"flagd-file://{folder}/flags.json#llm-model", "--to", "gpt-4")

    assert said.exit_code == 0, said.err
    assert said.out.splitlines()[1].startswith("killed")
    assert "a bug" in said.err
    assert "may write" in said.err


def test_a_locked_journal_delays_nothing_but_the_note(rolloutctl, folder, address):
    """Another process in an exclusive transaction holds up at most the second look."""
    rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")
    lock = sqlite3.connect(folder / "journal.db")
    lock.execute("BEGIN EXCLUSIVE")

    said = rolloutctl("kill", address, "--to", "gpt-4")

    lock.rollback()
    lock.close()
    assert said.exit_code == 0
