"""Holm's correction for several comparisons at once.

The smallest of m p-values is multiplied by m, the next by m - 1, and so on; none becomes
smaller than the one before. The chance of any false finding among all comparisons stays
at most alpha, however the comparisons depend on each other. Source: S. Holm, "A Simple
Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6
(1979), 65-70. Never weaker than Bonferroni's.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The corrected p-values, in the order given; of nothing it is nothing.

    Raises:
        ValueError: a p-value that is none.
    """
    for p_value in p_values:
        if not 0 <= p_value <= 1:
            raise ValueError(f"{p_value} is not a p-value")
    corrected = [0.0] * len(p_values)
    largest = 0.0
    ascending = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(ascending):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return tuple(corrected)
