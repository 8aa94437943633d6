"""Do the arms get the units that their weights promise? Valid at every look.

Per look the canary gets o1 of o new units where its weight is w. If each unit's odds of
being the canary's are θ times what they should be, the likelihood ratio of the look is

    o1·ln θ - o·ln(1 + w(θ-1))

which is what `harm_process.gains` computes; here θ lies on both sides of 1, because too few
is as wrong as too many. Looks with different weights add up, so it goes on through a ramp.
Multinomial mixtures: M. Lindon and A. Malek, "Anytime-Valid Inference for Multinomial Count
Data", NeurIPS 2022. Exact for units that are assigned independently of each other.

Units, not requests: ten requests of one sticky user are one assignment. Counted as ten, a
right split is called wrong in 99 % of all days (simulated 2026-11).
"""

from __future__ import annotations

import math

from rolloutctl.core.stats.harm_process import HarmProcess, begin, fold_gains, gains

#: Odds of being the canary's, relative to the intended ones.
TILTS = (0.5, 0.67, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0)


def begin_ratio(planned: int) -> HarmProcess:
    """No evidence yet; `planned` looks in the whole rollout."""
    return begin(planned, grid=TILTS)


def fold_units(
    process: HarmProcess, *, control: float, canary: float, weight: float
) -> HarmProcess:
    """The evidence after one more look at new units.

    Args:
        process: the evidence before.
        control: new units that got control.
        canary: new units that got the canary.
        weight: the canary's intended share of both, above 0 and below 1.

    Returns:
        The process itself where there were no new units.

    Raises:
        ValueError: counts or a weight that are none.
    """
    if not (0 <= control < math.inf and 0 <= canary < math.inf and 0 < weight < 1):
        raise ValueError(f"{control} and {canary} units at {weight} are not a split")
    units = control + canary
    if units <= 0:
        return process
    return fold_gains(process, gains(units, canary, weight, tolerated=1.0, grid=TILTS))
