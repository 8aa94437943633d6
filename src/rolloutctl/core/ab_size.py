"""How many units an A/B test needs, by two formulas, and how long that takes; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rolloutctl.core.experiment import ARMS, Experiment
from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.stats.sample_size import Design, SizeFormula, units_of_control

#: Arms of one test; with more of them each needs a sample that nobody has.
ARMS_MAX = 20
_ARMS_MIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AbPlan:
    """What is to be found, and how surely.

    Attributes:
        baseline: control's share, 0..1, ends excluded.
        effect: the difference that must not be missed.
        alpha: chance of any finding among arms that are alike.
        power: chance of finding the effect in an arm that has it.
        weights: share of the units by arm, control first; they sum to 1.

    Raises:
        ValueError: shares or arms that cannot be.
    """

    baseline: float
    effect: float
    weights: Mapping[str, float]
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not _ARMS_MIN <= len(self.weights) <= ARMS_MAX:
            raise ValueError(f"{len(self.weights)} arms; a test has {_ARMS_MIN} to {ARMS_MAX}")
        if self.effect == 0:
            raise ValueError("an effect of nothing: no number of units shows it")
        changed = self.baseline + self.effect
        if not (0 < self.baseline < 1 and 0 < changed < 1):
            raise ValueError(
                f"from {self.baseline * 100:.6g}% to {changed * 100:.6g}%: both shares must be "
                "above 0% and below 100%"
            )

    @property
    def alpha_each(self) -> float:
        """Alpha of one comparison with control: Holm's first step, as Bonferroni's."""
        return self.alpha / (len(self.weights) - 1)

    def units(self, formula: SizeFormula = SizeFormula.POOLED) -> Mapping[str, int]:
        """Units that each arm needs. Raises `ValueError` for alpha and power that cannot be."""
        control, *others = self.weights.values()
        # The scarcest arm decides: its comparison with control needs the most of control.
        design = Design(
            alpha=self.alpha_each, power=self.power, ratio=min(others) / control, formula=formula
        )
        needed = units_of_control(self.baseline, self.baseline + self.effect, design=design)
        return {
            arm: math.ceil(round(needed * weight / control, 6))
            for arm, weight in self.weights.items()
        }

    def seconds(self, per_s: float) -> float:
        """How long it takes until every arm has its units, at so many units a second in all."""
        return max(needed / (per_s * self.weights[arm]) for arm, needed in self.units().items())


def equal_weights(arms: int) -> Mapping[str, float]:
    """Control and as many others, all alike."""
    if arms == len(ARMS):
        return dict.fromkeys(ARMS, 0.5)
    # Of more arms than there may be, one too many is enough to refuse them.
    names = ("control", *(f"arm-{number}" for number in range(1, min(arms, ARMS_MAX + 1))))
    return dict.fromkeys(names, 1 / len(names))


def plan_of(experiment: Experiment) -> AbPlan:
    """What an experiment of a playbook declares."""
    test = experiment.test
    return AbPlan(
        baseline=test.baseline,
        effect=test.effect,
        weights={arm: experiment.arms[arm] / FULL_BP for arm in ARMS},
        alpha=test.alpha,
        power=test.power,
    )
