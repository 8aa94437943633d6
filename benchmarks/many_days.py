"""Many days of traffic at once, and the rules that look at them: numpy, one row a run.

The e-process here is `rolloutctl.core.stats.harm_process` in linear space and for all runs
at a time; `benchmarks/gates.py` checks first that both give the same numbers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rolloutctl.core.stats.harm_process import GRID

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

LOOK_S = 30
DAY_LOOKS = 86_400 // LOOK_S
#: Two-sided 5 %.
Z_95 = 1.959963984540054
#: Two-sided 98 %, the confidence of Kayenta's judge.
Z_98 = 2.3263478740408408


class Tick(NamedTuple):
    """Events of both arms between two looks, by run."""

    bad0: Floats
    all0: Floats
    bad1: Floats
    all1: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What happens to a service.

    Attributes:
        per_s: requests a second, of both arms.
        weight: the canary's share of them, by look.
        bad: control's chance of a bad event, by look.
        harm: factor of it on the canary, by look.
    """

    per_s: float
    weight: Callable[[int], float]
    bad: Callable[[int], float]
    harm: Callable[[int], float] = lambda _look: 1.0


def ticks(traffic: Traffic, runs: int, *, looks: int, rng: np.random.Generator) -> Iterator[Tick]:
    """Draws looks one after the other: Poisson requests, binomial bad events."""
    for look in range(looks):
        weight, bad = traffic.weight(look), traffic.bad(look)
        requests = traffic.per_s * LOOK_S
        all0 = rng.poisson(requests * (1 - weight), runs)
        all1 = rng.poisson(requests * weight, runs)
        bad0 = rng.binomial(all0, bad)
        bad1 = rng.binomial(all1, bad * traffic.harm(look))
        yield Tick(*(counts.astype(np.float64) for counts in (bad0, all0, bad1, all1)))


class Rule(Protocol):
    """Looks at one tick after another; says which runs it would abort now."""

    def look(self, tick: Tick) -> Flags:
        """Adds a tick to what the rule knows."""
        ...


@dataclass(slots=True)
class EProcess:
    """`harm_process`: aborts at 1/alpha; harm may start at any of `planned` ticks."""

    runs: int
    alpha: float
    planned: int
    ticks: int = 0
    start: Floats = field(init=False)
    later: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.start = np.ones((self.runs, len(GRID)))
        self.later = np.zeros((self.runs, len(GRID)))

    def look(self, tick: Tick) -> Flags:
        """One more tick; runs without traffic on an arm learn nothing."""
        return self.evidence(tick) >= 1 / self.alpha

    def evidence(self, tick: Tick) -> Floats:
        """The e-value of every run."""
        factor = np.array(GRID)
        both = tick.all0 + tick.all1
        share1 = np.divide(tick.all1, both, out=np.zeros_like(both), where=both > 0)
        # With one arm empty every likelihood ratio is 1: nothing is compared.
        seen = (tick.all0 > 0) & (tick.all1 > 0)
        bad = np.where(seen, tick.bad0 + tick.bad1, 0.0)[:, None]
        bad1 = np.where(seen, tick.bad1, 0.0)[:, None]
        with np.errstate(over="ignore"):
            ratio = np.exp(bad1 * np.log(factor) - bad * np.log1p(share1[:, None] * (factor - 1)))
            self.start *= ratio
            if self.ticks < self.planned:
                self.later += 1 / self.planned
            self.later *= ratio
            self.ticks += 1
            unstarted = max(0.0, 1 - self.ticks / self.planned)
            mean: Floats = (0.5 * self.start + 0.5 * (self.later + unstarted)).mean(axis=1)
        return mean


@dataclass(slots=True)
class PeekedZ:
    """The pooled two-sided z test on everything so far, at every look; p below 5 %."""

    total: Tick | None = None

    def look(self, tick: Tick) -> Flags:
        """Aborts in the bad direction only, as a gate would."""
        self.total = Tick(*(map(np.add, self.total, tick))) if self.total else tick
        bad0, all0, bad1, all1 = self.total
        share = (bad0 + bad1) / np.maximum(all0 + all1, 1)
        variance = share * (1 - share) * (1 / np.maximum(all0, 1) + 1 / np.maximum(all1, 1))
        difference = bad1 / np.maximum(all1, 1) - bad0 / np.maximum(all0, 1)
        return (variance > 0) & (difference > Z_95 * np.sqrt(variance))


