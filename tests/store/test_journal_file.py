"""What can be wrong with the file: each gets cause and way out, and loses nothing."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rolloutctl.errors import ExitCode, JournalUnavailable, NotFound
from rolloutctl.store import migrations
from rolloutctl.store.journal_file import JournalFile
from rolloutctl.store.migrations import MIGRATIONS
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.clock import EPOCH
from rolloutctl.testing.journal_contract import ENTERED, make_started

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.db"


def fill(path, *, events=3):
    """A closed journal with rollout r-1 at event 1 + `events`."""
    journal = SqliteJournal(path)
    journal.create("r-1", make_started(), at=EPOCH, holds=("fake://a",))
    journal.append("r-1", [ENTERED] * events, at=EPOCH, expect_seq=1, epoch=None)
    journal.close()
    return path.read_bytes()


def refusal(path, **options):
    """The error of opening, with a cause and a way out."""
    with pytest.raises(JournalUnavailable) as caught:
        SqliteJournal(path, **options)
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_new_journal_is_for_its_owner_only(path):
    """The file, its log and its folder are made without access for others."""
    journal = SqliteJournal(path)
    journal.create("r-1", make_started(), at=EPOCH, holds=())

    modes = {item.name: item.stat().st_mode & 0o777 for item in path.parent.iterdir()}

    assert set(modes) == {"journal.db", "journal.db-wal", "journal.db-shm"}
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    journal.close()


def test_commits_wait_for_the_disk(path):
    """Every connection writes ahead and syncs fully: a commit survives power loss."""
    journal = SqliteJournal(path)
    ask = journal._file._connection.execute

    assert ask("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert ask("PRAGMA synchronous").fetchone()[0] == 2
    journal.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_in_the_place_of_a_folder(tmp_path, read_only):
    """A path beneath a regular file says which part is wrong, and touches nothing."""
    blocker = tmp_path / "file"
    blocker.write_text("mine")

    error = refusal(blocker / "deep" / "journal.db", read_only=read_only)

    assert "is a file, not a folder" in error.message
    assert "--store" in error.hint
    assert blocker.read_text() == "mine"


@pytest.mark.parametrize("read_only", [False, True])
def test_a_folder_in_the_place_of_the_file(tmp_path, read_only):
    """A folder at the path is answered with a file name to use."""
    error = refusal(tmp_path, read_only=read_only)

    assert "is a folder" in error.message
    assert f"{tmp_path}/journal.db" in error.hint


def test_a_path_that_is_too_long(tmp_path):
    """A name the file system refuses is an error with the reason."""
    assert "too long" in refusal(tmp_path / ("x" * 300)).message


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("content", [b"x", b"nothing like a database " * 500, b"\x00" * 9000])
def test_not_a_database(path, content, read_only):
    """A file of something else is refused and stays as it is."""
    path.parent.mkdir()
    path.write_bytes(content)

    error = refusal(path, read_only=read_only)

    assert "damaged or not a journal" in error.message
    assert path.read_bytes() == content


def test_somebody_elses_database_is_not_touched(path):
    """A SQLite file of another program is never migrated."""
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE photos (name TEXT)")
    other.commit()
    other.close()
    before = path.read_bytes()

    error = refusal(path)

    assert "another program" in error.message
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [1, 700, 4096, 20_000])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_cut_off_file_is_refused(path, size, read_only):
    """A truncated journal is told at the door, not in the middle of a rollout."""
    whole = fill(path, events=200)
    path.write_bytes(whole[:size])

    error = refusal(path, read_only=read_only)

    assert "damaged" in error.message
    assert path.read_bytes() == whole[:size]


def test_an_empty_file_with_a_log_is_refused(path):
    """SQLite would throw the log away; we do not."""
    journal = SqliteJournal(path)
    journal.create("r-1", make_started(), at=EPOCH, holds=())
    log = path.with_name("journal.db-wal")
    kept = log.read_bytes()
    journal.close()
    path.write_bytes(b"")
    log.write_bytes(kept)

    error = refusal(path)

    assert "it was cut off" in error.message
    assert log.read_bytes() == kept


def test_random_bytes_in_the_middle_never_become_events(path):
    """Damaged pages are an error or a broken chain; never a traceback, never a wrong event."""
    whole = fill(path, events=400)
    noise = bytes(range(256)) * 8
    outcomes = set()
    for offset in range(4096, len(whole) - len(noise), 4096):
        path.write_bytes(whole[:offset] + noise + whole[offset + len(noise) :])
        try:
            journal = SqliteJournal(path, read_only=True)
        except JournalUnavailable:
            outcomes.add("refused")
            continue
        try:
            events = journal.read("r-1")
            is_whole = [r.event for r in events] == [make_started(), *[ENTERED] * 400]
            outcomes.add("whole" if is_whole else "broken")
            assert is_whole or journal.verify_chain("r-1") is not None
        except (JournalUnavailable, NotFound):
            outcomes.add("refused")
        finally:
            journal.close()

    assert "refused" in outcomes


def test_a_file_of_a_newer_version_is_left_alone(path):
    """A journal of a later rolloutctl is refused with both versions, unchanged."""
    fill(path)
    JournalFile(path, migrations=(*MIGRATIONS, lambda _: None)).close()
    before = path.read_bytes()

    for read_only in (False, True):
        error = refusal(path, read_only=read_only)
        assert "written by a newer rolloutctl" in error.message
        assert f"version {len(MIGRATIONS) + 1}" in error.message
        assert "upgrade" in error.hint

    assert path.read_bytes() == before


def test_an_older_file_is_migrated_with_its_content(path):
    """Migrations run in order, in one transaction, and keep what is there."""
    fill(path)

    def rename(connection):
        connection.execute("ALTER TABLE rollout ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'")

    def break_off(connection):
        connection.execute("ALTER TABLE rollout ADD COLUMN half TEXT")
        connection.execute("SELECT nonsense FROM nowhere")

    with pytest.raises(JournalUnavailable):
        JournalFile(path, migrations=(*MIGRATIONS, rename, break_off))
    with pytest.raises(JournalUnavailable, match="must be brought to 2"):
        JournalFile(path, read_only=True, migrations=(*MIGRATIONS, rename))
    newer = JournalFile(path, migrations=(*MIGRATIONS, rename))

    row = newer.read(lambda c: c.execute("SELECT rollout_id, owner FROM rollout").fetchone())
    columns = newer.read(lambda c: [r[1] for r in c.execute("PRAGMA table_info(rollout)")])
    newer.close()
    assert row == ("r-1", "nobody")
    assert "half" not in columns


def test_a_full_disk_loses_nothing(path):
    """When no page is left the append fails whole, says so, and works again afterwards."""
    fill(path)
    journal = SqliteJournal(path)
    limit = journal._file._connection.execute
    pages = limit("PRAGMA page_count").fetchone()[0]
    limit(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(JournalUnavailable) as caught:
        journal.append("r-1", [ENTERED] * 500, at=EPOCH, expect_seq=4, epoch=None)

    assert "the disk is full" in caught.value.message
    assert "free space" in caught.value.hint
    assert journal.heads() == {"r-1": 4}
    assert journal.verify_chain("r-1") is None
    limit("PRAGMA max_page_count = 1000000")
    assert journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None) == 5
    journal.close()


def test_a_file_that_was_moved_away_is_noticed(path):
    """A write to a journal that nobody will find again is refused."""
    fill(path)
    journal = SqliteJournal(path)
    path.rename(path.with_name("elsewhere.db"))

    with pytest.raises(JournalUnavailable, match="moved or removed"):
        journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None)
    path.write_bytes(b"")
    with pytest.raises(JournalUnavailable, match="replaced"):
        journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None)

    journal.close()


def test_a_busy_file_is_an_error_after_its_bound(path):
    """A process that hangs in a transaction is named as the cause; nothing is thrown."""
    fill(path)
    hanging = sqlite3.connect(path, isolation_level=None)
    journal = SqliteJournal(path, busy_limit_s=0.01)
    hanging.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalUnavailable, match=r"locked by another process for 0\.01 s"):
        journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None)
    refusal(path, busy_limit_s=0.01)
    assert journal.heads() == {"r-1": 4}
    hanging.execute("ROLLBACK")

    assert journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None) == 5
    journal.close()
    hanging.close()


def test_a_closed_journal_says_so(path):
    """Use after close is an error of ours, not of SQLite."""
    journal = SqliteJournal(path)
    journal.close()

    with pytest.raises(JournalUnavailable, match="is closed"):
        journal.heads()


def test_reading_where_no_journal_is_makes_none(path):
    """A reader finds nothing, changes nothing, and is told what it may not do."""
    journal = SqliteJournal(path, read_only=True)

    assert journal.heads() == {}
    assert journal.rollouts() == []
    with pytest.raises(NotFound, match="it is empty"):
        journal.read("r-1")
    with pytest.raises(JournalUnavailable):
        journal.create("r-1", make_started(), at=EPOCH, holds=())
    journal.close()
    assert not path.parent.exists()


def test_a_reader_sees_what_a_writer_adds(path):
    """read_only follows a journal in use, and cannot write it."""
    fill(path)
    writer = SqliteJournal(path)
    reader = SqliteJournal(path, read_only=True)
    assert reader.heads() == {"r-1": 4}

    writer.append("r-1", [ENTERED], at=EPOCH, expect_seq=4, epoch=None)

    assert reader.heads() == {"r-1": 5}
    with pytest.raises(JournalUnavailable, match="no write access"):
        reader.append("r-1", [ENTERED], at=EPOCH, expect_seq=5, epoch=None)
    reader.close()
    writer.close()


def as_nobody(code, path):
    """Runs Python as a user without rights; its last line of output."""
    command = [*NOBODY, sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


READ = """
import sys; from pathlib import Path; from rolloutctl.store.sqlite import SqliteJournal
print(dict(SqliteJournal(Path(sys.argv[1]), read_only=True).heads()))
"""
WRITE = """
import sys; from pathlib import Path
from rolloutctl.errors import JournalUnavailable; from rolloutctl.store.sqlite import SqliteJournal
try: SqliteJournal(Path(sys.argv[1])); print("opened")
except JournalUnavailable as error: print(error.message, "|", error.hint)
"""


@pytest.fixture
def public(path):
    """A folder that everybody may read, though pytest's own is private."""
    path.parent.mkdir(mode=0o755)
    folder = path.parent
    while folder != folder.parent and folder != Path("/tmp"):  # noqa: S108 - stops there
        folder.chmod(folder.stat().st_mode | 0o055)
        folder = folder.parent
    return path


