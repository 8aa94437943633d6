"""The kill switch of an address loads only what it needs: each import is time under fire."""

from __future__ import annotations

import subprocess
import sys

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


def test_killing_an_address_loads_no_playbook_journal_or_event(tmp_path):
    """With no journal in sight, nothing that serves rollouts is imported."""
    flags = tmp_path / "flags.json"
    flags.write_text(
        '{"flags": {"m": {"state": "ENABLED", "variants": {"a": "A", "b": "B"},'
        ' "defaultVariant": "b"}}}',
        encoding="utf-8",
    )

    done = subprocess.run(
        [
            *(sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{SCRIPT}"),
            *("kill", f"flagd-file://{flags}#m", "--to", "a"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"ROLLOUTCTL_STORE": str(tmp_path / "none.db")},
    )

    assert done.stdout.splitlines()[-1:] == ["0 []"], done.stderr
