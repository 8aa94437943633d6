"""What a driver is asked for while the journal cannot take it: it goes on, and asks again."""

import pytest

from rolloutctl.errors import ExitCode, JournalUnavailable
from rolloutctl.runner import requests
from rolloutctl.store.sqlite import SqliteJournal


@pytest.fixture
def locked(monkeypatch):
    """The journal refuses the first request of this process, as while another one hangs."""
    really_request = requests.request
    refused = []

    def request(*arguments, **named):
        if not refused:
            refused.append(arguments)
            raise JournalUnavailable("the journal was locked", hint="find who hangs")
        return really_request(*arguments, **named)

    monkeypatch.setattr(requests, "request", request)
    return refused


def test_an_interrupt_rolls_back_once_the_journal_is_back(rolloutctl, interrupt_after, locked):
    """SAFETY: SIGTERM in a pipeline must not leave the canary exposed for a passing lock."""
    interrupt_after(2)

    said = rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")

    assert locked
    assert said.exit_code == ExitCode.ROLLED_BACK, said.err
    assert "the journal was locked; asking again" in said.err
    assert "UNWATCHED" not in said.err


def test_approve_all_answers_once_the_journal_is_back(rolloutctl, locked):
    """A passing lock is no reason to leave a healthy rollout half way."""
    said = rolloutctl("start", "seconds.yaml", "--auto", "--approve-all", "--id", "r-1")

    assert locked
    assert said.exit_code == ExitCode.DONE, said.err


def test_a_journal_that_fails_behind_the_end_changes_no_exit_code(rolloutctl, monkeypatch):
    """What the driving came to is known; the lease expires by itself, and that is said."""

    def refuse(*_arguments):
        raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(SqliteJournal, "release_lease", refuse)

    said = rolloutctl("start", "seconds.yaml", "--auto", "--approve-all", "--id", "r-1")

    assert said.exit_code == ExitCode.DONE, said.err
    assert "the disk is full; the lease of r-1 is left to expire" in said.err
