"""Measures commands side by side: interleaved rounds, medians, ratios to a floor.

Ratios, because seconds depend on the machine; interleaved, because a machine's speed
drifts while one measures; in a fresh process each, because that is what a user waits for.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`name` may take at most `ratio` times what `floor` takes."""

    name: str
    floor: str
    ratio: float


def run_command(command: Sequence[str]) -> None:
    """Runs it quietly. Raises `CalledProcessError` with its stderr if it fails."""
    # Compiled modules must be kept on both sides: a user starts a command many times.
    environ = {key: v for key, v in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=environ)


def medians_s(
    commands: Mapping[str, Sequence[str]],
    *,
    rounds: int,
    before_each: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median wall seconds by name; one round warms the caches and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(rounds + 1):
        for name, command in commands.items():
            before_each()
            began_s = perf_counter()
            run_command(command)
            if round_number:
                taken[name].append(perf_counter() - began_s)
    return {name: statistics.median(values) for name, values in taken.items()}


def report(medians: Mapping[str, float], limits: Sequence[Limit]) -> int:
    """Prints the table and every limit with its ratio; 1 if one is broken."""
    width = max(len(name) for name in medians)
    for name, median_s in medians.items():
        print(f"{name:<{width}}  {median_s * 1000:8.1f} ms")
    broken = 0
    for limit in limits:
        ratio = medians[limit.name] / medians[limit.floor]
        verdict = "ok" if ratio <= limit.ratio else "TOO SLOW"
        broken += ratio > limit.ratio
        print(f"{limit.name} / {limit.floor} = {ratio:.2f} x, at most {limit.ratio:g} x: {verdict}")
    return 1 if broken else 0


def python(*arguments: str) -> list[str]:
    """A command line for this interpreter."""
    return [sys.executable, *arguments]
