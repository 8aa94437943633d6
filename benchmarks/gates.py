"""What the gates promise, measured: false aborts, detection, and the cost of a judgement.

Everything is drawn from a seed; a look every 30 s, for 24 hours.

Usage: python benchmarks/gates.py [--runs 400] [--part aborts|detection|means|cost]
       400 runs of all parts take about a minute on two cores; 10,000 give two digits.

Exit code 1 where a promise is broken: more false aborts than stated, the confidence bound
counted; detection more than 20 % slower than published; a judgement above 50 us.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

import numpy as np
from many_days import (
    DAY_LOOKS,
    LOOK_S,
    EProcess,
    MannWhitneyJudge,
    PeekedZ,
    Rule,
    ThresholdFor,
    Tick,
    Traffic,
    Watched,
    watch,
)
from many_means import means

from rolloutctl.core.json_types import Json
from rolloutctl.core.measurement import DataState, Measurement, Reading, Sample
from rolloutctl.core.ports import GateContext
from rolloutctl.core.stats.harm_process import begin, e_value, fold_tick
from rolloutctl.core.stats.wilson import wilson_interval
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec

RUNS = 400
SEED = 20_26
#: The share of healthy rollouts that may be aborted, by all gates together.
STATED = 0.05
#: One-sided 95 %.
Z_BOUND = 1.6448536269514722
#: Mean minutes to detection at alpha 5 % and an hour planned, of an earlier simulation.
PUBLISHED_MIN = {0.970: 1.7, 0.985: 6.2, 0.990: 18.7}
SLOWER_MAX = 1.2
#: Where bad events are rare. The exact form, for the others, costs about 1.4 times as much.
JUDGEMENT_MAX_US = 50.0
RARE = 0.01
CALLS = 2_000
COMPARE = Compare()
SPEC = CompareSpec(
    bad='requests_total{model="${arm.labels.model}",status="500"}',
    total='requests_total{model="${arm.labels.model}"}',
)
ARMS = {"control.labels.model": "a", "canary.labels.model": "b"}
START = datetime(2026, 1, 1, tzinfo=UTC)
#: Chances of the four gates' bad events: errors, slow answers, refusals, thumbs down.
GATES = {"errors": 0.005, "slow": 0.01, "refusals": 0.02, "thumbs": 0.2}
#: One answer in ten gets a thumb.
VOTING = 0.1
HOUR_LOOKS = 3_600 // LOOK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A healthy day."""

    name: str
    per_s: float
    is_ramp: bool = False
    is_diurnal: bool = False

    def weight(self, look: int) -> float:
        """5 % all day, or three steps of eight hours."""
        return (0.05, 0.25, 0.5)[look * 3 // DAY_LOOKS] if self.is_ramp else 0.05

    def strength(self, look: int) -> float:
        """Factor of every chance: 1, or from 0.4 to 2.4 in the course of the day."""
        return 1.4 - math.cos(2 * math.pi * look / DAY_LOOKS) if self.is_diurnal else 1.0


DAYS = (
    Day(name="5 %, 50 req/s", per_s=50),
    Day(name="5-25-50 %, 50 req/s", per_s=50, is_ramp=True),
    Day(name="same, diurnal failures", per_s=50, is_ramp=True, is_diurnal=True),
    Day(name="5-25-50 %, 1 req/s", per_s=1, is_ramp=True),
    Day(name="5-25-50 %, 500 req/s", per_s=500, is_ramp=True),
)


def healthy(day: Day, runs: int) -> tuple[int, list[int], int]:
    """Aborts by four gates together, by each at the whole 5 %, and by a pooled peeked z."""
    any_gate = np.zeros(runs, np.bool_)
    alone: list[int] = []
    pooled = 0
    for index, (name, chance) in enumerate(GATES.items()):
        rules: dict[str, Rule] = {
            "shared": EProcess(runs, STATED / len(GATES), DAY_LOOKS),
            "alone": EProcess(runs, STATED, DAY_LOOKS),
        }
        if name == "errors":
            rules["pooled"] = PeekedZ()
        traffic = Traffic(
            per_s=day.per_s * (VOTING if name == "thumbs" else 1),
            weight=day.weight,
            bad=lambda look, chance=chance: min(0.9, chance * day.strength(look)),  # type: ignore[misc]  # bound now
        )
        found = watch(rules, traffic, runs=runs, looks=DAY_LOOKS, seed=SEED + index)
        any_gate |= np.isfinite(found["shared"].first)
        alone.append(int(np.isfinite(found["alone"].first).sum()))
        if "pooled" in found:
            pooled = int(np.isfinite(found["pooled"].first).sum())
    return int(any_gate.sum()), alone, pooled


def aborts(runs: int) -> bool:
    """Prints how often healthy days are aborted; False if more often than stated."""
    print(f"\nHealthy canary, a look every {LOOK_S} s for 24 h, {runs} runs")
    print("four gates, 5 % together; each alone at 5 %; z: pooled over all looks so far, peeked\n")
    print(f"{'':24}{'4 gates':>8}{'95 % bound':>12}", end="")
    print("".join(f"{name:>10}" for name in GATES), f"{'pooled z':>10}")
    is_kept = True
    with ProcessPoolExecutor(max_workers=2) as pool:
        for day, (count, alone, pooled) in zip(
            DAYS, pool.map(healthy, DAYS, [runs] * len(DAYS)), strict=True
        ):
            bound = wilson_interval(count, runs, z=Z_BOUND)[1]
            is_kept &= bound <= STATED
            print(f"{day.name:24}{count / runs:8.2%}{bound:12.2%}", end="")
            print("".join(f"{one / runs:10.2%}" for one in alone), f"{pooled / runs:10.1%}")
    return is_kept


RULES: dict[str, Callable[[int], Rule]] = {
    "e-process, alpha 5 %": lambda runs: EProcess(runs, STATED, HOUR_LOOKS),
    "same, a day planned": lambda runs: EProcess(runs, STATED, DAY_LOOKS),
    "same, one of 4 gates": lambda runs: EProcess(runs, STATED / 4, DAY_LOOKS),
    "err>1 % [5m] for 5m": lambda _runs: ThresholdFor(0.01, window=10, lasts=10),
    "err>2 % [5m] for 5m": lambda _runs: ThresholdFor(0.02, window=10, lasts=10),
    "z test at every look": lambda _runs: PeekedZ(),
    "Mann-Whitney hourly": lambda _runs: MannWhitneyJudge(),
}
HEALTHY = 0.995
LATE_LOOK = 6 * HOUR_LOOKS


def day_at(success: float, runs: int, starts_at: int) -> dict[str, Watched]:
    """All rules on the same days, 5 % of 50 requests a second; success falls at a look."""
    factor = (1 - success) / (1 - HEALTHY)
    traffic = Traffic(
        per_s=50,
        weight=lambda _look: 0.05,
        bad=lambda _look: 1 - HEALTHY,
        harm=lambda look: factor if look >= starts_at else 1.0,
    )
    rules = {name: build(runs) for name, build in RULES.items()}
    return watch(rules, traffic, runs=runs, looks=DAY_LOOKS, seed=SEED)


def detection(runs: int) -> bool:
    """Prints minutes to detection; False if the default is much slower than published."""
    cases = [(HEALTHY, 0), *((success, 0) for success in PUBLISHED_MIN)]
    cases += [(success, LATE_LOOK) for success in PUBLISHED_MIN]
    successes, starts = zip(*cases, strict=True)
    with ProcessPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(day_at, successes, [runs] * len(cases), starts))
    print(f"\n5 % of 50 req/s, success 99.5 % falls to ..., mean minutes, {runs} runs")
    print("from the first look on, and after 6 healthy hours (runs aborted before: not counted)\n")
    heads = ["aborts, healthy", *(f"{success:.1%}" for success in PUBLISHED_MIN)]
    heads += [f"{success:.1%} late" for success in PUBLISHED_MIN]
    print(f"{'':22}" + "".join(f"{head:>16}" for head in heads))
    for name in RULES:
        cells = [f"{found[0][name].share:.1%}"]
        cells += [
            _minutes(one[name], since=since)
            for one, since in zip(found[1:], starts[1:], strict=True)
        ]
        print(f"{name:22}" + "".join(f"{cell:>16}" for cell in cells))
    default = next(iter(RULES))
    is_kept = True
    for limit, one in zip(PUBLISHED_MIN.values(), found[1:], strict=False):
        is_kept &= one[default].mean_minutes() <= limit * SLOWER_MAX
    return is_kept


