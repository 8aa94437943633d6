"""Whether a threshold on a share can tell a bad canary from chance; pure.

A window with few bad events in it crosses a limit by chance: at 2.5 requests per second and
0.5 % failures, one minute holds 0.75 of them, and two or more in every sixth window. From
20 expected bad events at the limit on, chance moves the share by less than half of it
(2·sqrt(20)/20), so a healthy canary well below the limit does not cross it.
"""

from __future__ import annotations

import math

from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.units import format_duration
from rolloutctl.gates.threshold_spec import Form, ThresholdSpec

#: Bad events that a window should hold at the limit.
BAD_EVENTS_MIN = 20.0
#: A window longer than this is no advice.
_WINDOW_MAX_S = 86_400.0
_MINUTE_S = 60.0


def threshold_sight(spec: ThresholdSpec, outlook: Outlook) -> Sight | None:
    """What a share over a window sees; None for other forms, and for limits from below."""
    condition = spec.fail_condition()
    total_per_s = outlook.per_s.get("total", 0.0) * outlook.canary_share
    if spec.form() is not Form.SHARE or condition is None or condition.sign not in {">", ">="}:
        return None
    bad_at_limit = total_per_s * spec.window_s * condition.limit
    effect, seconds = f"a share {condition}", max(spec.window_s, spec.for_s)
    if bad_at_limit >= BAD_EVENTS_MIN:
        if seconds <= outlook.judged_s:
            return Sight(effect=effect, seconds=seconds, smallest=str(condition))
        judged = format_duration(outlook.judged_s)
        advice = f"hold it {format_duration(seconds)} beyond its warm-up, or write window: {judged}"
        return Sight(effect=effect, seconds=seconds, smallest="", advice=advice)
    return Sight(
        effect=effect,
        seconds=seconds if total_per_s > 0 else None,
        smallest="",
        advice=_advice(spec, total_per_s=total_per_s, limit=condition.limit, holds=bad_at_limit),
        is_chance=total_per_s > 0,
    )


def _advice(spec: ThresholdSpec, *, total_per_s: float, limit: float, holds: float) -> str:
    """A window or a limit with enough bad events."""
    said = (
        f"window {format_duration(spec.window_s)} holds {holds:.2g} bad events at the limit, "
        f"below {BAD_EVENTS_MIN:g}: chance alone crosses it"
    )
    per_window = total_per_s * spec.window_s
    ways = []
    if total_per_s > 0 and limit > 0:
        window_s = BAD_EVENTS_MIN / (total_per_s * limit)
        if window_s <= _WINDOW_MAX_S:
            whole_s = math.ceil(window_s / _MINUTE_S) * _MINUTE_S
            ways.append(f"write window: {format_duration(whole_s)}")
    if per_window > BAD_EVENTS_MIN:
        ways.append(f'or fail: "> {math.ceil(BAD_EVENTS_MIN / per_window * 100)}%"')
    return f"{said}; {' '.join(ways) or 'compare with control instead'}"
