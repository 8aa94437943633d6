"""What a provider answers where every millisecond counts: all that a kill needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rolloutctl.core.exposure import Exposure
from rolloutctl.core.json_types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is true of a target now.

    Attributes:
        exposure: what it serves, in the rollout's arms; None when what it serves cannot
            be said in the target's two arms (someone else's rule, a third arm with weight).
        version: the token for compare-and-set; changes with every write, ours or not.
        fingerprint: hash of the configuration we own, version excluded: equal
            fingerprints mean nobody edited the target.
        snapshot: the whole prior state, exact, enough for `restore`.
        editor: who changed it last, if the service tells.
        detail: one line for people where exposure is None or surprising.
    """

    at: datetime
    exposure: Exposure | None
    version: str
    fingerprint: str
    snapshot: Json
    editor: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the provider answered to a write.

    Attributes:
        version: the version after the write, if the answer told it.
        changed: what was written, one line for the audit trail; empty if nothing had to be.
        untouched: what was seen and left alone, one line.
        unsettled_s: seconds during which an older write may still land in spite of
            compare-and-set (a lock that had to be ignored); 0 normally.
    """

    version: str = ""
    changed: str = ""
    untouched: str = ""
    unsettled_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an adapter can do, declared, checked before the run.

    An adapter that can do less for some targets also has a method
    `capabilities_for(target)`; see `core.ports.capabilities_of`.

    Attributes:
        weight_step_bp: the finest weight step (1 = 0.01 %).
        shadow_step_bp: the finest step of the shadow share.
        shadow, audience, include: whether the exposure may use them.
        conditional_write: writes carry the version they expect and are refused atomically
            when it moved, and kill always moves it: no older write can land after a kill.
        write_timeout_s: the longest time between sending a write and its landing.
        propagation_s: how long until running applications see a write.
        growth_s: how long the service itself takes to bring a write to everybody, at its own
            pace; a step that writes must hold so long. 0 where a write holds at once.
    """

    weight_step_bp: int = 1
    shadow_step_bp: int = 1
    shadow: bool = False
    audience: bool = False
    include: bool = False
    conditional_write: bool = False
    write_timeout_s: float = 30.0
    propagation_s: float = 0.0
    growth_s: float = 0.0

    @property
    def settle_s(self) -> float:
        """Seconds after a fence before an observation can confirm anything."""
        return 0.0 if self.conditional_write else self.write_timeout_s
