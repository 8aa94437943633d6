"""Evidence that the canary's bad events are too many, valid at every look (an e-process).

Per look (a "tick") the two arms have n0 and n1 events and k bad ones among both. If the
canary's bad share is θ times control's, a bad event is the canary's with the odds
n1·θ : n0. The likelihood ratio of θ against the tolerated θ0, for one tick, is

    L = k1·ln(θ/θ0) - k·ln((1 + w(θ-1)) / (1 + w(θ0-1))),   w = n1/(n0+n1)

It depends on what both arms saw in the same tick alone, so daily rhythms and changes of
the weight cancel out: ticks are strata and nothing is pooled. Under "θ is at most θ0" the
mean over a grid of θ has an expectation of at most 1 at every time, so by Ville's
inequality it ever reaches 1/alpha with a probability of at most alpha, however often one looks.

Exact for Poisson counts, and valid for requests at any θ0: for independent events of chance
p_i, exp(L) has the expectation Π(1 + p_i(a-1)) over the canary's times Π(1 + p_i(b-1)) over
control's, with b = (n1θ0+n0)/(n1θ+n0) and a = b·θ/θ0. As 1 + x is at most exp(x), that is at
most exp(P1(a-1) + P0(b-1)) for the arms' expected bad events P1 and P0, which is 1 where
P1/n1 is θ0·P0/n0 and less on the right side of it. The price: the more of all events are
bad, the more conservative it is; `exact_gains` is not.

It is the discrete form of
the time-inhomogeneous Poisson test of M. Lindon and A. Malek, "Anytime-Valid Inference for
Multinomial Count Data", NeurIPS 2022; conditioning tick by tick is the sequential form of
the Cochran-Mantel-Haenszel test.

Half of the prior mass is on "from the first tick on", the other half is spread over the
planned ticks: a harm that starts late is then not averaged with the healthy past.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

#: Factors of θ0 that the evidence is spread over: from a quarter more to sixteen times.
GRID = (1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 16.0)
#: Grid of the reverse question, "is it shown to be better than θ0": divisors.
REVERSE_GRID = (1 / 1.25, 1 / 1.5, 1 / 2.0, 1 / 3.0, 1 / 5.0)
#: Prior mass on a harm that is there from the first tick.
_HEAD = 0.5
#: exp() of more than this would overflow; evidence that strong needs no more digits.
_LOG_MAX = 700.0
#: Grids whose logarithms are kept in memory; there are three.
_GRIDS_MAX = 16


class HarmProcess(NamedTuple):
    """The evidence so far, as logarithms by grid point.

    Attributes:
        planned: ticks over which the start of a harm is spread, at least 1.
        ticks: ticks with events in both arms so far.
        start: log evidence of a harm since the first tick.
        later: log evidence of a harm that began at a later planned tick, weighted by its
            prior; empty before the first tick.
    """

    planned: int
    ticks: int
    start: tuple[float, ...]
    later: tuple[float, ...]


def begin(planned: int, *, grid: Sequence[float] = GRID) -> HarmProcess:
    """No evidence yet; `planned` looks at one grid of factors."""
    return HarmProcess(max(1, planned), 0, (0.0,) * len(grid), ())


def fold_tick(
    process: HarmProcess,
    *,
    control: tuple[float, float],
    canary: tuple[float, float],
    tolerated: float = 1.0,
    grid: Sequence[float] = GRID,
) -> HarmProcess:
    """The evidence after one more tick of disjoint events.

    Args:
        process: the evidence before.
        control: (bad events, all events) of control in this tick; 0 <= bad <= all.
        canary: the same of the canary.
        tolerated: θ0 of this tick, above 0; chosen without looking at the tick.
        grid: the factors of θ0 that the process was begun with.

    Returns:
        The process itself where an arm had no events: nothing was compared.

    Raises:
        ValueError: more bad events than events, or a number that is none.
    """
    (bad0, all0), (bad1, all1) = control, canary
    if not (0 <= bad0 <= all0 < math.inf and 0 <= bad1 <= all1 < math.inf):
        raise ValueError(f"{bad0} of {all0} and {bad1} of {all1} are not shares")
    if all0 <= 0 or all1 <= 0:
        return process
    share1 = all1 / (all0 + all1)
    return fold_gains(process, gains(bad0 + bad1, bad1, share1, tolerated=tolerated, grid=grid))


#: Bad events of a tick, the canary's, its share of all events, and what is not the factor's.
_Row = tuple[float, float, float, float]


def fold_ticks(
    process: HarmProcess,
    ticks: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    *,
    tolerated: float,
) -> tuple[HarmProcess, float]:
    """What `fold_tick` makes of many ticks of (control, canary), one after the other.

    The same operations in the same order for each factor, so the same to the last bit; in
    a third of the time, because nothing is kept in between.

    Returns:
        The evidence, and the highest logarithm that any part of it had after any tick.
    """
    log1p, peak = math.log1p, -math.inf
    rows = []
    for (bad0, all0), (bad1, all1) in ticks:
        if all0 > 0 and all1 > 0:
            share1 = all1 / (all0 + all1)
            base = log1p(share1 * (tolerated - 1)) if tolerated != 1 else 0.0
            rows.append((bad0 + bad1, bad1, share1, base))
    if not rows:
        return process, peak
    planned = max(0, process.planned - process.ticks)
    share = -math.log(process.planned)
    starts, laters = [], []
    before = process.later or (-math.inf,) * len(process.start)
    for factor, start, later in zip(GRID, process.start, before, strict=True):
        point = _Point(factor=tolerated * factor - 1, log_factor=math.log(factor))
        at, high = point.planned((start, later), rows[:planned], share=share)
        at, higher = point.unplanned(at, rows[planned:])
        peak = max(peak, high, higher)
        starts.append(at[0])
        laters.append(at[1])
    ticks_after = process.ticks + len(rows)
    return HarmProcess(process.planned, ticks_after, tuple(starts), tuple(laters)), peak


class _Point(NamedTuple):
    """One factor of the grid, over many ticks of (bad, the canary's bad, share, base)."""

    factor: float
    log_factor: float

    def planned(
        self, at: tuple[float, float], rows: Sequence[_Row], *, share: float
    ) -> tuple[tuple[float, float], float]:
        """(start, later) after ticks at which a harm may begin, and the higher one's peak."""
        exp, log1p, peak = math.exp, math.log1p, -math.inf
        factor, log_factor = self
        start, later = at
        for bad, bad1, share1, base in rows:
            gain = bad1 * log_factor - bad * (log1p(share1 * factor) - base) if bad else 0.0
            start += gain
            later = gain + (
                later + log1p(exp(share - later))
                if later > share
                else share + log1p(exp(later - share))
            )
            if start > peak:  # noqa: PLR1730 - a call would cost as much as all the rest
                peak = start
            if later > peak:  # noqa: PLR1730 - same
                peak = later
        return (start, later), peak

    def unplanned(
        self, at: tuple[float, float], rows: Sequence[_Row]
    ) -> tuple[tuple[float, float], float]:
        """The same after ticks beyond the plan."""
        log1p, peak = math.log1p, -math.inf
        factor, log_factor = self
        start, later = at
        for bad, bad1, share1, base in rows:
            gain = bad1 * log_factor - bad * (log1p(share1 * factor) - base) if bad else 0.0
            start, later = start + gain, later + gain
            peak = max(peak, start, later)
        return (start, later), peak


def fold_gains(process: HarmProcess, gained: Sequence[float]) -> HarmProcess:
    """The evidence after a tick that adds `gained` to the logarithm of each grid point.

    Whatever they are computed from: where nothing is wrong, the exponential of each must
    have an expectation of at most 1, given what was known before the tick.
    """
    start = tuple([h + gain for h, gain in zip(process.start, gained, strict=True)])
    if process.ticks >= process.planned:
        later = tuple([s + gain for s, gain in zip(process.later, gained, strict=True)])
    else:
        exp, log1p, share = math.exp, math.log1p, -math.log(process.planned)
        before = process.later or (-math.inf,) * len(start)
        # log(exp(s) + exp(share)) without overflow; written out, it is most of a judgement.
        later = tuple(
            [
                gain + (s + log1p(exp(share - s)) if s > share else share + log1p(exp(s - share)))
                for s, gain in zip(before, gained, strict=True)
            ]
        )
    return HarmProcess(process.planned, process.ticks + 1, start, later)


def e_value(process: HarmProcess) -> float:
    """The e-value: 1 at first, at least 1/alpha with a probability of at most alpha if harmless.

    Finite: evidence beyond what a float can hold is cut off.
    """
    unstarted = max(0.0, 1 - process.ticks / process.planned) * len(process.start)
    start, later = _total(process.start), _total(process.later)
    return (_HEAD * start + (1 - _HEAD) * (later + unstarted)) / len(process.start)


def _total(logarithms: tuple[float, ...]) -> float:
    """The sum of what these are logarithms of, finite."""
    if max(logarithms, default=0.0) > _LOG_MAX:
        logarithms = tuple([min(one, _LOG_MAX) for one in logarithms])
    return math.fsum(map(math.exp, logarithms))


def gains(
    bad: float, bad1: float, share1: float, *, tolerated: float, grid: Sequence[float]
) -> list[float]:
    """What one tick adds to the log evidence of each factor of `tolerated`.

    Args:
        bad: events of both arms.
        bad1: those of the canary.
        share1: the share of them, 0..1, that would be the canary's if nothing were wrong.
        tolerated: θ0.
        grid: factors of θ0.
    """
    if not bad:
        return [0.0] * len(grid)
    log1p = math.log1p
    base = log1p(share1 * (tolerated - 1)) if tolerated != 1 else 0.0
    return [
        bad1 * log_factor - bad * (log1p(share1 * (tolerated * factor - 1)) - base)
        for factor, log_factor in zip(grid, _logs(tuple(grid)), strict=True)
    ]


@lru_cache(maxsize=_GRIDS_MAX)
def _logs(grid: tuple[float, ...]) -> tuple[float, ...]:
    return tuple([math.log(factor) for factor in grid])
