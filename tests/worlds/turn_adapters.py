"""Clock, journal and provider as one process of the model has them: every call is a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rolloutctl.core import events as ev
from rolloutctl.core.effects import Expose, Restore
from rolloutctl.core.exposure import Exposure
from rolloutctl.core.observation import Receipt
from rolloutctl.errors import Conflict, JournalUnavailable, RolloutctlError, Unavailable
from rolloutctl.testing import FakeProvider, MemoryJournal
from worlds.turns import Turns

if TYPE_CHECKING:
    from worlds.model import Model


class WatchedJournal(MemoryJournal):
    """Tells the invariants every record at the moment it is on disk."""

    watch: Callable[[ev.Recorded], None]

    def append(self, rollout_id, events, *, at, expect_seq, epoch) -> int:
        head = super().append(rollout_id, events, at=at, expect_seq=expect_seq, epoch=epoch)
        for record in self.read(rollout_id, after_seq=head - len(events)):
            self.watch(record)
        return head

    def acquire_lease(self, rollout_id, owner, *, now, ttl_s, steal=False):
        lease = super().acquire_lease(rollout_id, owner, now=now, ttl_s=ttl_s, steal=steal)
        self.watch(self.read(rollout_id)[-1])
        return lease


class ServedLog(list):
    """The service's log of what came into force, told to the invariants at once."""

    def __init__(self, landed: Callable[[str, Exposure, str], None]) -> None:
        super().__init__()
        self._landed = landed

    def append(self, entry) -> None:
        super().append(entry)
        _, flag, exposure, key = entry
        self._landed(flag, exposure, key)


@dataclass(slots=True)
class TurnClock:
    """The clock as a process has it. Reading it and sending at once is one turn."""

    turns: Turns

    def now(self) -> datetime:
        return self.turns.clock.now()

    def sleep(self, seconds: float) -> None:
        self.turns.sleep(seconds)


class TurnJournal:
    """The journal as a process has it: a turn ends after every call."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._journal = model.journal
        self._step = model.turns.step

    def append(self, rollout_id, events, **arguments) -> int:
        fault = self._model.journal_fault()
        if fault == "before":
            self._step("append fails")
            raise JournalUnavailable("the disk is full")
        try:
            return self._journal.append(rollout_id, events, **arguments)
        finally:
            self._step("append " + ", ".join(type(event).__name__ for event in events))
            if fault == "after":
                # The commit's answer got lost: it is on disk, the process does not know.
                raise JournalUnavailable("the disk does not answer")

    def read(self, rollout_id, *, after_seq=0):
        if self._model.journal_fault():
            raise JournalUnavailable("the file is locked")
        records = self._journal.read(rollout_id, after_seq=after_seq)
        self._step("read")
        return records

    def heads(self):
        return self._journal.heads()

    def acquire_lease(self, rollout_id, owner, **arguments):
        lease = self._journal.acquire_lease(rollout_id, owner, **arguments)
        self._step("acquire_lease")
        return lease

    def renew_lease(self, lease, **arguments):
        renewed = self._journal.renew_lease(lease, **arguments)
        self._step("renew_lease")
        return renewed

    def release_lease(self, lease) -> None:
        self._journal.release_lease(lease)


class TurnProvider:
    """The adapter as a process has it: requests travel, land, and are answered later."""

    name = FakeProvider.name

    def __init__(self, model: Model) -> None:
        self._model = model
        self._turns = model.turns
        self._provider = FakeProvider(model.world, conditional=model.dials.conditional)
        self.capabilities = self._provider.capabilities

    def address(self, target) -> str:
        return self._provider.address(target)

    def observe(self, target):
        try:
            return self._provider.observe(target)
        finally:
            self._turns.step(f"observe {target.name}")

    def apply(self, target, exposure, *, key, expect, timeout_s):
        effect = Expose(target=target.name, exposure=exposure)
        self._model.check.sending(target.name, effect, key)
        arguments = {"key": key, "expect": expect}
        return self._send(self._provider.apply, (target, exposure), arguments, timeout_s)

    def restore(self, target, snapshot, *, key, expect, timeout_s):
        self._model.check.sending(target.name, Restore(target=target.name), key)
        arguments = {"key": key, "expect": expect}
        return self._send(self._provider.restore, (target, snapshot), arguments, timeout_s)

    def kill(self, target, *, timeout_s):
        limit_s = min(timeout_s, self.capabilities.write_timeout_s)
        return self._send(self._provider.kill, (target,), {}, limit_s)

    def _send(self, method, positional, arguments, timeout_s: float):
        """The request travels, lands, and is answered; a crash on the way does not stop it."""
        model, turns = self._model, self._turns
        what = f"{method.__name__} {positional[0].name}"
        key = model.key = arguments.get("key", "kill")
        travel_s = model.world.late_s = model.some_seconds(timeout_s)
        model.is_slow = bool(travel_s) and model.chance(model.dials.fault_rate)
        is_slow, served = model.is_slow, len(model.world.served)
        try:
            receipt = method(*positional, timeout_s=timeout_s, **arguments)
        except Unavailable as error:
            turns.step(f"{what} sent" if is_slow else f"{what}: {error.message}")
            if is_slow:
                turns.sleep(travel_s)
                return self._answer(key, served)
            if error.may_have_landed:
                turns.sleep(model.random.choice((0.0, 1.0, timeout_s)))
            raise
        except RolloutctlError as error:
            turns.step(f"{what}: {error.message}")
            raise
        turns.step(f"{what} done")
        return receipt

    def _answer(self, key: str, served: int) -> Receipt:
        if any(entry[3] == key for entry in self._model.world.served[served:]):
            return Receipt(changed="after a while")
        raise Conflict("it was edited while the request was on its way")
