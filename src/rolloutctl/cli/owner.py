"""Who drives, as the lease names it, and whether that process is still alive.

An owner is `user@host:pid:start:namespace:random`. A process that is known to be dead
loses its lease at once instead of after its time to live; when in doubt it is alive.
SAFETY: a wrong "dead" costs a stolen lease, never a double write: the epoch fences it.
"""

from __future__ import annotations

import os
from pathlib import Path

from rolloutctl.clock import random_suffix

#: Place of the start time in /proc/PID/stat after the command's name (proc(5), field 22).
_START_FIELD = 19


def make_owner(who: str) -> str:
    """This process, as a lease's owner. `who` is user@host."""
    pid = os.getpid()
    return f"{who}:{pid}:{_start_of(pid)}:{_namespace()}:{random_suffix()}"


def is_known_dead(owner: str, who: str) -> bool:
    """Whether the owner's process ran here and runs no more."""
    parts = owner.rsplit(":", 4)
    if len(parts) != 5 or not parts[1].isdigit():  # noqa: PLR2004 - the five parts above
        return False
    host, pid, start, namespace = parts[0].rpartition("@")[2], int(parts[1]), parts[2], parts[3]
    if host != who.rpartition("@")[2] or not namespace or namespace != _namespace():
        return False
    return bool(start) and _start_of(pid) != start


def _start_of(pid: int) -> str:
    """Start time of a process in clock ticks since boot; "" if there is none to be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[_START_FIELD]


def _namespace() -> str:
    """The process namespace within this boot; "" where the kernel tells none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        return f"{boot}{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""
