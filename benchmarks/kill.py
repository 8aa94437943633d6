"""How long `rolloutctl kill` of a flagd target takes, against a bare Typer skeleton.

The skeleton (`kill_floor.py`) does the same file operations and nothing else: what we add
is finding the target, the lock, the fence in the journal, the report. The journal is
measured twice: usable, and out of reach, where kill acts all the same.

Usage: python benchmarks/kill.py [ROUNDS]
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from sidebyside import Limit, medians_s, python, report

ROUNDS = 15
RATIO_MAX = 1.3
COMMAND = str(Path(sys.executable).parent / "rolloutctl")


def main(rounds: int) -> int:
    """Prints the table; 1 if the limit is broken."""
    text = files("rolloutctl.demo").joinpath("flags.json").read_text("utf-8")
    exposed = text.replace(
        '"defaultVariant": "gpt-4"',
        '"defaultVariant": "gpt-4",\n      "targeting": '
        '{"fractional": [["gpt-4", 7500], ["claude-3-5-sonnet", 2500]]}',
    )
    with tempfile.TemporaryDirectory() as folder:
        flags = Path(folder, "flags.json")
        os.environ["ROLLOUTCTL_STORE"] = str(Path(folder, "journal.db"))
        skeleton = str(Path(__file__).with_name("kill_floor.py"))
        kill = [COMMAND, "kill", f"flagd-file://{flags}#llm-model", "--to", "gpt-4"]
        commands = {
            "skeleton": python(skeleton, str(flags), "llm-model"),
            "kill": kill,
        }
        medians = medians_s(
            commands,
            rounds=rounds,
            before_each=lambda: flags.write_text(exposed, encoding="utf-8"),
        )
    return report(medians, [Limit(name="kill", floor="skeleton", ratio=RATIO_MAX)])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
