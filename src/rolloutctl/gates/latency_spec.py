"""What a `latency` gate is written as, and what can be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rolloutctl.core.units import Name, Share, doc, parse_duration
from rolloutctl.gates.arms import Asked
from rolloutctl.gates.compare_spec import (
    Problem,
    effect_problems,
    margin_problems,
    text_problems,
)
from rolloutctl.gates.control_seen import ControlSeen
from rolloutctl.gates.margin import NO_WORSE, Margin, parse_margin

#: Bounds of one gate; more say nothing that these do not.
BOUNDS_MAX = 16
#: Lists of bounds kept in memory: they are asked for at every look.
_LISTS_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySpec:
    """Requests above bucket bounds, of the canary against control at the same time."""

    histogram: str = doc("selector of a histogram's _bucket series, with ${arm.…}")
    above: Name | tuple[Name, ...] = doc(
        "bucket bounds: slower is bad, such as 2.5s or [500ms, 2.5s]; a bare number is the le"
    )
    margin: str = doc(
        "how much worse than control is accepted: 1.25x, 10%, +0.5pp (1x: not at all)", default=""
    )
    strict: bool = doc(
        "pass only once the canary is shown to be within the margin (false)", default=False
    )
    control_max: Share = doc(
        "a control worse than this is unhealthy itself, and nothing is concluded", default=0.0
    )
    effect: str = doc("the harm that `plan` tells when it is seen: 2x, +1pp (2x)", default="2x")

    def asked(self) -> Asked:
        """The text asked of both arms; its events are told apart by bucket."""
        return Asked(texts=(("histogram", self.histogram),), by_bound=True)

    def bounds(self) -> tuple[float, ...]:
        """The bounds as numbers, in the order written. Raises `ValueError`."""
        return _bounds((self.above,) if isinstance(self.above, str) else self.above)

    def accepted(self) -> Margin:
        """The parsed `margin`. Raises `ValueError`."""
        return parse_margin(self.margin) if self.margin else NO_WORSE

    def unhealthy(self, controls: tuple[ControlSeen, ...]) -> str:
        """The limit that control itself breaks at some bound; "" if it breaks none."""
        is_worse = any(one.is_worse_than(self.control_max) for one in controls)
        return f"control_max {self.control_max * 100:g}%" if is_worse else ""


@lru_cache(maxsize=_LISTS_MAX)
def _bounds(texts: tuple[str, ...]) -> tuple[float, ...]:
    return tuple([_bound(text) for text in texts])


def _bound(text: str) -> float:
    """A duration in seconds, or a bare number in the histogram's own unit."""
    try:
        bound = float(text)
    except ValueError:
        bound = parse_duration(text)
    if not math.isfinite(bound):
        raise ValueError("nothing is above an infinite bound: write one such as 2.5s")
    return bound


def problems_of(spec: LatencySpec) -> Iterator[Problem]:
    """Everything wrong with a spec."""
    yield from text_problems({"histogram": spec.histogram})
    yield from margin_problems(spec.margin, strict=spec.strict)
    yield from effect_problems(spec.effect)
    try:
        bounds = spec.bounds()
    except ValueError as unreadable:
        yield "above", f"cannot read {spec.above!r:.80}", str(unreadable)
        return
    if not 0 < len(bounds) <= BOUNDS_MAX:
        yield "above", f"{len(bounds)} bounds", f"name 1 to {BOUNDS_MAX} of the histogram's bounds"
    if len(set(bounds)) < len(bounds):
        yield "above", "a bound stands twice", "name each bound once"
