"""A clock that moves only when it is told to, or when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Where fake time begins; any fixed moment would do.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Virtual UTC time. `sleep` returns at once, later; hooks run as time passes."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start
        self.hooks: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        """The virtual time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Moves time forward by `seconds`, never back."""
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Moves time forward and tells the hooks the new time."""
        self._now += timedelta(seconds=seconds)
        for hook in self.hooks:
            hook(self._now)
