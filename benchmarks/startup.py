"""How long a user waits for `--version` and `--help`, against the cost of importing Typer.

Usage: python benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from sidebyside import Limit, medians_s, python, report

ROUNDS = 15
COMMAND = str(Path(sys.executable).parent / "rolloutctl")


def main(rounds: int) -> int:
    """Prints the table; 1 if a limit is broken."""
    commands = {
        "bare python": python("-c", "pass"),
        "import typer": python("-c", "import typer"),
        "--version": [COMMAND, "--version"],
        "--help": [COMMAND, "--help"],
        "lint --help": [COMMAND, "lint", "--help"],
    }
    limits = [
        Limit(name="--version", floor="import typer", ratio=0.5),
        Limit(name="--help", floor="import typer", ratio=1.5),
    ]
    return report(medians_s(commands, rounds=rounds), limits)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
