"""How people read the owner of a lease; pure."""

from __future__ import annotations

#: `user@host:pid:start:namespace:random`, as `runner.owner` makes it.
_PARTS = 5


def readable_owner(owner: str) -> str:
    """`user@host (pid 7)` of an owner's identity; as it is, if it is another's."""
    parts = owner.rsplit(":", _PARTS - 1)
    return f"{parts[0]} (pid {parts[1]})" if len(parts) == _PARTS else owner
