"""`report`: where the file goes, and what is said of it."""

from __future__ import annotations

import sqlite3

import pytest


@pytest.fixture
def held(rolloutctl):
    """A rollout that is under way."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    return rolloutctl


def test_the_file_is_named_after_the_rollout_and_never_replaced_unasked(held, folder):
    """Exit 2 the second time, with the way on."""
    first = held("report", "r-1")
    page = (folder / "r-1.html").read_text()
    again = held("report", "r-1")
    forced = held("report", "r-1", "--force")

    assert (first.exit_code, again.exit_code, forced.exit_code) == (0, 2, 0)
    assert "wrote r-1.html" in first.err
    assert "--force" in again.err
    assert page.startswith("<!doctype html>")


def test_markdown_goes_to_stdout_for_a_pipeline(held):
    """Nothing else on it."""
    said = held("report", "--format", "markdown", "--out", "-")

    assert said.exit_code == 0
    assert said.out.startswith("# r-1\n")
    assert "not over; as of" in said.out


def test_a_journal_that_was_edited_is_reported_with_a_warning(held, folder):
    """Exit 5; the page says that its chain is broken."""
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("UPDATE event SET body = replace(body, 'seconds', 'minutes')")

    said = held("report", "r-1", "--out", "broken.html")

    assert said.exit_code == 5
    assert "BROKEN" in (folder / "broken.html").read_text()


def test_an_unknown_rollout_is_named_with_those_that_exist(held):
    """As with every other command."""
    said = held("report", "nothing")

    assert said.exit_code == 3
    assert "r-1" in said.err
