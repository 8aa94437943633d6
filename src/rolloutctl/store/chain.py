"""The hash chain over a rollout's events: which one was edited afterwards.

It shows accidents and careless edits. Who can write the file can also write a whole new
chain, so it is evidence, not proof; a hash kept elsewhere makes it proof.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

#: What stands before the first event.
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBreak:
    """The first event whose hash does not follow from what is before it."""

    rollout_id: str
    seq: int
    message: str

    def __str__(self) -> str:
        return f"{self.rollout_id} event {self.seq}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One event as it is stored: text, not objects, so that every byte counts."""

    seq: int
    at: str
    body: str
    hash: bytes


def hash_of(previous: bytes, rollout_id: str, *, seq: int, at: str, body: str) -> bytes:
    """SHA-256 of the previous hash and the canonical JSON `[rollout_id,seq,at,event]`."""
    record = f'[{json.dumps(rollout_id)},{seq},"{at}",{body}]'
    return hashlib.sha256(previous + record.encode()).digest()


def find_break(
    rollout_id: str, links: Iterable[Link], *, head_seq: int, head_hash: bytes
) -> ChainBreak | None:
    """The first break of the chain, or None when it ends in the recorded head."""
    previous, seq = GENESIS, 0
    for link in links:
        seq += 1
        if link.seq != seq:
            message = f"missing; the next event is {link.seq}"
            return ChainBreak(rollout_id=rollout_id, seq=seq, message=message)
        previous = hash_of(previous, rollout_id, seq=seq, at=link.at, body=link.body)
        if previous != link.hash:
            message = "its content does not match its hash: it was edited after it was recorded"
            return ChainBreak(rollout_id=rollout_id, seq=seq, message=message)
    if (seq, previous) != (head_seq, head_hash):
        message = f"the last recorded event is {head_seq}, the chain ends at {seq}"
        return ChainBreak(rollout_id=rollout_id, seq=min(seq, head_seq) + 1, message=message)
    return None
