"""What is left of LaunchDarkly's rate limits, shared by all that speak to one service.

The limits are an account's: every token, also the console's other users, draws on them.
Looking stops while some calls are left, so that a kill never waits behind it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from datetime import datetime

from rolloutctl.http.exchange import RETRY_AFTER_MAX_S

#: Calls that looking leaves to whoever must write. A kill of one flag takes two and a look.
RESERVED_CALLS = 4
#: Windows last 10 s (vendor's documentation); a reset beyond is somebody's wrong clock.
WINDOW_S = 10.0
#: A reset that has passed already still means: not at once.
WAIT_MIN_S = 1.0
#: Whoever was refused in one window comes back at another moment of this time.
JITTER_S = 1.0

_OF_ALL = "x-ratelimit-global-remaining"
_OF_ROUTE = "x-ratelimit-route-remaining"
_RESET = "x-ratelimit-reset"
_lock = threading.Lock()
#: base address -> (calls left, when the window ends, in epoch seconds).
_left: dict[str, tuple[int, float]] = {}


def note(base: str, headers: Mapping[str, str], now: datetime, *, looks: bool) -> None:
    """Remembers what an answer says is left.

    Args:
        base: the service's address.
        headers: of the answer.
        now: the time.
        looks: it was a look at a flag; what is left of other routes is not looking's matter.
    """
    names = (_OF_ALL, _OF_ROUTE) if looks else (_OF_ALL,)
    remaining = [_whole(headers[name]) for name in names if name in headers]
    known = [each for each in remaining if each is not None]
    if known:
        ends_at = now.timestamp() + min(wait_s(headers, now), WINDOW_S)
        with _lock:
            _left[base] = (min(known), ends_at)


def reserved_s(base: str, now: datetime) -> float:
    """Seconds for which looking leaves the calls to writers; 0 if it may go on."""
    with _lock:
        remaining, ends_at = _left.get(base, (RESERVED_CALLS + 1, 0.0))
    left_s = ends_at - now.timestamp()
    return max(0.0, left_s) if remaining <= RESERVED_CALLS else 0.0


def wait_s(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds until the window ends, as the answer says: it has been seen in the past."""
    reset_ms = _whole(headers.get(_RESET, ""))
    if reset_ms is None:
        return WAIT_MIN_S
    left_s = reset_ms / 1000 - now.timestamp()
    return min(max(left_s, WAIT_MIN_S), RETRY_AFTER_MAX_S)


def spread_s() -> float:
    """Seconds to add to a wait, each time others: all drivers of an account wait for one reset."""
    return random.uniform(0.0, JITTER_S)  # noqa: S311 - nothing secret, and nothing to repeat


def _whole(text: str) -> int | None:
    digits = text.strip()
    # int() refuses thousands of digits; no number here has more than 15.
    return int(digits[:15]) if digits.isascii() and digits.isdigit() else None
