"""Which intents may enter the journal, and what an event closes; rule 2 of the five.

Runs inside the write transaction, so that nothing can happen between question and answer.
"""

from __future__ import annotations

import sqlite3

from rolloutctl.core.effects import target_of
from rolloutctl.core.events import (
    Applied,
    ApplyFailed,
    Event,
    Finished,
    Intended,
    KillRequested,
)
from rolloutctl.errors import Stale

_AGAIN = "read the journal again and decide again"


class Fence:
    """What was killed, closed and intended in one rollout, kept up event by event.

    Args:
        connection: inside a write transaction.
        number: the rollout's row.
        rollout_id: its name, for messages.
        killed_seq: where it was killed; None if it was not.
        is_open: False after `Finished`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        number: int,
        *,
        rollout_id: str,
        killed_seq: int | None,
        is_open: bool,
    ) -> None:
        self._connection = connection
        self._number = number
        self._rollout_id = rollout_id
        self.killed_seq = killed_seq
        self.is_open = is_open

    def admit(self, seq: int, event: Event, *, epoch: int | None) -> None:
        """Takes the next event into account. Raises `Stale` for an intent out of place."""
        match event:
            case Intended():
                self._admit_intent(event, epoch)
            case Applied(key=key) | ApplyFailed(key=key):
                self._connection.execute(
                    "DELETE FROM open_intent WHERE rollout = ? AND key = ?", (self._number, key)
                )
            case KillRequested():
                self.killed_seq = self.killed_seq or seq
            case Finished():
                self.is_open = False
            case _:
                pass

    def _admit_intent(self, intent: Intended, epoch: int | None) -> None:
        target = target_of(intent.effect)
        if self.killed_seq is not None:
            raise self._refusal(f"it was killed (event {self.killed_seq})")
        if epoch is None:
            raise self._refusal("only the process that holds the lease may intend")
        if target and not self.is_open:
            # Its addresses are free: another rollout may own the target by now.
            raise self._refusal("it has finished")
        other = self._connection.execute(
            "SELECT key FROM open_intent "
            "WHERE rollout = ? AND (key = ? OR (target = ? AND target <> ''))",
            (self._number, intent.key, target),
        ).fetchone()
        if other is not None:
            on = f" on target {target}" if target else ""
            raise self._refusal(f"intent {other[0]}{on} is still open")
        self._connection.execute(
            "INSERT INTO open_intent (rollout, key, target) VALUES (?, ?, ?)",
            (self._number, intent.key, target),
        )

    def _refusal(self, why: str) -> Stale:
        return Stale(f"{self._rollout_id}: nothing may be written: {why}", hint=_AGAIN)
