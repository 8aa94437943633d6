"""What a comparison of shares will see in a step; pure."""

from __future__ import annotations

import math

from rolloutctl.core.exposure import FULL_BP
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.harm_power import Traffic, seconds_to_see, smallest_factor
from rolloutctl.core.units import format_duration
from rolloutctl.gates.margin import Margin

#: Weights that are tried where a step's own is too small, in basis points.
_WEIGHTS_BP = (500, 1000, 2000, 2500, 3000, 4000, 5000)
#: A hold longer than this is no advice.
_HOLD_MAX_S = 7 * 86_400.0
#: Holds are advised in whole minutes.
_MINUTE_S = 60.0


def share_sight(
    outlook: Outlook, *, bad_per_s: float, total_per_s: float, margin: Margin, effect: Margin
) -> Sight:
    """When a canary as bad as `effect` is failed, and which one is within the step.

    Args:
        outlook: the step.
        bad_per_s: control's bad events per second today.
        total_per_s: all events per second today, both arms together.
        margin: what is accepted.
        effect: the harm that is to be seen.
    """
    share = bad_per_s / total_per_s if total_per_s > 0 else 0.0
    factor = effect.factor_at(bad_per_s, total_per_s)
    tolerated = margin.factor_at(bad_per_s, total_per_s)
    arms = _arms(outlook, total_per_s, outlook.canary_share, share)
    needed_s = seconds_to_see(arms, factor, error_rate=outlook.error_rate, tolerated=tolerated)
    smallest = smallest_factor(
        arms, outlook.judged_s, error_rate=outlook.error_rate, tolerated=tolerated
    )
    is_blind = needed_s > outlook.judged_s
    return Sight(
        effect=f"{effect} the bad events of control",
        seconds=needed_s if math.isfinite(needed_s) else None,
        smallest=f"{smallest:.3g}x" if math.isfinite(smallest) else "",
        advice=_advice(outlook, arms, factor, tolerated) if is_blind else "",
    )


def _arms(outlook: Outlook, total_per_s: float, canary_share: float, bad_share: float) -> Traffic:
    control = 1.0 if outlook.is_mirrored else 1.0 - canary_share
    return Traffic(
        control_per_s=total_per_s * control,
        canary_per_s=total_per_s * canary_share,
        bad_share=bad_share,
    )


def _advice(outlook: Outlook, arms: Traffic, factor: float, tolerated: float) -> str:
    """A hold or a weight at which the effect is seen; what else to do where none is."""
    ways = []
    needed_s = seconds_to_see(arms, factor, error_rate=outlook.error_rate, tolerated=tolerated)
    whole_s = math.ceil(needed_s / _MINUTE_S) * _MINUTE_S if math.isfinite(needed_s) else math.inf
    if whole_s <= _HOLD_MAX_S:
        ways.append(f"hold it {format_duration(whole_s)} after the warm-up")
    total_per_s = arms.canary_per_s / outlook.canary_share
    for weight_bp in _WEIGHTS_BP:
        share = weight_bp / FULL_BP
        if share <= outlook.canary_share:
            continue
        wider = _arms(outlook, total_per_s, share, arms.bad_share)
        seen_s = seconds_to_see(wider, factor, error_rate=outlook.error_rate, tolerated=tolerated)
        if seen_s <= outlook.judged_s:
            ways.append(f"give it {weight_bp / 100:g}%")
            break
    if not ways:
        return "write a larger effect, or judge this step by a threshold and a person"
    return " or ".join(ways)
