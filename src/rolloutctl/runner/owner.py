"""Who drives, as the lease names it, and whether that process is still alive.

An owner is `user@host:pid:start:namespace:random`. A process that is known to be dead
loses its lease at once instead of after its time to live; when in doubt it is alive.
SAFETY: a wrong "dead" costs a stolen lease, never a double write: the epoch fences it.
"""

from __future__ import annotations

import os
from pathlib import Path

from rolloutctl.clock import random_suffix
from rolloutctl.core.ports import Lease
from rolloutctl.errors import LeaseHeld
from rolloutctl.runner.rollout import Rollout

#: Place of the start time in /proc/PID/stat after the command's name (proc(5), field 22).
_START_FIELD = 19
_PARTS = 5


def make_owner(who: str) -> str:
    """This process, as a lease's owner. `who` is user@host."""
    pid = os.getpid()
    return f"{who}:{pid}:{_start_of(pid)}:{_namespace()}:{random_suffix()}"


def owner_is_dead(owner: str, host: str = "") -> bool:
    """Whether the owner's process ran on `host` (this one) and runs no more.

    False when in doubt: another host, another container, a process that cannot be seen.
    """
    parts = owner.rsplit(":", _PARTS - 1)
    if len(parts) != _PARTS or not parts[1].isdigit():
        return False
    there, pid, start, namespace = parts[0].rpartition("@")[2], int(parts[1]), parts[2], parts[3]
    if there != (host or os.uname().nodename) or not namespace or namespace != _namespace():
        return False
    started = _start_of(pid)
    return bool(start) and started != start and not (not started and _is_hidden(pid))


def living(lease: Lease | None) -> Lease | None:
    """The lease, unless its owner is known to be dead: for whoever only looks on."""
    return None if lease is None or owner_is_dead(lease.owner) else lease


def take_over(rollout: Rollout, owner: str) -> None:
    """Becomes the driver, at once if the one before is known to be dead.

    Raises:
        LeaseHeld: another process drives it, or may.
    """
    try:
        rollout.take_lease(owner)
    except LeaseHeld:
        rows = rollout.journal.rollouts(open_only=True)
        lease = next((row.lease for row in rows if row.rollout_id == rollout.rollout_id), None)
        if lease is None or not owner_is_dead(lease.owner):
            raise
        rollout.take_lease(owner, steal=True)


def _start_of(pid: int) -> str:
    """Start time of a process in clock ticks since boot; "" if there is none to be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *_ = fields = text.rpartition(")")[2].split()
    # A zombie drives nothing; without an init to reap it, a container keeps it for ever.
    return "" if state in {"Z", "X"} else fields[_START_FIELD]


def _is_hidden(pid: int) -> bool:
    """Another user's process that lives, but that /proc (hidepid) does not show."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _namespace() -> str:
    """The process namespace within this boot; "" where the kernel tells none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        return f"{boot}{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""
