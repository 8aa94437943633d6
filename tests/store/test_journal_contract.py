"""Both journals keep the promises of the port."""

import pytest

from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.journal import MemoryJournal
from rolloutctl.testing.journal_contract import JournalContract


class TestSqliteJournal(JournalContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.folder = tmp_path
        self.made = []
        yield
        for journal in self.made:
            journal.close()

    def make_journal(self):
        path = self.folder / f"journal-{len(self.made)}.db"
        self.made.append(SqliteJournal(path))
        return self.made[-1]


class TestMemoryJournal(JournalContract):
    def make_journal(self):
        return MemoryJournal()

    # TODO-correctness(#2): MemoryJournal judges a whole append before it notes its first event.
    @pytest.mark.xfail(reason="an append is judged as a whole, not event by event")
    def test_no_intent_beside_a_kill(self):
        """A kill fences the events that follow it in the same append."""
        super().test_no_intent_beside_a_kill()

    @pytest.mark.xfail(reason="an append is judged as a whole, not event by event")
    def test_an_append_is_all_or_nothing(self):
        """One refused event takes the events around it along."""
        super().test_an_append_is_all_or_nothing()

    @pytest.mark.xfail(reason="an append is judged as a whole, not event by event")
    def test_an_ended_intent_makes_room(self):
        """`Applied` and `ApplyFailed` close the intent of their key, even in one append."""
        super().test_an_ended_intent_makes_room()
