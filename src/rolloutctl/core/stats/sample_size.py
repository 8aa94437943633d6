"""How many units an A/B experiment needs, and what a number of units can show.

Two shares p0 and p1, a two-sided (or one-sided) z test at `alpha`, and the chance `power`
of seeing the difference D = p1 - p0 if it is there; `ratio` canary units for one of
control, p̄ the share of all units together. Units of control:

* pooled: (z_a·√(p̄q̄(1 + 1/ratio)) + z_b·√(p0q0 + p1q1/ratio))² / D².
  J. Fleiss, B. Levin and M. Paik, Statistical Methods for Rates and Proportions, 3rd ed.
  (2003), 4.14; with equal arms it is R's power.prop.test. It plans the test that is used
  here, chi-square without Yates, so it is the default. 10 % to 15 % at 80 %: 686 an arm.
* unpooled: (z_a + z_b)²·(p0q0 + p1q1/ratio) / D². S.-C. Chow, J. Shao and H. Wang, Sample
  Size Calculations in Clinical Research, 2nd ed. (2008), 4.2.1. The same case: 683.

The other tail, "significant in the wrong direction", is not counted as power (as in R
unless `strict`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from rolloutctl.core.stats.normal import normal_quantile, normal_tail

#: Halvings after which a share is known to the last digit.
_HALVINGS = 100


class SizeFormula(StrEnum):
    """Which variance the test is planned with when nothing differs."""

    POOLED = "pooled"
    UNPOOLED = "unpooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How an experiment is to be judged.

    Attributes:
        alpha: chance of a finding where there is none, 0..0.5, ends excluded.
        power: chance of a finding where there is one; above alpha, below 1.
        ratio: canary units for one unit of control, above 0.
        is_one_sided: only one direction counts.
        formula: pooled unless said otherwise.

    Raises:
        ValueError: any of them out of its range.
    """

    alpha: float = 0.05
    power: float = 0.8
    ratio: float = 1.0
    is_one_sided: bool = False
    formula: SizeFormula = SizeFormula.POOLED

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:  # noqa: PLR2004 - a coin
            raise ValueError(f"alpha {self.alpha} is not between 0 and 0.5")
        if not self.alpha < self.power < 1:
            raise ValueError(f"power {self.power} is not between alpha {self.alpha} and 1")
        if not 0 < self.ratio < math.inf:
            raise ValueError(f"{self.ratio} canary units for one of control")

    def z_alpha(self) -> float:
        """The z that the test must pass."""
        return -normal_quantile(self.alpha if self.is_one_sided else self.alpha / 2)


DESIGN = Design()


def sample_size(control: float, canary: float, *, design: Design = DESIGN) -> float:
    """Units of control needed to tell two shares apart; round it up.

    The canary needs `design.ratio` times as many.

    Args:
        control: share expected of control, 0..1.
        canary: share of the canary that must not be missed, another one.
        design: alpha, power, split and formula.

    Raises:
        ValueError: the shares are the same (no number of units tells them apart), or none.
    """
    difference = _difference(control, canary)
    if difference == 0:
        raise ValueError(f"both shares are {control}: no number of units tells them apart")
    if_same, if_not = _spreads(control, canary, design=design)
    needed = design.z_alpha() * if_same + normal_quantile(design.power) * if_not
    return (needed / difference) ** 2


def units_of_control(control: float, canary: float, *, design: Design = DESIGN) -> int:
    """`sample_size`, rounded up to whole units."""
    return math.ceil(sample_size(control, canary, design=design))


def power_of(control: float, canary: float, units: float, *, design: Design = DESIGN) -> float:
    """The chance to see the difference with so many units of control; 0 units: 0.

    `design.power` is not used. Raises `ValueError` for shares or units that are none.
    """
    difference = _difference(control, canary)
    if not 0 <= units < math.inf:
        raise ValueError(f"{units} units")
    if units == 0:
        return 0.0
    if_same, if_not = _spreads(control, canary, design=design)
    reached = difference * math.sqrt(units) - design.z_alpha() * if_same
    if if_not == 0:
        # 0 % against 100 %: nothing is left to chance.
        return 1.0 if reached > 0 else 0.0
    return normal_tail(-reached / if_not)


def visible_share(
    control: float, units: float, *, is_increase: bool, design: Design = DESIGN
) -> float | None:
    """The canary's share nearest to control's that `units` of control show with the power.

    None where not even 100 % (or 0 %) would be seen.
    """
    end = 1.0 if is_increase else 0.0
    if control == end or power_of(control, end, units, design=design) < design.power:
        return None
    unseen, seen = control, end
    for _ in range(_HALVINGS):
        middle = (unseen + seen) / 2
        if power_of(control, middle, units, design=design) < design.power:
            unseen = middle
        else:
            seen = middle
    return seen


def _difference(control: float, canary: float) -> float:
    for share in (control, canary):
        if not 0 <= share <= 1:
            raise ValueError(f"{share} is not a share")
    return abs(canary - control)


def _spreads(control: float, canary: float, *, design: Design) -> tuple[float, float]:
    """The test's standard error times √units: if nothing differs, and if the shares do."""
    apart = control * (1 - control) + canary * (1 - canary) / design.ratio
    if design.formula is SizeFormula.UNPOOLED:
        return math.sqrt(apart), math.sqrt(apart)
    both = (control + design.ratio * canary) / (1 + design.ratio)
    return math.sqrt(both * (1 - both) * (1 + 1 / design.ratio)), math.sqrt(apart)
