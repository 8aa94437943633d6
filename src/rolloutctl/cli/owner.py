"""Who drives: `runner.owner`, asked with the name of whoever asks."""

from __future__ import annotations

from rolloutctl.runner.owner import make_owner, owner_is_dead

__all__ = ["is_known_dead", "make_owner"]


def is_known_dead(owner: str, who: str) -> bool:
    """Whether the owner's process ran on the host of `who` (user@host) and runs no more."""
    return owner_is_dead(owner, who.rpartition("@")[2])
