"""How much worse than control a canary may be: `1.25x`, `+0.5pp`, `10%`; parse and show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rolloutctl.core.units import parse_factor, parse_points, parse_share

#: Parsed texts kept in memory: a playbook has a few, and asks for them at every look.
_TEXTS_MAX = 1_024
#: Events added to control's count, so that a share never seen is small and not zero
#: (Jeffreys' half event).
_HALF_EVENT = 0.5
#: A share of bad events beyond which a margin accepts everything.
_SHARE_MAX = 1 - 1e-9


class MarginKind(StrEnum):
    """What a margin is measured in."""

    FACTOR = "x"
    POINTS = "pp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Worse by this much is still accepted.

    Attributes:
        kind: a factor of control's number, or percentage points on top of it.
        amount: the factor (at least 1), or the difference (0.005 for +0.5pp).
        text: as it was written.
    """

    kind: MarginKind
    amount: float
    text: str

    def factor_at(self, bad: float, total: float) -> float:
        """The margin as a factor of control's share of bad events, at least 1.

        Args:
            bad: control's bad events so far.
            total: control's events so far.
        """
        if self.kind is MarginKind.FACTOR:
            return self.amount
        share = (bad + _HALF_EVENT) / (total + 2 * _HALF_EVENT)
        return 1.0 + self.amount / share

    def odds_at(self, bad: float, total: float) -> float:
        """The margin as a factor of control's odds of a bad event, at least 1.

        Bounded: where everything would be accepted the factor is as large as makes sense.
        """
        factor = self.factor_at(bad, total)
        if factor == 1:
            return 1.0
        share = (bad + _HALF_EVENT) / (total + 2 * _HALF_EVENT)
        accepted = min(factor * share, _SHARE_MAX)
        return max(1.0, accepted / (1 - accepted) * (1 - share) / share)

    def limit_at(self, number: float) -> float:
        """The worst number accepted where control's is `number`."""
        if self.kind is MarginKind.FACTOR:
            return number * self.amount
        return number + self.amount

    def __str__(self) -> str:
        return self.text


NO_WORSE = Margin(kind=MarginKind.FACTOR, amount=1.0, text="1x")


@lru_cache(maxsize=_TEXTS_MAX)
def parse_margin(text: str) -> Margin:
    """Parses "1.25x", "+0.5pp", or "10%" (10 % more than control, the same as 1.1x).

    Raises `ValueError` with what to write instead.
    """
    written = text.strip()
    for parse, kind, base in (
        (parse_factor, MarginKind.FACTOR, 0.0),
        (parse_share, MarginKind.FACTOR, 1.0),
        (parse_points, MarginKind.POINTS, 0.0),
    ):
        try:
            amount = base + parse(written)
        except ValueError:
            continue
        _refuse_senseless(kind, amount)
        return Margin(kind=kind, amount=amount, text=written)
    raise ValueError("a margin is a factor such as 1.25x, a share such as 10%, or +0.5pp")


def _refuse_senseless(kind: MarginKind, amount: float) -> None:
    if not math.isfinite(amount):
        raise ValueError("a margin is a finite number")
    if kind is MarginKind.FACTOR and amount < 1:
        raise ValueError("a margin below 1x would fail a canary as good as control: 1x or more")
    if kind is MarginKind.POINTS and amount <= 0:
        raise ValueError("a margin in points is above +0pp")
