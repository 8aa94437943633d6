"""How long a driver has given no sign of life, by its lease in the journal; pure.

A driver renews its lease when a third of it is gone. Whoever looks on sees the lease only, so
its length is learned from the first renewal that is seen; until then it is taken for that of
`start`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rolloutctl.core.units import format_duration
from rolloutctl.runner.rollout import LEASE_TTL_S

if TYPE_CHECKING:
    from rolloutctl.core.ports import Lease

#: A renewal may be so late, in seconds, before the driver is called silent.
SLACK_S = 2.0


class DriverPulse:
    """Watches one rollout's lease from outside."""

    def __init__(self) -> None:
        self._lease: Lease | None = None
        self._alive_at: datetime | None = None
        self._ttl_s = LEASE_TTL_S

    def see(self, lease: Lease | None, now: datetime) -> None:
        """The lease as the journal has it now."""
        if lease is None:
            self._lease = self._alive_at = None
            return
        if self._lease is None or self._lease.epoch != lease.epoch:
            # Nothing is known of when it was renewed last, only that it cannot be later.
            begun_at = lease.expires_at - timedelta(seconds=LEASE_TTL_S)
            self._alive_at, self._ttl_s = min(now, begun_at), LEASE_TTL_S
        elif self._lease.expires_at != lease.expires_at:
            self._alive_at = now
            self._ttl_s = max(LEASE_TTL_S, (lease.expires_at - now).total_seconds())
        self._lease = lease

    def note(self, at: datetime) -> None:
        """The driver recorded something at this time."""
        if self._alive_at is not None:
            self._alive_at = max(self._alive_at, at)

    def silent_s(self, now: datetime) -> float:
        """Seconds since its last sign of life, if that is longer than it should be; else 0."""
        if self._alive_at is None:
            return 0.0
        silent_s = (now - self._alive_at).total_seconds()
        return silent_s if silent_s > self._ttl_s / 3 + SLACK_S else 0.0

    def sentence(self, now: datetime) -> str:
        """Such as "driver silent for 14s"; "" while it gives signs of life."""
        silent_s, lease = self.silent_s(now), self._lease
        if lease is None or not silent_s:
            return ""
        left_s = (lease.expires_at - now).total_seconds()
        if left_s <= 0:
            return ""  # nobody drives then, and that is said
        takes = f"another one can take over in {format_duration(left_s)}"
        return f"driver silent for {format_duration(silent_s)}; {takes}"
