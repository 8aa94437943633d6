"""Several arms of an experiment against its control, once, at a fixed sample.

Each arm is tested by chi-square without Yates' correction, and by Fisher's test where a
cell is expected below 5; the p-values are corrected by Holm, so that the chance of any
false finding stays at most alpha. The interval of each difference is Newcombe's at
1 - alpha/m for m arms (Bonferroni): all of them hold together with at least 1 - alpha.
One arm is the ordinary two-sided test with its own interval.

An arm is significant by its corrected p-value. The interval agrees but for rare border
cases: it is built on another approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rolloutctl.core.stats.counted import Counted, Significance, check
from rolloutctl.core.stats.fisher import fisher_test
from rolloutctl.core.stats.holm import holm
from rolloutctl.core.stats.newcombe import newcombe_interval
from rolloutctl.core.stats.normal import normal_quantile
from rolloutctl.core.stats.pearson import chi_square_test, smallest_expected

#: Cochran's rule of five; see `smallest_expected`.
EXPECTED_MIN = 5.0
CHI_SQUARE = "chi-square"
FISHER = "Fisher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One arm against control.

    Attributes:
        method: `chi-square` or `Fisher`.
        statistic: chi-square, or the odds ratio of Fisher's test (may be infinite).
        p_value: of this arm alone, two-sided.
        corrected_p: Holm's, for all arms together; equal to `p_value` for one.
        effect: the arm's share minus control's.
        low: lower end of the effect's interval.
        high: its upper end.
        is_significant: the corrected p-value is below alpha.
    """

    method: str
    statistic: float
    p_value: float
    corrected_p: float
    effect: float
    low: float
    high: float
    is_significant: bool


def compare_with_control(
    control: Counted, arms: Sequence[Counted], *, alpha: float = 0.05
) -> tuple[Comparison, ...]:
    """Every arm against control, in the order given.

    Raises:
        ValueError: no arm, one without anybody in it, or an alpha outside of 0..1.
    """
    if not arms:
        raise ValueError("no arm to compare with control")
    for one in (control, *arms):
        check(one)
    z = -normal_quantile(alpha / 2 / len(arms))
    tests = [_test(control, arm) for arm in arms]
    corrected = holm([significance.p_value for _, significance in tests])
    found = []
    for arm, (method, significance), p_value in zip(arms, tests, corrected, strict=True):
        low, high = newcombe_interval(control, arm, z=z)
        found.append(
            Comparison(
                method=method,
                statistic=significance.statistic,
                p_value=significance.p_value,
                corrected_p=p_value,
                effect=arm[0] / arm[1] - control[0] / control[1],
                low=low,
                high=high,
                is_significant=p_value < alpha,
            )
        )
    return tuple(found)


def told_p(p_value: float) -> str:
    """A p-value in words: one too small for a float is not 0."""
    return f"p {p_value:.3g}" if p_value > 0 else "p < 1e-300"


def _test(control: Counted, arm: Counted) -> tuple[str, Significance]:
    if smallest_expected((control, arm)) < EXPECTED_MIN:
        # Counters hold whole numbers as floats; a fraction would be no number of units.
        return FISHER, fisher_test(_whole(control), _whole(arm))
    return CHI_SQUARE, chi_square_test((control, arm))


def _whole(counted: Counted) -> Counted:
    total = max(1, round(counted[1]))
    return min(round(counted[0]), total), total
