"""What is remembered of control: its share, its health, and whether its failures cluster."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

#: Looks over which control is judged to be healthy itself.
RECENT_LOOKS = 10
#: Control events below which nobody can say that control is unhealthy.
RECENT_EVENTS_MIN = 20.0
#: Failures that vary so many times more than independent ones are said to cluster.
DISPERSION_MAX = 1.5
#: Looks, and bad events in them, below which dispersion is not spoken of.
DISPERSION_LOOKS_MIN, DISPERSION_BAD_MIN = 100, 50.0
#: And it must be this many of its own standard errors above 1.
_ERRORS_MIN = 3.0

#: (bad events, all events) of one arm.
Share = tuple[float, float]


class ControlSeen(NamedTuple):
    """Control's bad and all events in the whole rollout, and those of the last looks.

    `squares` is Σk²/n over `looks` looks that had events, for the dispersion.
    """

    bad: float = 0.0
    total: float = 0.0
    recent: tuple[Share, ...] = ()
    squares: float = 0.0
    looks: int = 0

    @staticmethod
    def from_json(row: Any) -> ControlSeen:  # Any: a row as JSON keeps it
        """The reverse of JSON, which keeps tuples as lists."""
        bad, total, recent, squares, looks = row
        return ControlSeen(bad, total, tuple([(k, n) for k, n in recent]), squares, looks)

    def glanced(self, control: Share) -> ControlSeen:
        """With one more look, of which nothing is known but that it was."""
        bad, total, recent, squares, looks = self
        return ControlSeen(bad, total, (*recent, control)[-RECENT_LOOKS:], squares, looks)

    def learned(self, control: Share) -> ControlSeen:
        """With one more look's events counted as control's healthy share."""
        bad, total = control
        if total <= 0:
            return self
        return ControlSeen(
            self.bad + bad,
            self.total + total,
            self.recent,
            self.squares + bad * bad / total,
            self.looks + 1,
        )

    def seen(self, *controls: Share) -> ControlSeen:
        """`glanced` and `learned` of one look after the other: most of what is done with it."""
        bad, total, recent, squares, looks = self
        for some, whole in controls:
            if whole > 0:
                bad, total, looks = bad + some, total + whole, looks + 1
                squares += some * some / whole
        recent = (*recent, *controls[-RECENT_LOOKS:])[-RECENT_LOOKS:]
        return ControlSeen(bad, total, recent, squares, looks)

    def is_worse_than(self, limit: float) -> bool:
        """Is it unhealthy itself, as far as one can say? Never with a limit of 0."""
        if limit <= 0:
            return False
        bad = sum([one for one, _ in self.recent])
        total = sum([one for _, one in self.recent])
        return bad / max(total, RECENT_EVENTS_MIN) > limit

    def dispersion(self) -> float | None:
        """How many times more its failures vary than independent ones; None if unsaid.

        Σ(k-np)²/(np(1-p)) / (T-1) over T looks, which is 1 where each event fails by
        itself. Said only where chance alone would hardly show as much.
        """
        if self.looks < DISPERSION_LOOKS_MIN or self.bad < DISPERSION_BAD_MIN:
            return None
        share = self.bad / self.total
        if share >= 1:
            return None
        squares = self.squares - self.bad * share  # Σ(k-np)²/n
        found = squares / (share * (1 - share)) / (self.looks - 1)
        # A Poisson count of mean m has a fourth central moment of m + 3m².
        error = math.sqrt((2 + self.looks / self.bad) / self.looks)
        return found if found > max(DISPERSION_MAX, 1 + _ERRORS_MIN * error) else None
