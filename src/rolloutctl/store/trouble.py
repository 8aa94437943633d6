"""What went wrong with the journal's file, in words: cause and way out.

The only place that knows SQLite's result codes (https://www.sqlite.org/rescode.html).
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from rolloutctl.errors import JournalUnavailable

_ELSEWHERE = "place the journal elsewhere with --store or ROLLOUTCTL_STORE"
_RESTORE = (
    "nothing was changed; restore a backup, or move the file aside to begin a new journal "
    "(rolloutctl kill works on targets without one)"
)
#: The low byte of an extended result code is its primary code.
_PRIMARY = 0xFF

_CAUSES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", f"free space on it, or {_ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened: the folder is missing or gives no access",
        f"check the owner and the access of the file and its folder, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_READONLY: (
        "there is no write access to the file or its folder",
        f"run as its owner, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_PERM: ("access was refused", f"run as its owner, or {_ELSEWHERE}"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("the file is damaged or not a journal", _RESTORE),
    sqlite3.SQLITE_IOERR: (
        "the disk failed to read or write, or is full",
        f"check the disk and its free space, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_NOLFS: ("the file is too large for this file system", _ELSEWHERE),
    sqlite3.SQLITE_TOOBIG: ("an event is larger than SQLite can hold", ""),
}

_FILE_CAUSES: dict[int, tuple[str, str]] = {
    errno.EACCES: ("access was refused", f"run as its owner, or {_ELSEWHERE}"),
    errno.EPERM: ("access was refused", f"run as its owner, or {_ELSEWHERE}"),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", _ELSEWHERE),
    errno.EEXIST: ("a part of its path is a file, not a folder", _ELSEWHERE),
    errno.ENOENT: ("it was moved or removed", "put it back where it was"),
    errno.ENOSPC: ("the disk is full", f"free space on it, or {_ELSEWHERE}"),
    errno.EDQUOT: ("the disk quota is used up", f"free space, or {_ELSEWHERE}"),
    errno.ENAMETOOLONG: ("its path is too long", _ELSEWHERE),
    errno.ELOOP: ("its path is a circle of links", _ELSEWHERE),
}

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})


def is_busy(error: sqlite3.Error) -> bool:
    """Whether trying again may help: another process was in the middle of something."""
    return _code(error) in _BUSY


def sqlite_trouble(error: sqlite3.Error, path: Path, waited_s: float) -> JournalUnavailable:
    """An error of SQLite for people; `waited_s` is how long a busy file was waited for."""
    code = _code(error)
    if code in _BUSY:
        return JournalUnavailable(
            f"the journal {path} was locked by another process for {waited_s:g} s",
            hint=f"find and end the process that hangs: fuser {path}",
            retry_after_s=waited_s,
        )
    cause, hint = _CAUSES.get(code, ("SQLite failed", _ELSEWHERE))
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return JournalUnavailable(
        f"the journal {path} cannot be used: {cause} ({error}, {name})", hint=hint
    )


def file_trouble(error: OSError, path: Path) -> JournalUnavailable:
    """An error of the file system for people."""
    cause, hint = _FILE_CAUSES.get(error.errno or 0, ("the file system failed", _ELSEWHERE))
    if error.errno == errno.ENOENT and error.filename and Path(error.filename) != path:
        # A folder that a file system such as /proc does not let anybody make.
        cause, hint = "its folder cannot be made", _ELSEWHERE
    where = f" at {error.filename}" if error.filename else ""
    return JournalUnavailable(
        f"the journal {path} cannot be used: {cause} ({error.strerror}{where})", hint=hint
    )


def _code(error: sqlite3.Error) -> int:
    # Errors of the Python module itself carry no code.
    return int(getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY
