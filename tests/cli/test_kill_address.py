"""The kill of an address, beside journals that hold it, hang or are broken."""

import sqlite3
import threading

import pytest

from rolloutctl.cli import kill_address, kill_holder
from rolloutctl.cli.kill_holder import Holding
from rolloutctl.runner.kill import kill_targets

#: The kill of one file is done in less, however busy the machine is.
KILLED_S = 30.0


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
    monkeypatch.setattr(kill_address, "HEAD_START_S", 0.0)
    monkeypatch.setattr(kill_address, "ANSWER_LIMIT_S", KILLED_S)  # however slow

    done = threading.Event()

    def killed_and_seen(*given):
        reports = kill_targets(*given)
        done.set()
        return reports

    def holder_while_a_driver_writes(*_):
        done.wait(KILLED_S)  # not sooner: the kill's own look would find the write
        flags.write_text(exposed)
        return Holding(rollout_id="r-1", trouble="it is locked")

    monkeypatch.setattr(kill_address, "kill_targets", killed_and_seen)
    monkeypatch.setattr(kill_holder, "holder_of", holder_while_a_driver_writes)

    said = rolloutctl("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0
    assert "was written again after the kill; killing once more" in said.err
    assert flags.read_text() != exposed


def test_the_journal_has_what_the_kill_of_the_address_changed(rolloutctl, folder):
    """Not only that the kill of its rollout found nothing left to change."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")

    rolloutctl("kill", f"flagd-file://{folder}/flags.json#llm-model", "--to", "gpt-4")
    told = rolloutctl("explain", "r-1")

    said = " ".join(told.out.split())
    assert "llm: killed, confirmed: " in said
    assert "; then, under the fence: llm-shadow: off 100%" in said


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


@pytest.mark.parametrize("wrong", ["claude-3-5-sonnet", "gpt-5"])
def test_an_arm_that_is_not_the_safe_one_of_the_driving_rollout_is_refused(
    rolloutctl, folder, wrong
):
    """The canary would be called control only; a typing error would fence a healthy rollout."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    served = (folder / "flags.json").read_text()
    place = f"flagd-file://{folder}/flags.json#llm-model"

    said = rolloutctl("kill", place, "--to", wrong)

    assert said.exit_code == 2
    assert "is not the safe arm of the open rollout r-1" in said.err
    assert "rolloutctl kill r-1 brings everybody to gpt-4" in said.err
    assert (folder / "flags.json").read_text() == served
    assert "running" in rolloutctl("status", "r-1").out

    assert rolloutctl("kill", place, "--to", "gpt-4").exit_code == 0
    assert "killed" in rolloutctl("status", "r-1").out


def test_an_open_rollout_is_not_killed_to_its_canary(rolloutctl, folder):
    """Whoever means it kills first, and says it of the address then."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    served = (folder / "flags.json").read_text()

    said = rolloutctl("kill", "r-1", "--to", "claude-3-5-sonnet")

    assert said.exit_code == 2
    assert "is the canary of llm, and r-1 is open" in said.err
    assert (folder / "flags.json").read_text() == served


@pytest.mark.parametrize("subject", ["r-1", "--all"])
def test_a_mistyped_journal_is_no_journal_in_which_nothing_is_open(rolloutctl, folder, subject):
    """Exit 5, and none is made: the next hint would point at an empty one."""
    said = rolloutctl("kill", subject, "--store", f"{folder}/typo.db")

    assert said.exit_code == 5
    assert f"no journal at {folder}/typo.db" in said.err.replace("$PWD", str(folder))
    assert not (folder / "typo.db").exists()
