"""What a gate will be able to see in a step, at the traffic there is; data and its door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One gate in one step, before it begins.

    Attributes:
        per_s: events per second at control today, by the key of the gate's text; of a
            histogram by its buckets' bounds.
        canary_share: the part of control's traffic that the canary will see, 0..1.
        is_mirrored: control keeps all of its traffic, the canary sees copies.
        judged_s: how long the step is judged: its hold without the warm-up.
        error_rate: the gate's part of the false aborts.
    """

    per_s: Mapping[str, float]
    canary_share: float
    is_mirrored: bool
    judged_s: float
    error_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What it sees.

    Attributes:
        effect: the harm that is looked for, in words: "2x the bad events".
        seconds: until it is seen with a probability of 80 %; None if never.
        smallest: the smallest harm seen within the step, in words; "" if none is.
        advice: what to write instead where the gate is blind; "" where it is not.
        is_chance: what it sees in that time may as well be chance: too few events.
    """

    effect: str
    seconds: float | None
    smallest: str
    advice: str = ""
    is_chance: bool = False


class SeesAhead(Protocol):
    """A gate kind that can say what it will see."""

    def sight(self, spec: Any, outlook: Outlook) -> Sight | None:
        """What it sees in such a step; None where it cannot say.

        `Any` is the kind's own spec.
        """
        ...