@dataclass(slots=True)
class ThresholdFor:
    """Canary's share of bad events over a window above a limit, for so many looks on end.

    At the beginning the part of the window that there is counts, as in PromQL.
    """

    limit: float
    window: int  # looks
    lasts: int  # looks
    recent: deque[Tick] = field(default_factory=deque)
    breached: npt.NDArray[np.int64] | None = None

    def look(self, tick: Tick) -> Flags:
        """A breach at this look, and at all looks since `for` began."""
        self.recent.append(tick)
        if len(self.recent) > self.window:
            self.recent.popleft()
        bad = np.sum([one.bad1 for one in self.recent], axis=0)
        every = np.sum([one.all1 for one in self.recent], axis=0)
        above = bad > self.limit * every
        before = self.breached if self.breached is not None else np.zeros(len(bad), np.int64)
        self.breached = np.where(above, before + 1, 0)
        return self.breached > self.lasts


@dataclass(slots=True)
class MannWhitneyJudge:
    """Kayenta's classifier, hourly, on one-minute shares of bad events of the last hour.

    "High" where the lower end of the 98 % interval of the shift is above a quarter of the
    Hodges-Lehmann estimate (spinnaker/kayenta, MannWhitneyClassifier.scala).
    """

    points: int = 60
    tolerance: float = 0.25
    half: Tick | None = None
    control: list[Floats] = field(default_factory=list)
    canary: list[Floats] = field(default_factory=list)

    def look(self, tick: Tick) -> Flags:
        """Two looks make a point, sixty points an analysis."""
        if self.half is None:
            self.half = tick
            return np.zeros(len(tick.bad0), np.bool_)
        bad0, all0, bad1, all1 = map(np.add, self.half, tick)
        self.half = None
        self.control.append(bad0 / np.maximum(all0, 1))
        self.canary.append(bad1 / np.maximum(all1, 1))
        if len(self.canary) < self.points:
            return np.zeros(len(bad0), np.bool_)
        high = self._is_high(np.array(self.control).T, np.array(self.canary).T)
        self.control, self.canary = [], []
        return high

    def _is_high(self, control: Floats, canary: Floats) -> Flags:
        n = self.points
        below = n * n / 2 - Z_98 * math.sqrt(n * n * (2 * n + 1) / 12)
        found = []
        for one, other in zip(control, canary, strict=True):
            shifts = np.sort(np.subtract.outer(other, one), axis=None)
            found.append(shifts[round(below)] > self.tolerance * abs(np.median(shifts)))
        return np.array(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """When rules would first abort, in looks from 1; infinite where they would not."""

    first: Floats

    @property
    def share(self) -> float:
        """Share of runs that are aborted at all."""
        return float(np.isfinite(self.first).mean())

    def mean_minutes(self, *, since: int = 0) -> float:
        """Mean minutes from look `since` to the abort, of the runs aborted after it."""
        late = self.first[np.isfinite(self.first) & (self.first > since)]
        return float((late - since).mean() * LOOK_S / 60) if len(late) else math.inf


def watch(
    rules: dict[str, Rule],
    traffic: Traffic,
    *,
    runs: int,
    looks: int,
    seed: int,
) -> dict[str, Watched]:
    """Lets every rule look at the same days."""
    rng = np.random.default_rng(seed)
    first = {name: np.full(runs, math.inf) for name in rules}
    for look, tick in enumerate(ticks(traffic, runs, looks=looks, rng=rng), start=1):
        for name, rule in rules.items():
            fired = rule.look(tick) & np.isinf(first[name])
            first[name][fired] = look
        if all(np.isfinite(one).all() for one in first.values()):
            break
    return {name: Watched(first=one) for name, one in first.items()}
