"""From what the evidence is worth to one of three outcomes: fail, pass, inconclusive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rolloutctl.core.ports import GateContext
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.arm_evidence import IDLE_LOOKS_MAX, ArmEvidence, idle_verdict

#: Canary events of a step below which nothing passes, unless the gate says `min_sample`.
PASS_SAMPLE_MIN = 500.0
#: The chance that a strict gate passes a canary that is exactly at the margin.
PASS_ERROR_RATE = 0.05


class Weighed(NamedTuple):
    """What a comparison found out, in words and numbers.

    Attributes:
        shown: both arms' numbers of this step.
        numbers: the same for screens.
        seen: canary events of this step.
        margin: how much worse is accepted, as people write it.
        harm: why the canary is worse than that, "" if it is not shown.
        against: how much speaks against the canary.
        worth: why it is shown to be within the margin; "" if it is not.
        missing: what a strict gate still lacks.
        unhealthy: the limit that control itself breaks; "" if it breaks none.
        unready: why nothing can be concluded yet; "" if it can.
        warning: what a person should know whatever the outcome.
    """

    shown: str
    numbers: tuple[tuple[str, float], ...]
    seen: float
    margin: str
    harm: str
    against: str
    worth: str = ""
    missing: str = ""
    unhealthy: str = ""
    unready: str = ""
    warning: str = ""


def conclude(
    weighed: Weighed,
    known: ArmEvidence,
    context: GateContext,
    *,
    strict: bool,
    idle_looks_max: int = IDLE_LOOKS_MAX,
) -> Verdict:
    """The verdict. Harm comes first: evidence is valid at any count and waits for none."""
    shown, seen = weighed.shown, weighed.seen

    def verdict(outcome: Outcome, because: str, sample: float = seen) -> Verdict:
        return Verdict(
            outcome=outcome,
            because=f"{because}; {weighed.warning}" if weighed.warning else because,
            numbers=weighed.numbers,
            sample=sample,
        )

    if weighed.harm:
        because = f"{shown}: worse than {weighed.margin} ({weighed.harm})"
        return verdict(Outcome.FAIL, because, max(seen, context.min_sample))
    idle = idle_verdict(known, looks_max=idle_looks_max)
    if idle is not None:
        return replace(idle, numbers=weighed.numbers, sample=seen)
    if weighed.unhealthy:
        because = f"{shown}: control itself is worse than {weighed.unhealthy}, nothing is concluded"
        return verdict(Outcome.INCONCLUSIVE, because)
    least = context.min_sample or PASS_SAMPLE_MIN
    if seen < least:
        events = f"{seen:,.0f} of {least:,.0f} canary events"
        return verdict(Outcome.INCONCLUSIVE, f"{events} ({shown}; {weighed.against})")
    if weighed.unready:
        return verdict(Outcome.INCONCLUSIVE, f"{weighed.unready} ({shown})")
    return _passed(weighed, verdict, strict=strict)


def _passed(
    weighed: Weighed, verdict: Callable[[Outcome, str], Verdict], *, strict: bool
) -> Verdict:
    """PASS where nothing speaks against the canary; with `strict` where it is shown."""
    shown, margin = weighed.shown, weighed.margin
    if not strict:
        because = f"{shown}: no sign of more than {margin} ({weighed.against})"
        return verdict(Outcome.PASS, because)
    if weighed.worth:
        return verdict(Outcome.PASS, f"{shown}: within {margin} ({weighed.worth})")
    because = f"{shown}: not shown to be within {margin} yet ({weighed.missing})"
    return verdict(Outcome.INCONCLUSIVE, because)
