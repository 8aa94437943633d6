"""How AppConfig itself grows a deployment: its own strategies, or one stated in the playbook.

Pure. Names and numbers of the predefined ones:
https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-deployment-strategy-predefined.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rolloutctl.errors import Rejected

#: The control plane's ticks are no clockwork: what is allowed beyond the strategy's time.
LATE_S = 60.0
#: And what a step must hold besides, so that a late deployment is seen before its end.
LOOK_S = 60.0
#: AWS's own limit of both times.
MINUTES_MAX = 1_440
_FULL_PERCENT = 100
AT_ONCE = "at-once"
_STATED = re.compile(r"(linear|exponential) (\d{1,3})% over (\d{1,4})m, bake (\d{1,4})m")
FORM = "linear 20% over 30m, bake 10m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One curve of growth; `aws_id` only where AWS has it ready."""

    name: str
    minutes: int
    bake_minutes: int
    percent: int
    growth: str = "LINEAR"
    aws_id: str = ""

    @property
    def shape(self) -> tuple[object, ...]:
        """What makes two strategies do the same."""
        return (self.minutes, self.bake_minutes, float(self.percent), self.growth)

    @property
    def is_gradual(self) -> bool:
        """AppConfig takes time over it."""
        return self.minutes > 0

    @property
    def least_hold_s(self) -> float:
        """Seconds until it is complete, with what it may be late; 0 for what is at once."""
        minutes = self.minutes + self.bake_minutes
        return minutes * 60 + LATE_S + LOOK_S if minutes else 0.0


PREDEFINED = {
    f"AppConfig.{name}": Strategy(
        name=f"AppConfig.{name}",
        minutes=minutes,
        bake_minutes=bake,
        percent=percent,
        growth=growth,
        aws_id=f"AppConfig.{name}",
    )
    for name, minutes, bake, percent, growth in (
        ("AllAtOnce", 0, 10, 100, "LINEAR"),
        ("Linear50PercentEvery30Seconds", 1, 1, 50, "LINEAR"),
        ("Canary10Percent20Minutes", 20, 10, 10, "EXPONENTIAL"),
        ("Linear20PercentEvery6Minutes", 30, 30, 20, "LINEAR"),
    )
}
ONCE = Strategy(name="rolloutctl-at-once", minutes=0, bake_minutes=0, percent=_FULL_PERCENT)


def parse_strategy(text: str) -> Strategy:
    """The strategy that a target names. Raises `Rejected` with the forms there are."""
    if text == AT_ONCE:
        return ONCE
    if text in PREDEFINED:
        return PREDEFINED[text]
    match = _STATED.fullmatch(text)
    known = f"write {', '.join(PREDEFINED)}, {AT_ONCE}, or a curve: {FORM}"
    if match is None:
        raise Rejected(f"{text!r} is no strategy", hint=known)
    growth, percent, minutes, bake = match[1], int(match[2]), int(match[3]), int(match[4])
    if not 1 <= percent <= _FULL_PERCENT or max(minutes, bake) > MINUTES_MAX or not minutes:
        message = f"{text!r}: 1 to 100%, over 1m to {MINUTES_MAX}m, bake at most {MINUTES_MAX}m"
        raise Rejected(message, hint=known)
    return Strategy(
        name=f"rolloutctl-{growth}-{percent}-{minutes}m-{bake}m",
        minutes=minutes,
        bake_minutes=bake,
        percent=percent,
        growth=growth.upper(),
    )
