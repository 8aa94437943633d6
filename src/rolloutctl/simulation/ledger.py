"""The journal of one virtual rollout: in memory, with every promise but durability.

It is made for thousands of short rollouts, one after the other: an append copies nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.core.effects import target_of
from rolloutctl.core.ports import Lease, RolloutRow
from rolloutctl.errors import Conflict, LeaseHeld, LeaseLost, NotFound, Stale


class Ledger:
    """A `Journal` that holds the one rollout that a rehearsal drives, in one thread."""

    def __init__(self) -> None:
        self._id = ""
        self._records: list[ev.Recorded] = []
        self._lease: Lease | None = None
        self._epoch = 0
        self._is_open = self._is_killed = False
        self._intents: dict[str, str] = {}

    def create(
        self, rollout_id: str, started: ev.Started, *, at: datetime, holds: Sequence[str]
    ) -> None:
        """See `Journal.create`."""
        del holds
        if self._records:
            raise Conflict(f"this ledger holds {self._id} already")
        self._id, self._is_open = rollout_id, True
        self._records = [ev.Recorded(seq=1, at=at, event=started)]

    def append(
        self,
        rollout_id: str,
        events: Sequence[ev.Event],
        *,
        at: datetime,
        expect_seq: int,
        epoch: int | None,
    ) -> int:
        """See `Journal.append`."""
        records = self._of(rollout_id)
        if epoch is not None and epoch != self._epoch:
            raise LeaseLost(f"{rollout_id} is driven under epoch {self._epoch}, not {epoch}")
        if len(records) != expect_seq:
            raise Stale(f"{rollout_id} is at {len(records)}, not {expect_seq}")
        intents = dict(self._intents)
        is_killed, is_open = self._is_killed, self._is_open
        for event in events:
            match event:
                case ev.Intended(key=key, effect=effect):
                    target = target_of(effect)
                    if is_killed or epoch is None or key in intents:
                        raise Stale(f"the intent {key} is refused")
                    if target and (target in intents.values() or not is_open):
                        raise Stale(f"another intent on {target} is open, or the rollout is over")
                    intents[key] = target
                case ev.Applied(key=key) | ev.ApplyFailed(key=key):
                    intents.pop(key, None)
                case ev.KillRequested():
                    is_killed = True
                case ev.Finished():
                    is_open = False
                    intents.clear()
                case _:
                    pass
        self._intents, self._is_killed, self._is_open = intents, is_killed, is_open
        for event in events:
            records.append(ev.Recorded(seq=len(records) + 1, at=at, event=event))
        return len(records)

    def read(self, rollout_id: str, *, after_seq: int = 0) -> Sequence[ev.Recorded]:
        """See `Journal.read`."""
        records = self._of(rollout_id)
        return () if after_seq >= len(records) else records[after_seq:]

    def heads(self) -> Mapping[str, int]:
        """See `Journal.heads`."""
        return {self._id: len(self._records)} if self._is_open else {}

    def rollouts(self, *, open_only: bool = False) -> Sequence[RolloutRow]:
        """See `Journal.rollouts`."""
        if not self._records or (open_only and not self._is_open):
            return []
        first = self._records[0]
        assert isinstance(first.event, ev.Started)  # noqa: S101 - `create` put it there
        return [
            RolloutRow(
                rollout_id=self._id,
                name=first.event.name,
                sha256=first.event.sha256,
                created_at=first.at,
                is_open=self._is_open,
                head_seq=len(self._records),
                lease=self._lease,
            )
        ]

    def acquire_lease(
        self, rollout_id: str, owner: str, *, now: datetime, ttl_s: float, steal: bool = False
    ) -> Lease:
        """See `Journal.acquire_lease`."""
        records, held = self._of(rollout_id), self._lease
        if held is not None and held.owner != owner and now < held.expires_at and not steal:
            raise LeaseHeld(f"{rollout_id} is driven by {held.owner}")
        self._epoch += 1
        self._lease = Lease(
            rollout_id=rollout_id,
            epoch=self._epoch,
            owner=owner,
            expires_at=now + timedelta(seconds=ttl_s),
        )
        taken = ev.LeaseTaken(epoch=self._epoch, owner=owner)
        records.append(ev.Recorded(seq=len(records) + 1, at=now, event=taken))
        return self._lease

    def renew_lease(self, lease: Lease, *, now: datetime, ttl_s: float) -> Lease:
        """See `Journal.renew_lease`."""
        if self._epoch != lease.epoch or self._lease is None:
            raise LeaseLost(f"{lease.rollout_id} is driven under epoch {self._epoch}")
        self._lease = replace(self._lease, expires_at=now + timedelta(seconds=ttl_s))
        return self._lease

    def release_lease(self, lease: Lease) -> None:
        """See `Journal.release_lease`."""
        if self._epoch == lease.epoch:
            self._lease = None

    def close(self) -> None:
        """Nothing to free."""

    def _of(self, rollout_id: str) -> list[ev.Recorded]:
        if rollout_id != self._id or not self._records:
            raise NotFound(f"no rollout {rollout_id}", hint=f"known: {self._id or 'none'}")
        return self._records
