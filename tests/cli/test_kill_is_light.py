"""The kill switch of an address loads only what it needs: each import is time under fire."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rolloutctl.store.sqlite import SqliteJournal

SCRIPT = """
import sys
from rolloutctl.cli.main import run
code = run(sys.argv[1:], {})
print(int(code), [name for name in HEAVY if name in sys.modules])
"""

HEAVY = (
    *("sqlite3", "yaml", "httpx", "rich", "random", "importlib.metadata", "platformdirs"),
    *("rolloutctl.core.events", "rolloutctl.core.ports", "rolloutctl.core.playbook"),
    *("rolloutctl.core.parse", "rolloutctl.store.sqlite", "rolloutctl.runner.rollout"),
)


@pytest.fixture
def loaded(tmp_path):
    """Kills a flag's address in a process of its own; its exit code and what it loaded of HEAVY."""
    flags, journal = tmp_path / "flags.json", tmp_path / "journal.db"
    flags.write_text(
        '{"flags": {"m": {"state": "ENABLED", "variants": {"a": "A", "b": "B"},'
        ' "defaultVariant": "b"}}}',
        encoding="utf-8",
    )

    def kill():
        done = subprocess.run(
            [
                *(sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{SCRIPT}"),
                *("kill", f"flagd-file://{flags}#m", "--to", "a", "--store", str(journal)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={},
        )
        return "".join(done.stdout.splitlines()[-1:]) or done.stderr

    return kill


def test_killing_an_address_loads_no_playbook_journal_or_event(loaded):
    """With no journal in sight, nothing that serves rollouts is imported."""
    assert loaded() == "0 []"


def test_a_journal_in_which_nothing_is_open_costs_its_file_and_no_event(loaded, tmp_path):
    """The kill waits for this answer: the language of the journal is not loaded for it."""
    SqliteJournal(tmp_path / "journal.db").close()

    assert loaded() == "0 ['sqlite3']"
