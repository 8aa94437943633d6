"""Reading and atomically replacing one file that other programs read and people edit.

The replacement: a new file in the same folder, synced, given the old one's owner, mode,
extended attributes and a later mtime, then renamed over the old one, and the folder synced.
Readers see the old or the new file, never a part of one. The mtime only moves forward,
because flagd's SDKs reload on a LATER mtime only (measured, provider 0.6.1).

The lock is `flock` on the folder: it leaves no file behind, holds across symlinks and
container mounts (it belongs to the inode), survives the renames that a lock on the file
itself would not, and the kernel frees it when its owner dies. A stopped owner keeps
it, so a kill does not wait for it for long; see `replace`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rolloutctl.clock import Deadline, SystemClock, random_suffix
from rolloutctl.errors import (
    Conflict,
    NotFound,
    Rejected,
    RolloutctlError,
    Unauthorized,
    Unavailable,
)

#: A flag file above this is a mistake; the largest real ones are under 2 MiB.
FILE_MAX_BYTES = 16 * 1024 * 1024
#: Seconds between two tries for the lock.
LOCK_POLL_S = 0.005
#: Least step of the mtime: Python's SDK compares it as a float, exact to 0.24 µs in 2026.
MTIME_STEP_NS = 1_000_000
#: Step where the file system rounds times (FAT counts in 2 s).
MTIME_COARSE_STEP_NS = 2_000_000_000
_WORLD_READABLE = 0o004
_LOCK_UNSUPPORTED = frozenset({errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})


class Moved(Exception):
    """The file is no longer the one that was read; nothing was written."""


class FileState(NamedTuple):
    """A file as it was read once. `path` is real: no symlink in it."""

    path: Path
    data: bytes
    stat: os.stat_result

    @property
    def mtime_ns(self) -> int:
        """Modification time in nanoseconds since 1970."""
        return self.stat.st_mtime_ns

    def is_current(self) -> bool:
        """True while the path still names this very file, unmodified."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return _identity(now) == _identity(self.stat)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def read_file(path: Path) -> FileState:
    """Reads a regular file whole. Raises mapped errors; never blocks on a FIFO."""
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer: a kill must not hang.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise Rejected(f"{path} is not a regular file", hint="name the flag file itself")
            data = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise mapped(error, path, "read") from error
    if len(data) > FILE_MAX_BYTES:
        raise Rejected(f"{path} is larger than {FILE_MAX_BYTES} bytes, the limit for a flag file")
    return FileState(path=path, data=data, stat=found)


@contextmanager
def folder_lock(path: Path, *, wait_s: float, is_kill: bool = False) -> Iterator[bool]:
    """Holds the lock of the folder of `path`; yields False if it did not come in time.

    Where the file system has no such lock, a kill gets False at once, and everybody
    else `Rejected`.
    """
    folder = path.parent
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise mapped(error, folder, "open the folder") from error
    try:
        yield _take(fd, folder, wait_s, is_kill=is_kill)
    finally:
        os.close(fd)


def _take(fd: int, folder: Path, wait_s: float, *, is_kill: bool) -> bool:
    clock = SystemClock()
    deadline = Deadline(wait_s)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.remaining_s <= 0:
                return False
            clock.sleep(min(LOCK_POLL_S, deadline.remaining_s))
        except OSError as error:
            if error.errno in _LOCK_UNSUPPORTED:
                if is_kill:
                    return False
                raise Rejected(
                    f"the file system of {folder} does not support locks (flock): {error.strerror}",
                    hint="keep the flag file on a local file system",
                ) from error
            raise mapped(error, folder, "lock the folder") from error
        else:
            return True


def replace(
    state: FileState, data: bytes, *, deadline: Deadline | None, holds_lock: bool
) -> os.stat_result:
    """Puts `data` in the place of the file that was read; durable when it returns.

    Args:
        state: what was read; `Moved` is raised, nothing written, when it is not current.
        data: the whole new content.
        deadline: after it nothing is written; None for a kill, which is never too late.
        holds_lock: False only for a kill that could not wait for the lock.

    Raises: `Moved`, and mapped errors; then the file is untouched and no temporary file
    is left, unless `Unavailable.may_have_landed` says that it was replaced.

    SAFETY: a kill without the lock removes the temporary files of writers that hold it,
    after its own rename. A writer stopped between its last check and its rename then
    renames a file that is gone, and fails, however late it wakes up.
    """
    folder, prefix = state.path.parent, _prefix(state.path)
    if holds_lock:
        _sweep(folder, prefix)
    kind = "w" if holds_lock else "k"
    temporary = folder / f"{prefix}{kind}-{random_suffix()}.tmp"
    try:
        written = _write_temporary(temporary, state, data, is_kill=deadline is None)
        _rename(temporary, state, deadline)
    except OSError as error:
        raise mapped(error, state.path, "replace") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    if not holds_lock:
        _sweep(folder, prefix)
        if not state._replace(stat=written).is_current():
            raise Moved  # a writer was between its check and its rename; it cannot be again
    _sync_folder(folder, state.path)
    return written


