"""The only user of the system's time and of random identifiers."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


class SystemClock:
    """Wall-clock UTC that never runs backwards within the process.

    Time advances with the monotonic clock between readings, so that a clock set back
    by NTP cannot re-open a deadline; a clock that jumped forward (a machine that slept) is
    followed, because deadlines must then have passed.
    """

    def __init__(self) -> None:
        self._latest = datetime.now(UTC)

    def now(self) -> datetime:
        """Aware UTC time, never earlier than the last answer."""
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest

    def sleep(self, seconds: float) -> None:
        """Returns after `seconds`, at once if that is not positive."""
        if seconds > 0:
            time.sleep(seconds)


def monotonic_s() -> float:
    """Seconds on a clock that only measures distances."""
    return time.monotonic()


def random_suffix(length: int = 6) -> str:
    """Random lower-case letters and digits without look-alikes."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(length))


def in_seconds(now: datetime, seconds: float) -> datetime:
    """`now` plus `seconds`."""
    return now + timedelta(seconds=seconds)


class Deadline:
    """A point in time that a stopped process and a sleeping machine both run past."""

    __slots__ = ("_at", "_at_monotonic_s", "_clock")

    def __init__(self, seconds: float) -> None:
        self._clock = SystemClock()
        self._at_monotonic_s = monotonic_s() + seconds
        self._at = in_seconds(self._clock.now(), seconds)

    @property
    def remaining_s(self) -> float:
        """Seconds left, the smaller of two clocks: the monotonic one halts in suspend."""
        by_wall_s = (self._at - self._clock.now()).total_seconds()
        return min(self._at_monotonic_s - monotonic_s(), by_wall_s)
