"""One observed number against the `pass` and `fail` conditions."""

from __future__ import annotations

from dataclasses import dataclass

from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.gates.condition import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A finite number; with `is_above` all that is known is that the truth is above it.

    `about` says what stands behind it; `sample` counts events, None if not countable.
    """

    number: float
    is_above: bool = False
    about: str = ""
    sample: float | None = None

    def meets(self, condition: Condition) -> bool | None:
        """Does the condition hold? None where it cannot be said."""
        if self.is_above:
            return condition.holds_above(self.number)
        return condition.holds(self.number)


def judge(observed: Observed, *, fail: Condition | None, pass_: Condition | None) -> Verdict:
    """The verdict of one number. With one condition only, everything else is the opposite.

    FAIL wins where both hold (lint refuses that). Without any condition: never PASS.
    """
    fails = None if fail is None else observed.meets(fail)
    passes = None if pass_ is None else observed.meets(pass_)
    if fail is not None and fails:
        return _verdict(Outcome.FAIL, observed, "fail", fail)
    if pass_ is not None and passes and (fail is None or fails is False):
        return _verdict(Outcome.PASS, observed, "pass", pass_)
    if pass_ is None and fail is not None and fails is False:
        return _verdict(Outcome.PASS, observed, "fail", fail)
    if fail is None and pass_ is not None and passes is False:
        return _verdict(Outcome.FAIL, observed, "pass", pass_)
    return _undecided(observed, fail=fail, pass_=pass_)


def _verdict(outcome: Outcome, observed: Observed, which: str, condition: Condition) -> Verdict:
    """A verdict decided by one condition."""
    shown = f"{'above ' if observed.is_above else ''}{condition.show(observed.number)}"
    if observed.meets(condition) and not observed.is_above:
        because = f"observed {shown} {condition}"
    else:
        because = f"observed {shown}"
    return Verdict(
        outcome=outcome,
        because=f"{because} (limit: {which} {condition}{_about(observed)})",
        numbers=(("observed", observed.number), ("limit", condition.limit)),
        sample=observed.sample,
    )


def _undecided(observed: Observed, *, fail: Condition | None, pass_: Condition | None) -> Verdict:
    """INCONCLUSIVE: between the limits, or above all that the buckets tell."""
    named = [(name, limit) for name, limit in (("fail", fail), ("pass", pass_)) if limit]
    limits = " and ".join(f"{name} {limit}" for name, limit in named) or "no limit"
    if observed.is_above:
        because = (
            f"observed above the highest bucket {observed.number:g}, which does not decide "
            f"{limits}; add a bucket at the limit"
        )
    else:
        shown = named[0][1].show(observed.number) if named else f"{observed.number:g}"
        because = f"observed {shown}, between the limits"
    return Verdict(
        outcome=Outcome.INCONCLUSIVE,
        because=f"{because} (limit: {limits}{_about(observed)})",
        numbers=(
            ("observed", observed.number),
            *((("limit", named[0][1].limit),) if named else ()),
        ),
        sample=observed.sample,
    )


def _about(observed: Observed) -> str:
    """What stands behind the number, set off from the limit."""
    return f"; {observed.about}" if observed.about else ""
