"""One SQLite file, opened carefully: who may read it, who waits, what went wrong.

Knows SQLite and file systems, no events. Everything that can fail here becomes
`JournalUnavailable` with the file, the cause and the way out; a busy file is waited for
within a bound and is never a traceback.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.errors import JournalUnavailable
from rolloutctl.store.migrations import MIGRATIONS, Migration, check_version, migrate
from rolloutctl.store.trouble import file_trouble, is_busy, sqlite_trouble

#: Longest wait for other processes' transactions; each takes well under a millisecond, so
#: this long means a hung process, not a queue.
BUSY_LIMIT_S = 10.0
#: Pause between two attempts. SAFETY: SQLite's own busy handler backs off to 100 ms and
#: lost 8 of 150 fences to three saturating writers; steps this short lost none.
BUSY_STEP_S = 0.0005
#: The write-ahead log is cut back to this after a burst.
WAL_SIZE_LIMIT_BYTES = 16 * 1024 * 1024
#: https://www.sqlite.org/fileformat.html#pages
_PAGE_MIN_BYTES = 512
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700

Answer = TypeVar("Answer")
#: Statements of one transaction; may be run again after a busy file, so it only uses
#: the connection it is given.
Work = Callable[[sqlite3.Connection], Answer]

_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit survives power loss, not only a crash
    "PRAGMA fullfsync = ON",  # macOS: fsync alone stays in the drive's cache there
    f"PRAGMA journal_size_limit = {WAL_SIZE_LIMIT_BYTES}",
    "PRAGMA cell_size_check = ON",  # damaged pages are noticed when read
    "PRAGMA trusted_schema = OFF",
)


class JournalFile:
    """An open journal file; one connection, shared by the threads of this process.

    Args:
        path: the file; it and its folders are made, for the owner only, unless read_only.
        busy_limit_s: longest wait for other processes or threads, in seconds.
        read_only: nothing is created or written; a missing file reads as an empty journal.
        migrations: the ways between versions; other than the default only in tests.

    Raises:
        JournalUnavailable: it cannot be used; nothing was changed.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_limit_s: float = BUSY_LIMIT_S,
        read_only: bool = False,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self._path = self.path = path.absolute()
        self._busy_limit_s = busy_limit_s
        self._migrations = migrations
        self._lock = threading.Lock()
        self._pause = SystemClock().sleep
        self._identity: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._open_to_read() if read_only else self._open_to_write()
        except BaseException:
            self.close()
            raise

    def read(self, work: Work[Answer]) -> Answer:
        """Runs `work` on one consistent state. Raises `JournalUnavailable`."""

        def transaction(connection: sqlite3.Connection) -> Answer:
            connection.execute("BEGIN")
            answer = work(connection)
            connection.execute("COMMIT")
            return answer

        return self._insist(transaction)

    def write(self, work: Work[Answer]) -> Answer:
        """Runs `work` in one durable transaction; on any exception nothing is written.

        Raises `JournalUnavailable`, and what `work` raises.
        """

        def transaction(connection: sqlite3.Connection) -> Answer:
            self._refuse_if_replaced()
            connection.execute("BEGIN IMMEDIATE")
            answer = work(connection)
            connection.execute("COMMIT")
            return answer

        return self._insist(transaction)

    def close(self) -> None:
        """Frees the files; safe twice, and while another thread waits for its turn."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _insist(self, attempt: Work[Answer]) -> Answer:
        """Runs `attempt` alone in this process, again while others keep the file busy."""
        give_up_at = monotonic_s() + self._busy_limit_s
        with self._turn():
            while True:
                connection = self._connection
                if connection is None:
                    raise JournalUnavailable(f"the journal {self._path} is closed")
                try:
                    return attempt(connection)
                except sqlite3.Error as error:
                    if not is_busy(error) or monotonic_s() >= give_up_at:
                        raise sqlite_trouble(error, self._path, self._busy_limit_s) from error
                finally:
                    if connection.in_transaction:
                        # A rollback that fails leaves the error that led here to tell.
                        with suppress(sqlite3.Error):
                            connection.execute("ROLLBACK")
                self._pause(BUSY_STEP_S)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._busy_limit_s):
            raise JournalUnavailable(
                f"the journal {self._path} was kept busy by this process for "
                f"{self._busy_limit_s:g} s",
                hint="run the command again",
            )
        try:
            yield
        finally:
            self._lock.release()

    def _open_to_write(self) -> sqlite3.Connection:
        try:
            _make_file(self._path)
        except OSError as error:
            raise file_trouble(error, self._path) from error
        self._connection = self._connect("mode=rw")
        # The version is looked at before anything, even the journal mode, is changed.
        self.read(self._readable_version)
        self._insist(self._settle_mode)
        found = self._path.stat()
        self._identity = (found.st_dev, found.st_ino)
        self.write(self._prepare)
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        migrate(connection, str(self._path), migrations=self._migrations)
        # SAFETY: SQLite opens a file without write access quietly for reading, and BEGIN
        # IMMEDIATE does not tell either; a statement that would write does.
        connection.execute("DELETE FROM hold WHERE 0")

    def _settle_mode(self, connection: sqlite3.Connection) -> None:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalUnavailable(
                f"{self._path} cannot use a write-ahead log here (mode {mode})",
                hint="place the journal on a local disk with --store or ROLLOUTCTL_STORE",
            )
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()

    def _open_to_read(self) -> sqlite3.Connection:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self._empty()
        except OSError as error:
            raise file_trouble(error, self._path) from error
        _refuse_unless_file(found, self._path)
        self._connection = self._connect("mode=ro")
        try:
            version = self.read(self._readable_version)
        except JournalUnavailable:
            if not os.access(self._path, os.R_OK) or _has_log(self._path):
                raise
            # SAFETY: without write access to the folder SQLite cannot open a closed WAL
            # file. With no log beside it the file alone is the whole journal.
            self._connection.close()
            self._connection = self._connect("mode=ro&immutable=1")
            version = self.read(self._readable_version)
        if version == 0:
            self._connection.close()
            return self._empty()
        self._refuse_older(version)
        return self._connection

    def _readable_version(self, connection: sqlite3.Connection) -> int:
        # SAFETY: within one transaction: what another process creates meanwhile would
        # otherwise be half seen, and taken for another program's.
        return check_version(connection, str(self._path), migrations=self._migrations)

    def _refuse_older(self, version: int) -> None:
        if version < len(self._migrations):
            raise JournalUnavailable(
                f"{self._path} has journal version {version} and must be brought to "
                f"{len(self._migrations)} before it can be read",
                hint="run any writing command as its owner once, for example: rolloutctl tick",
            )

    def _empty(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:", timeout=0, isolation_level=None, check_same_thread=False
        )
        migrate(connection, str(self._path), migrations=self._migrations)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self, parameters: str) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                f"{self._path.as_uri()}?{parameters}",
                uri=True,
                timeout=0,  # waiting is done in _insist, in shorter steps
                isolation_level=None,  # transactions are begun by name
                check_same_thread=False,  # _turn lets one thread in at a time
            )
        except sqlite3.Error as error:
            raise sqlite_trouble(error, self._path, self._busy_limit_s) from error

    def _refuse_if_replaced(self) -> None:
        """SAFETY: a write to a file that was moved away would be a write to nowhere."""
        if self._identity is None:
            return
        try:
            found = self._path.stat()
        except OSError as error:
            raise file_trouble(error, self._path) from error
        if (found.st_dev, found.st_ino) != self._identity:
            raise JournalUnavailable(
                f"{self._path} was replaced by another file while it was in use",
                hint="put the original back, or start again on the new one",
            )


def _make_file(path: Path) -> None:
    """Creates the file and its folders, for the owner only; leaves an existing one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        missing = [folder for folder in path.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        # Another process may be quicker; then its file is the journal.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        for folder in (path.parent, *(folder.parent for folder in missing)):
            _sync_folder(folder)
        return
    _refuse_unless_file(found, path)
    if _has_log(path) and path.stat().st_size == 0:
        raise JournalUnavailable(
            f"{path} is empty although its log {path.name}-wal is not: it was cut off",
            hint="restore the journal from a backup; nothing was changed",
        )


def _sync_folder(folder: Path) -> None:
    """Makes the file's name survive power loss, not only its content."""
    # Some file systems cannot sync a folder; SQLite itself goes on then as well.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse_unless_file(found: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(found.st_mode):
        # SQLite takes a file shorter than its smallest page for a new one.
        if 0 < found.st_size < _PAGE_MIN_BYTES:
            raise JournalUnavailable(
                f"{path} is damaged or not a journal: it has {found.st_size} bytes",
                hint="restore a backup, or name another file with --store; it was not changed",
            )
        return
    what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
    raise JournalUnavailable(
        f"{path} is {what}; the journal must be a file",
        hint=f"name a file, for example: --store {path / 'journal.db'}",
    )


def _has_log(path: Path) -> bool:
    """Whether a write-ahead log with content lies beside the file."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False