def _prefix(path: Path) -> str:
    """Temporary files' names, one prefix for each target file, short whatever its name."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    return f".rolloutctl-{digest}-"


def _sweep(folder: Path, prefix: str) -> None:
    """Removes what writers with the lock left or are about to rename; never a kill's."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name.startswith(f"{prefix}w-"):
                with suppress(OSError):
                    entry.unlink()


def _rename(temporary: Path, state: FileState, deadline: Deadline | None) -> None:
    # SAFETY: the two checks stand right before the write that they guard (rule 3, send
    # deadline; compare-and-set). Editors do not take our lock, so the file is looked at again.
    if not state.is_current():
        raise Moved
    if deadline is not None and deadline.remaining_s <= 0:
        raise Unavailable(f"{state.path}: the time for this write is over; nothing was written")
    try:
        temporary.rename(state.path)
    except FileNotFoundError:
        if temporary.exists():
            raise
        raise Conflict(
            f"{state.path}: a kill took this write back before it landed; nothing was written"
        ) from None


def _write_temporary(
    temporary: Path, state: FileState, data: bytes, *, is_kill: bool
) -> os.stat_result:
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) or 0 :]
        _copy_owner(fd, state, is_kill=is_kill)
        os.fchmod(fd, stat.S_IMODE(state.stat.st_mode))
        _copy_extended_attributes(fd, state.path)
        _move_mtime_forward(fd, state.mtime_ns)
        os.fsync(fd)
        return os.fstat(fd)


def _copy_owner(fd: int, state: FileState, *, is_kill: bool) -> None:
    """Gives the new file the old one's owner and group.

    A kill goes on without where everybody may read the file: only its owner changes.
    """
    old, new = state.stat, os.fstat(fd)
    if (old.st_uid, old.st_gid) == (new.st_uid, new.st_gid):
        return
    try:
        os.fchown(fd, old.st_uid, old.st_gid)
    except PermissionError as error:
        if is_kill and old.st_mode & _WORLD_READABLE:
            return
        raise Unauthorized(
            f"cannot keep the owner of {state.path} ({owner_of(old)}) when replacing it",
            hint="run rolloutctl as that user",
        ) from error


def _copy_extended_attributes(fd: int, path: Path) -> None:
    """Copies ACLs, labels and user attributes as far as the system lets us."""
    with suppress(OSError, AttributeError):  # AttributeError: not on this platform
        for name in os.listxattr(path):
            with suppress(OSError):
                os.setxattr(fd, name, os.getxattr(path, name))


def _move_mtime_forward(fd: int, old_ns: int) -> None:
    found = os.fstat(fd)
    if found.st_mtime_ns < old_ns + MTIME_STEP_NS:
        os.utime(fd, ns=(found.st_atime_ns, old_ns + MTIME_STEP_NS))
    if os.fstat(fd).st_mtime_ns <= old_ns:
        os.utime(fd, ns=(found.st_atime_ns, old_ns + MTIME_COARSE_STEP_NS))


def _sync_folder(folder: Path, path: Path) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise Unavailable(
            f"{path} was replaced, but the folder could not be synced: {error.strerror}",
            hint="check the disk; the change may be lost at a power failure",
            may_have_landed=True,
        ) from error


def owner_of(found: os.stat_result) -> str:
    """Names owner and mode for people: "alice, mode 0640"."""
    import pwd  # noqa: PLC0415 - only for messages

    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = f"user id {found.st_uid}"
    return f"{name}, mode {stat.S_IMODE(found.st_mode):04o}"


def mapped(error: OSError, path: Path, action: str) -> RolloutctlError:
    """The error of ours for an error of the system, before anything was replaced."""
    what = f"cannot {action} {path}: {error.strerror}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound(f"{path} does not exist", hint="check the target's `file`")
        case errno.EACCES | errno.EPERM:
            return Unauthorized(f"{what} ({_who_owns(path)})", hint=_PERMISSION_HINT)
        case errno.EROFS:
            return Rejected(what, hint="mount the folder writable, or change the file's origin")
        case errno.EBUSY:
            return Rejected(
                f"{what}: it is a mount point of its own, so it cannot be replaced atomically",
                hint="mount the folder that holds the file, not the single file",
            )
        case errno.ELOOP | errno.ENAMETOOLONG | errno.EISDIR | errno.ENXIO:
            return Rejected(what, hint="check the target's `file`")
        case _:
            return Unavailable(what, hint="free space or repair the disk, then try again")


_PERMISSION_HINT = (
    "run rolloutctl as the owner, or give this user write access to the folder;"
    " a sticky folder or an immutable attribute (lsattr) also stands in the way"
)


def _who_owns(path: Path) -> str:
    owners = []
    for each in (path, path.parent):
        with suppress(OSError):
            owners.append(f"{each} belongs to {owner_of(each.stat())}")
    return "; ".join(owners) or "its owner cannot be seen either"
