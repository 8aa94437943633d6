"""What counts of an A/B test say: split, difference of every arm, verdict; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolloutctl.core.experiment import Want
from rolloutctl.core.stats.against_control import Comparison, compare_with_control
from rolloutctl.core.stats.counted import Counted, Significance
from rolloutctl.core.stats.fisher import fisher_test
from rolloutctl.core.stats.pearson import chi_square_test
from rolloutctl.core.stats.sample_size import Design, visible_share
from rolloutctl.core.stats.split_test import split_test

#: Below this p-value units are not split as intended (see `core.stats.split_test`).
SPLIT_P_MIN = 0.001
#: The power that "what these units can show" is told for.
POWER = 0.8
#: Fisher's test sums over tables; beyond so many units it agrees with chi-square anyway.
FISHER_UNITS_MAX = 1_000_000
_ARMS_MIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AbReport:
    """One look at a planned sample.

    Attributes:
        arms: (with the property, all) by arm, control first.
        weights: the intended split, in the same order; any scale.
        alpha: chance of any finding among arms that are alike.
        want: which difference is wished for; None where nobody said.
        split: are the units split as intended?
        overall: chi-square over all arms together.
        yates: the same of two arms, with Yates' correction; None for more.
        fisher: Fisher's test of two arms; None for more, and for very many units.
        comparisons: every arm against control, by name.
        visible: size of the difference from control that samples of this size show with
            80 %, in the wanted direction or in both; None if none.
    """

    arms: Mapping[str, Counted]
    weights: Sequence[float]
    alpha: float
    want: Want | None
    split: Significance
    overall: Significance
    yates: Significance | None
    fisher: Significance | None
    comparisons: Mapping[str, Comparison]
    visible: float | None

    @property
    def control(self) -> str:
        """Control's name."""
        return next(iter(self.arms))

    @property
    def is_split_broken(self) -> bool:
        """The units are not split as intended: what they show is not judged."""
        return self.split.p_value < SPLIT_P_MIN

    def verdict(self, arm: str) -> str:
        """`better`, `worse`, `higher`, `lower`, `inconclusive` or `not judged`."""
        found = self.comparisons[arm]
        if self.is_split_broken:
            return "not judged"
        if not found.is_significant:
            return "inconclusive"
        if self.want is None:
            return "higher" if found.effect > 0 else "lower"
        return "better" if (found.effect > 0) is (self.want is Want.INCREASE) else "worse"


def report(
    arms: Mapping[str, Counted],
    *,
    weights: Sequence[float] = (),
    alpha: float = 0.05,
    want: Want | None = None,
) -> AbReport:
    """Judges the counts once.

    Args:
        arms: (with the property, all) by arm, control first.
        weights: the intended split; equal if not given.
        alpha: 0..0.5, ends excluded.
        want: which difference is wished for.

    Raises:
        ValueError: fewer than two arms, one without units, more successes than units,
            weights that do not fit, or an alpha that is none.
    """
    if len(arms) < _ARMS_MIN:
        raise ValueError("one arm: there is nothing to compare it with")
    for name, (count, total) in arms.items():
        _check(name, count, total)
    counts = list(arms.values())
    control, *others = counts
    weights = weights or [1.0] * len(counts)
    is_pair = len(counts) == _ARMS_MIN
    is_small = sum(total for _, total in counts) <= FISHER_UNITS_MAX
    found = compare_with_control(control, others, alpha=alpha)
    return AbReport(
        arms=arms,
        weights=weights,
        alpha=alpha,
        want=want,
        split=split_test([total for _, total in counts], weights),
        overall=chi_square_test(counts),
        yates=chi_square_test(counts, yates=True) if is_pair else None,
        fisher=fisher_test(control, others[0]) if is_pair and is_small else None,
        comparisons=dict(zip(list(arms)[1:], found, strict=True)),
        visible=_visible(counts, alpha=alpha, want=want),
    )


def _check(name: str, count: float, total: float) -> None:
    if not (math.isfinite(count) and math.isfinite(total)) or count < 0 or total < 0:
        raise ValueError(f"{name}: {count:g} of {total:g} are no counts")
    if total == 0:
        raise ValueError(f"{name}: no units; an arm without any shows nothing")
    if count > total:
        raise ValueError(f"{name}: {count:g} of {total:g}: more successes than units")


def _visible(counts: Sequence[Counted], *, alpha: float, want: Want | None) -> float | None:
    """The smallest difference that samples of this size show with the power."""
    (success, units), *others = counts
    design = Design(
        alpha=alpha / len(others), power=POWER, ratio=min(total for _, total in others) / units
    )
    share = success / units
    reached = [
        visible_share(share, units, is_increase=is_increase, design=design)
        for is_increase in ((True, False) if want is None else (want is Want.INCREASE,))
    ]
    if None in reached:
        return None
    return max(abs(one - share) for one in reached if one is not None)
