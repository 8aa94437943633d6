"""24 hours of a five-step playbook with four gates every 30 s, on the fake clock.

Three gates count from raw counters (a share, a quantile, a mean), the guardrail is one
expression: the usual mix.

The floor is what nobody can save: the same questions asked of the same fake source, and
one comparison each, in a bare loop. The collector of cycles is set as the command line sets it.

Usage: python benchmarks/simulated_day.py [ROUNDS]
"""

from __future__ import annotations

import gc
import math
import statistics
import sys
from datetime import timedelta
from time import perf_counter

from fake_rollouts import begin, load_day, steady_source

from rolloutctl.cli.main import GC_THRESHOLD
from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.runner.loop import drive
from rolloutctl.testing import FakeClock, MemoryJournal

ROUNDS = 3
SECONDS_MAX = 1.0
INTERVAL_S = 30
DAY_S = 86_400
#: What the four gates ask at every look, each text once.
ASKED = (
    'llm_failures_total{model="b"}',
    'llm_requests_total{model="b"}',
    'llm_usd_total{model="b"}',
    'llm_seconds_bucket{model="b"}',
)


def floor_s() -> float:
    """Seconds for asking and comparing alone."""
    clock = FakeClock()
    source = steady_source(clock)
    queries = [Query(kind=QueryKind.COUNTERS, text=text) for text in ASKED]
    began_s = perf_counter()
    for look in range(DAY_S // INTERVAL_S):
        at = clock.now() + timedelta(seconds=look * INTERVAL_S)
        for query in queries:
            assert source.query(query, at).samples[0].value >= 0  # noqa: S101 - the comparison
    return perf_counter() - began_s


def day_s() -> tuple[float, int, int]:
    """Seconds for the whole day, how often gates were asked, events recorded."""
    clock, journal = FakeClock(), MemoryJournal()
    rollout = begin(load_day(), journal, clock=clock, rollout_id="r-1")
    began_s = perf_counter()
    end = drive(rollout, poll_s=math.inf)
    taken_s = perf_counter() - began_s
    if end.exit_code:
        raise SystemExit(f"the day ended with {end.exit_code}: {end.because}")
    source = rollout.adapters.sources["app"]
    return taken_s, len(getattr(source, "asked", ())), len(journal.read("r-1"))


def main(rounds: int) -> int:
    """Prints the table; 1 if the day takes longer than a second."""
    gc.set_threshold(GC_THRESHOLD)
    floor = statistics.median(floor_s() for _ in range(rounds))
    days = [day_s() for _ in range(rounds)]
    median_s = statistics.median(taken_s for taken_s, _, _ in days)
    _, asked, events = days[0]
    verdict = "ok" if median_s <= SECONDS_MAX else "TOO SLOW"
    print(f"floor: asking and comparing alone  {floor * 1000:8.1f} ms")
    print(f"24 h, {asked} questions, {events} events  {median_s * 1000:8.1f} ms")
    print(f"{median_s / floor:.1f} x the floor; at most {SECONDS_MAX:g} s: {verdict}")
    return 0 if median_s <= SECONDS_MAX else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
