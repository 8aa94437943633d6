"""Runs many seeded schedules on several cores and makes a failing one small."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rolloutctl.clock import monotonic_s
from worlds.dials import Dials, dials_of
from worlds.model import Model, run

#: Schedules handed to a worker at once.
CHUNK = 500
#: A failing schedule is re-run at most this often while it is made smaller.
SHRINK_RUNS_MAX = 400


@dataclass(slots=True)
class Tally:
    """What so many schedules did; `failed` holds (seed, violation)."""

    schedules: int = 0
    events: int = 0
    turns: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Adds the counts of `other`."""
        self.schedules += other.schedules
        self.events += other.events
        self.turns += other.turns
        for phase, count in other.ended.items():
            self.ended[phase] = self.ended.get(phase, 0) + count
        self.failed += other.failed


def tally(seeds: Sequence[int]) -> Tally:
    """Runs the schedules of `seeds` in this process."""
    counts = Tally(schedules=len(seeds))
    for seed in seeds:
        models: list[Model] = []
        found = run(dials_of(seed), keep=models.append)
        counts.events += models[0].check.records
        counts.turns += models[0].turns.turns
        phase = str(models[0].state().phase)
        counts.ended[phase] = counts.ended.get(phase, 0) + 1
        if found:
            counts.failed.append((seed, found[0]))
    return counts


def shrink(dials: Dials, fails: Callable[[Dials], bool]) -> Dials:
    """The smallest dials found that still fail: fewer acts, faults, crashes, processes."""
    runs, is_smaller = 0, True
    while is_smaller:
        is_smaller = False
        for smaller in _smaller(dials):
            runs += 1
            if runs > SHRINK_RUNS_MAX:
                return dials
            if fails(smaller):
                dials, is_smaller = smaller, True
                break
    return dials


def _smaller(dials: Dials) -> Iterator[Dials]:
    for name in ("acts", "weather"):
        entries = getattr(dials, name)
        for place in range(len(entries)):
            yield replace(dials, **{name: entries[:place] + entries[place + 1 :]})
    for name, least in (("drivers", 1), ("targets", 1)):
        if getattr(dials, name) > least:
            yield replace(dials, **{name: least})
    for name in ("crashes", "stalls", "journal_faults", "latency_s", "fault_rate", "run_s"):
        if getattr(dials, name):
            yield replace(dials, **{name: 0})
    for name in ("confirm", "conditional", "canary_before_bp"):
        if getattr(dials, name):
            yield replace(dials, **{name: 0 if name == "canary_before_bp" else False})


def hint(seed: int) -> str:
    """A failing seed's dials, made small, and what the small schedule violates."""
    small = shrink(dials_of(seed), lambda dials: bool(run(dials)))
    return f"smallest schedule found: {small}\n  {run(small)[0]}"


def show(seed: int) -> int:
    """Prints one schedule, step by step; 1 if it violates something."""
    trace: list[str] = []
    found = run(dials_of(seed), trace=trace)
    sys.stdout.write("\n".join([str(dials_of(seed)), *trace, *found]) + "\n")
    return 1 if found else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/model-test", description=__doc__)
    parser.add_argument("schedules", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", type=int, metavar="SEED", help="print one schedule")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Runs the schedules; 0 if none violates an invariant, 1 with the failing seeds if any."""
    given = _arguments(argv)
    if given.show is not None:
        return show(given.show)
    began = monotonic_s()
    total = Tally()
    last = given.first + given.schedules
    chunks = [range(at, min(at + CHUNK, last)) for at in range(given.first, last, CHUNK)]
    with multiprocessing.Pool(given.workers) as pool:
        for counts in pool.imap_unordered(tally, chunks):
            total.add(counts)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{total.schedules:,} of {given.schedules:,} schedules")
    seconds = monotonic_s() - began
    _report(total, seconds)
    return 1 if total.failed else 0


def _report(total: Tally, seconds: float) -> None:
    rate = f"{total.schedules:,} schedules in {seconds:.0f} s"
    lines = [
        f"{rate} ({total.schedules / seconds:.0f} a second)",
        f"{total.events:,} events, {total.turns:,} turns",
        "ended: " + ", ".join(f"{phase} {n:,}" for phase, n in sorted(total.ended.items())),
        f"violations: {len(total.failed)}",
    ]
    for seed, violation in sorted(total.failed)[:10]:
        lines.append(f"seed {seed}: {violation}")
        lines.append(f"  scripts/model-test --show {seed}")
    if total.failed:
        lines.append(hint(min(total.failed)[0]))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