@pytest.mark.real
@needs_root
def test_a_closed_journal_is_readable_without_write_access(public):
    """Who may only read still sees a journal that nobody has open."""
    fill(public)
    public.chmod(0o644)

    assert as_nobody(READ, public) == "{'r-1': 4}"
    assert "no write access" in as_nobody(WRITE, public)
    assert {item.name for item in public.parent.iterdir()} == {"journal.db"}


@pytest.mark.real
@needs_root
def test_a_folder_without_access_is_told(public):
    """A folder that may not be written, or a file that may not be read, says so."""
    assert "access was refused" in as_nobody(WRITE, public)

    fill(public)

    assert "gives no access" in as_nobody(WRITE, public)


@pytest.mark.real
@needs_root
def test_a_file_made_immutable_is_told(path):
    """A file system that refuses even root is an error with a cause."""
    fill(path)
    for protected in (path, path.parent):
        done = subprocess.run(["chattr", "+i", protected], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("this file system has no immutable files")
        try:
            error = refusal(path if protected == path else path.parent / "other.db")
        finally:
            subprocess.run(["chattr", "-i", protected], check=True)
        assert "access" in error.message


FILL_UP = """
import sys; from pathlib import Path
from rolloutctl.errors import JournalUnavailable; from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.clock import EPOCH
from rolloutctl.testing.journal_contract import ENTERED, make_started
journal = SqliteJournal(Path(sys.argv[1])); head = 1
journal.create("r-1", make_started(), at=EPOCH, holds=())
try:
    while head < 100000:
        head = journal.append("r-1", [ENTERED] * 20, at=EPOCH, expect_seq=head, epoch=None)
except JournalUnavailable as error: print(error.message, file=sys.stderr)
assert journal.heads() == {"r-1": head}, (journal.heads(), head)
assert len(journal.read("r-1")) == head and head < 100000
assert journal.verify_chain("r-1") is None
journal.close()
print(SqliteJournal(Path(sys.argv[1]), read_only=True).heads() == {"r-1": head})
"""


@pytest.mark.real
@needs_root
def test_a_disk_that_fills_up_keeps_what_was_answered(tmp_path):
    """On a real full file system every append either returned and is there, or is not."""
    script = 'mount -t tmpfs -o size=600k none "$1" && exec "$2" -c "$3" "$1/journal.db"'
    command = ["unshare", "-m", "sh", "-c", script, "-", tmp_path, sys.executable, FILL_UP]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("mounting is not allowed here")

    assert done.stdout.strip() == "True", done.stderr
    assert "full" in done.stderr


def test_a_folder_that_nobody_can_make_is_not_called_moved():
    """There was nothing there, so there is nothing to put back."""
    with pytest.raises(JournalUnavailable, match="its folder cannot be made") as refused:
        SqliteJournal(Path("/proc/x/y.db"))

    assert "put it back" not in refused.value.hint
    assert "--store" in refused.value.hint


def test_a_journal_that_is_created_while_it_is_looked_at_is_no_strangers(tmp_path, monkeypatch):
    """Half seen, an empty file with tables in it would be another program's database."""
    place, ask, others = tmp_path / "journal.db", migrations._pragma, []

    def asked(connection, name):
        found = ask(connection, name)
        if name == "user_version" and not others:
            others.append(threading.Thread(target=lambda: JournalFile(place).close()))
            others[0].start()
            others[0].join(0.3)
        return found

    monkeypatch.setattr(migrations, "_pragma", asked)

    JournalFile(place).close()
    others[0].join(30)

    assert not others[0].is_alive()
    JournalFile(place, read_only=True).close()
