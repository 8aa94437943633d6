"""A plan knows the open rollouts of the journal, and needs none."""

import os

import pytest

from rolloutctl.errors import ExitCode

HELD = "is being changed by the open rollout r-1"


@pytest.fixture
def begun(rolloutctl):
    """An open rollout on the flag of `seconds.yaml`; nobody drives it yet."""
    said = rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    assert said.exit_code == ExitCode.DONE
    return rolloutctl


def flat(text):
    return " ".join(text.split())


def test_a_target_that_an_open_rollout_holds_is_refused_with_its_name(begun):
    """As `start` would, with the command to look at it."""
    said = begun("plan", "seconds.yaml")

    assert said.exit_code == ExitCode.CONFLICT
    assert HELD in flat(said.out)
    assert "rolloutctl status r-1" in flat(said.out)
    assert begun("start", "seconds.yaml", "--auto").exit_code == ExitCode.CONFLICT


def test_the_store_that_was_named_is_asked_and_named(begun, folder, monkeypatch):
    """Whoever copies the hint asks the same journal."""
    monkeypatch.delenv("ROLLOUTCTL_STORE")
    store = folder / "journal.db"

    said = begun("plan", "seconds.yaml", "--store", str(store))

    assert said.exit_code == ExitCode.CONFLICT
    assert "rolloutctl status --store $PWD/journal.db r-1" in flat(said.out)


def test_a_target_that_was_given_back_is_free(begun):
    """Closed rollouts hold nothing."""
    assert begun("rollback", "r-1").exit_code == ExitCode.DONE

    said = begun("plan", "seconds.yaml")

    assert said.exit_code == ExitCode.DONE
    assert HELD not in flat(said.out)


def test_a_plan_makes_no_journal(rolloutctl, folder):
    """Neither at the usual place nor where somebody says; only a named one is missed aloud."""
    silent = rolloutctl("plan", "seconds.yaml")
    named = rolloutctl("plan", "seconds.yaml", "--store", "elsewhere/j.db")

    assert (silent.exit_code, named.exit_code) == (ExitCode.DONE, ExitCode.DONE)
    assert "no journal" not in silent.out
    assert "note: there is no journal at $PWD/elsewhere/j.db" in flat(named.out)
    assert not (folder / "journal.db").exists()
    assert not (folder / "elsewhere").exists()


def test_a_plan_writes_nothing_into_the_journal(begun):
    """It is only looked at."""
    before = begun("explain", "r-1", "--output", "ndjson").out

    assert begun("plan", "seconds.yaml").exit_code == ExitCode.CONFLICT

    assert before
    assert begun("explain", "r-1", "--output", "ndjson").out == before


@pytest.mark.parametrize("damage", ["damaged", "folder", "home"])
def test_a_journal_that_cannot_be_read_is_a_warning_and_the_plan_is_made(
    rolloutctl, folder, monkeypatch, damage
):
    """A plan writes nothing: what it cannot know, it says."""
    store = folder / "journal.db"
    if damage == "damaged":
        store.write_bytes(b"no journal" * 1_000)
    elif damage == "folder":
        store.mkdir()
    else:
        monkeypatch.setenv("ROLLOUTCTL_STORE", "~nobody-of-that-name/j.db")

    said = rolloutctl("plan", "seconds.yaml")

    assert said.exit_code == ExitCode.DONE
    assert "warning: whether an open rollout holds a target is not known:" in said.out
    assert "canary 25% -> 100%" in said.out
    assert os.path.lexists(store) == (damage != "home")