def _minutes(watched: Watched, *, since: int) -> str:
    share = float(np.isfinite(watched.first[watched.first > since]).mean())
    found = "" if share == 1 else f" ({share:.0%})"
    return f"{watched.mean_minutes(since=since):.1f}{found}"


def cost(_runs: int) -> bool:
    """Prints what one judgement costs; False above 50 us where bad events are rare."""
    print(f"\nOne judgement, median of {CALLS}: evidence alone, and the whole gate `compare`")
    print("from four answers to a verdict\n")
    is_kept = True
    for share in (RARE, 0.2):
        for per_s in (1, 50, 500, 50_000):
            evidence_us, gate_us = judgement_us(per_s, share)
            is_kept &= share > RARE or gate_us <= JUDGEMENT_MAX_US
            print(f"{per_s:>7} req/s, {share:4.0%} bad {evidence_us:8.1f} us {gate_us:8.1f} us")
    return is_kept


def judgement_us(per_s: int, share: float) -> tuple[float, float]:
    """Median microseconds of the evidence's part, and of a whole judgement."""
    rng = np.random.default_rng(SEED)
    requests = per_s * LOOK_S
    all0, all1 = requests * 95 // 100, max(1, requests * 5 // 100)
    known: Json = None
    process = begin(DAY_LOOKS)
    counters = [0.0] * 4
    evidence_s, gate_s = [], []
    for look in range(CALLS):
        bad0, bad1 = int(rng.binomial(all0, share)), int(rng.binomial(all1, share))
        counters = [*map(sum, zip(counters, (bad0, all0, bad1, all1), strict=True))]
        context, readings = look_at(counters, look)
        began_s = perf_counter()
        known, _ = COMPARE.assess(SPEC, known, readings, context)
        gate_s.append(perf_counter() - began_s)
        began_s = perf_counter()
        process = fold_tick(process, control=(bad0, all0), canary=(bad1, all1))
        e_value(process)
        evidence_s.append(perf_counter() - began_s)
    return median(evidence_s) * 1e6, median(gate_s) * 1e6


