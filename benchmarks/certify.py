"""What a certificate costs: seconds of processor a rehearsal, and for 1,000 of them.

Each playbook is rehearsed over its own holds and stretched to 24 hours, in healthy traffic at
50 requests a second, by the drive that `certify` uses and by the complete engine.

Usage: python benchmarks/certify.py [PLAYBOOK [GATE=VALUE ...]]
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time

from rolloutctl.cli.rehearsing import load_given
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.simulation.rehearsal import stretched
from rolloutctl.simulation.scenario import Scenario, play, prepare
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.console import Console

PLAYBOOK = Path(__file__).parents[1] / "playbooks/quickstart.yaml"
#: Far below the limits of the quickstart, so that every rehearsal lasts to its end.
ANSWERS = ("errors=0.05%", "latency=200ms")
ROUNDS = 5
DAY_S = 86_400.0
RUNS = 1_000


def cost_s(scenario: Scenario, *, leaping: bool) -> tuple[float, float]:
    """Median processor seconds of a rehearsal, and its virtual hours."""
    taken, hours = [], 0.0
    for seed in range(ROUNDS):
        began_s = process_time()
        played = play(scenario, str(seed), leaping=leaping)
        taken.append(process_time() - began_s)
        hours = max(hours, played.lasted_s / 3600)
    return statistics.median(taken), hours


def main(words: list[str]) -> int:
    """Prints the table."""
    file, *answers = words or (str(PLAYBOOK), *ANSWERS)
    given = load_given(Path(file), None, known=InstalledCatalog(), console=Console())
    stated = dict(word.split("=", 1) for word in answers)
    own = prepare(given, answers=stated, climate=Climate())
    day = replace(own, given=replace(given, playbook=stretched(given.playbook, DAY_S)))
    print(f"{file}: {len(given.playbook.gates)} gates; processor seconds, median of {ROUNDS}")
    print(f"{'':24} {'hours':>6} {'quick':>8} {'engine':>8} {f'{RUNS:,} runs, 2 processors':>26}")
    for name, scenario in (("its own holds", own), ("stretched to a day", day)):
        quick, hours = cost_s(scenario, leaping=True)
        engine, _ = cost_s(scenario, leaping=False)
        whole = RUNS * quick / 2
        print(f"{name:24} {hours:6.1f} {quick:7.3f}s {engine:7.3f}s {whole:24.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
