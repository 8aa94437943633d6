"""What a `mean` gate is written as, and what can be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rolloutctl.core.units import doc, key
from rolloutctl.gates.arms import Asked
from rolloutctl.gates.compare_spec import Problem, text_problems
from rolloutctl.gates.margin import Margin, MarginKind, parse_margin

#: Accepted unless the gate says otherwise: prices and lengths differ a little for nothing.
DEFAULT_MARGIN = "10%"
_TEXTS_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSpec:
    """A mean per event, such as cost per request, of the canary against control."""

    sum_: str = key("sum", doc="selector of the counters to add up, with ${arm.…}")
    count: str = doc("selector of the counters to divide by, with ${arm.…}")
    margin: str = doc(
        "how much more than control's is accepted: 10%, 1.2x, or +0.002 in the sum's unit",
        default=DEFAULT_MARGIN,
    )
    strict: bool = doc(
        "pass only once the canary is shown to be within the margin (false)", default=False
    )

    def asked(self) -> Asked:
        """The texts asked of both arms."""
        return Asked(texts=(("sum", self.sum_), ("count", self.count)))

    def accepted(self) -> Margin:
        """The parsed `margin`. Raises `ValueError`."""
        return parse_mean_margin(self.margin)


@lru_cache(maxsize=_TEXTS_MAX)
def parse_mean_margin(text: str) -> Margin:
    """Parses "10%", "1.2x", or "+0.002": an amount in the unit of the mean.

    Raises `ValueError` with what to write instead.
    """
    written = text.strip()
    if written.startswith("+") and not written.endswith("pp"):
        try:
            amount = float(written)
        except ValueError:
            amount = math.nan
        if not 0 < amount < math.inf:
            raise ValueError("an amount is a number above 0 with its sign, such as +0.002")
        return Margin(kind=MarginKind.POINTS, amount=amount, text=written)
    try:
        margin = parse_margin(written)
    except ValueError:
        margin = None
    if margin is None or margin.kind is MarginKind.POINTS:
        raise ValueError("a margin is a share such as 10%, a factor such as 1.2x, or +0.002")
    return margin


def problems_of(spec: MeanSpec) -> Iterator[Problem]:
    """Everything wrong with a spec."""
    yield from text_problems({"sum": spec.sum_, "count": spec.count})
    try:
        spec.accepted()
    except ValueError as unreadable:
        yield "margin", f"cannot read {spec.margin!r:.80}", str(unreadable)