def look_at(counters: Sequence[float], look: int) -> tuple[GateContext, list[Reading]]:
    """What a gate is given at a look."""
    now = START + timedelta(seconds=look * LOOK_S)
    context = GateContext(
        now=now, since=START, arms=ARMS, exposure=None, interval_s=LOOK_S, looks=DAY_LOOKS
    )
    queries = COMPARE.queries(SPEC, context)
    return context, [
        Reading(
            query=query,
            measurement=Measurement(
                at=now,
                state=DataState.OK,
                samples=(Sample(labels=(("q", query.text),), value=one),),
            ),
        )
        for query, one in zip(queries, counters, strict=True)
    ]


def check_twin() -> None:
    """The simulated e-process is the shipped one, to 1e-9; or the tables say nothing."""
    rng = random.Random(SEED)  # noqa: S311 - a seeded simulation
    process, many = begin(HOUR_LOOKS), EProcess(1, STATED, HOUR_LOOKS)
    for _ in range(2 * HOUR_LOOKS):
        all0, all1 = rng.randint(1, 2_000), rng.randint(1, 200)
        bad0, bad1 = (sum(rng.random() < GATES["slow"] for _ in range(n)) for n in (all0, all1))
        process = fold_tick(process, control=(bad0, all0), canary=(bad1, all1))
        tick = Tick(*(np.array([float(count)]) for count in (bad0, all0, bad1, all1)))
        if not math.isclose(e_value(process), many.evidence(tick)[0], rel_tol=1e-9):
            raise SystemExit("the simulated e-process is not the one of core/stats")


PARTS: dict[str, Callable[[int], bool]] = {
    "aborts": aborts,
    "detection": detection,
    "means": means,
    "cost": cost,
}


def main(arguments: Sequence[str]) -> int:
    """Prints the tables; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--part", choices=sorted(PARTS), action="append")
    wanted = parser.parse_args(arguments)
    check_twin()
    broken = [name for name in wanted.part or PARTS if not PARTS[name](wanted.runs)]
    print(f"\nBROKEN: {', '.join(broken)}" if broken else "\nevery promise kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
