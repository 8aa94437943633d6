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
