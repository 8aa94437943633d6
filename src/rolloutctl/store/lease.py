"""Leases in the journal's file: who drives a rollout, and with which fencing number."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from rolloutctl.clock import in_seconds
from rolloutctl.core.lease_owner import readable_owner
from rolloutctl.core.ports import Lease
from rolloutctl.errors import LeaseHeld, LeaseLost
from rolloutctl.store.codec import time_from_text
from rolloutctl.store.shape import format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A rollout's row as a lease sees it; `owner` is empty while nobody drives."""

    number: int
    rollout_id: str
    epoch: int
    owner: str
    expires_at: datetime | None

    @property
    def lease(self) -> Lease | None:
        """The lease, expired or not; None while nobody holds it."""
        if not self.owner or self.expires_at is None:
            return None
        return Lease(
            rollout_id=self.rollout_id,
            epoch=self.epoch,
            owner=self.owner,
            expires_at=self.expires_at,
        )


def standing_of(number: int, rollout_id: str, row: tuple[int, str | None, str | None]) -> Standing:
    """Builds it from the columns (lease_epoch, lease_owner, lease_expires_at)."""
    epoch, owner, expires_at = row
    return Standing(
        number=number,
        rollout_id=rollout_id,
        epoch=epoch,
        owner=owner or "",
        expires_at=time_from_text(expires_at) if expires_at else None,
    )


def take(
    connection: sqlite3.Connection, old: Standing, owner: str, *, expires_at: datetime
) -> Lease:
    """Writes the next epoch, whoever held it before; the caller has checked."""
    connection.execute(
        "UPDATE rollout SET lease_epoch = ?, lease_owner = ?, lease_expires_at = ? "
        "WHERE number = ?",
        (old.epoch + 1, owner, format_time(expires_at), old.number),
    )
    return Lease(rollout_id=old.rollout_id, epoch=old.epoch + 1, owner=owner, expires_at=expires_at)


def raise_if_held(old: Standing, owner: str, *, now: datetime, steal: bool) -> None:
    """Raises `LeaseHeld` if another owner's lease is in force and not to be stolen."""
    held = old.lease
    if held is None or held.owner == owner or held.expires_at <= now or steal:
        return
    until = held.expires_at.astimezone(UTC).strftime("%H:%M:%S UTC")
    raise LeaseHeld(
        f"{old.rollout_id} is driven by {readable_owner(held.owner)} until {until}",
        hint=f"watch it with: rolloutctl watch {old.rollout_id}",
    )


def renew(connection: sqlite3.Connection, lease: Lease, *, now: datetime, ttl_s: float) -> Lease:
    """Prolongs it. Raises `LeaseLost` when it is not the rollout's current one."""
    expires_at = in_seconds(now, ttl_s)
    found = connection.execute(
        "UPDATE rollout SET lease_expires_at = ? "
        "WHERE rollout_id = ? AND lease_epoch = ? AND lease_owner = ?",
        (format_time(expires_at), lease.rollout_id, lease.epoch, lease.owner),
    )
    if found.rowcount != 1:
        raise lost(lease.rollout_id, lease.epoch)
    return Lease(
        rollout_id=lease.rollout_id, epoch=lease.epoch, owner=lease.owner, expires_at=expires_at
    )


def release(connection: sqlite3.Connection, lease: Lease) -> None:
    """Gives it up if it is still ours; the epoch stays, so that it is never used twice."""
    connection.execute(
        "UPDATE rollout SET lease_owner = NULL, lease_expires_at = NULL "
        "WHERE rollout_id = ? AND lease_epoch = ? AND lease_owner = ?",
        (lease.rollout_id, lease.epoch, lease.owner),
    )


def lost(rollout_id: str, epoch: int) -> LeaseLost:
    """The error of a process that drove with `epoch` and does not any more."""
    return LeaseLost(
        f"{rollout_id} is not driven by this process any more (its epoch {epoch} has ended)",
        hint=f"watch it with: rolloutctl watch {rollout_id}",
    )
