"""The scale on which the values of one gate are drawn, in pages and in terminals; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rolloutctl.ui.report.model import GateCourse

#: What lies further beyond the limit than this part of the way to it is drawn at the edge.
_BEYOND = 0.25
#: Space around values that are drawn on a scale of their own, as a part of their range.
_PAD = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class GateScale:
    """From the lowest to the highest value that is drawn; logarithmic for evidence."""

    low: float
    high: float
    is_log: bool

    def share(self, value: float) -> float:
        """Where a value is drawn, 0..1 from below; what lies outside is at the edge."""
        place, low, high = (self._place(one) for one in (value, self.low, self.high))
        return min(1.0, max(0.0, (place - low) / (high - low)))

    def _place(self, value: float) -> float:
        return math.log(max(value, 1.0)) if self.is_log else value


def gate_scale(gate: GateCourse) -> GateScale:
    """From nothing to a little beyond the limit; around it where less is worse."""
    if gate.measure == "evidence":
        return GateScale(low=1.0, high=gate.limit ** (1 + _BEYOND), is_log=True)
    values = [gate.limit, *(one.value for one in gate.looks if one.value is not None)]
    low, high = min(values), max(values)
    if low >= 0 and gate.fails == "above":
        low = 0.0
    pad = (high - low) * _PAD or abs(high) * _PAD or 1.0
    return GateScale(low=low if low == 0 else low - pad, high=high + pad, is_log=False)


def scale_marks(gate: GateCourse, scale: GateScale) -> list[float]:
    """Values to name beside the scale, the limit first."""
    values = [one.value for one in gate.looks if one.value is not None]
    wanted = (1.0,) if scale.is_log else (0.0, max(values), min(values)) if values else (0.0,)
    inside = [value for value in wanted if scale.low <= value <= scale.high]
    return list(dict.fromkeys([gate.limit, *inside]))
