"""The replacement of a flag file: what of the file stays, and what failure leaves."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from providers.flagd_files import FILE, fractional, set_flag, target_in
from rolloutctl.clock import Deadline
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.providers.flagd_file import FlagdFile, writing
from rolloutctl.providers.flagd_file.writing import mapped, read_file, replace

PROVIDER = FlagdFile()
IS_ROOT = os.geteuid() == 0
NOBODY = 65_534
TESTS = str(Path(__file__).resolve().parents[1])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(FILE.encode())
    return path


def apply(path, bp=500, timeout_s=1.0):
    return PROVIDER.apply(target_in(path), split(bp), key="k", expect=None, timeout_s=timeout_s)


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def open_way_to(path):
    """Lets everybody enter the folders that pytest made for itself alone."""
    for folder in path.parents:
        if folder == Path(tempfile.gettempdir()) or folder == folder.parent:
            break
        folder.chmod(folder.stat().st_mode | 0o055)


def as_nobody(code, *arguments):
    """Runs Python code as a user who owns nothing here."""
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def run(code, *arguments):
        command = [*prefix, sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    if not shutil.which("setpriv") or run("import rolloutctl").returncode:
        pytest.skip("the user nobody cannot run this virtual environment")
    found = run(code, *arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


needs_root = pytest.mark.skipif(not IS_ROOT, reason="changes owners")


def test_mode_and_extended_attributes_stay(path):
    """Whoever could read the file still can."""
    path.chmod(0o640)
    try:
        os.setxattr(path, "user.origin", b"git")
    except OSError as error:
        pytest.skip(f"no user attributes here: {error}")

    apply(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.getxattr(path, "user.origin") == b"git"


@needs_root
def test_owner_and_group_stay_when_root_writes(path):
    """A service account keeps its file."""
    os.chown(path, NOBODY, NOBODY)

    apply(path)

    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_a_symlink_stays_one_and_its_file_is_replaced(path, tmp_path):
    """Also through a chain, into another folder."""
    other = tmp_path / "etc"
    other.mkdir()
    (other / "current.json").symlink_to("../flags.json")
    link = other / "link.json"
    link.symlink_to("current.json")

    apply(link)

    assert link.is_symlink()
    assert (other / "current.json").is_symlink()
    assert '"claude", 500' in path.read_text()
    assert names(link) == ["current.json", "link.json"]


def test_the_mtime_only_moves_forward(path):
    """Readers reload on a later mtime only, even if the file is dated in the future."""
    future_ns = path.stat().st_mtime_ns + 10**15
    os.utime(path, ns=(future_ns, future_ns))

    apply(path)

    assert path.stat().st_mtime_ns > future_ns
    assert path.stat().st_mtime > future_ns / 1e9


def test_nothing_is_left_in_the_folder(path):
    """Neither a lock file nor a temporary one, and orphans of a crash are cleared."""
    orphan = path.parent / f"{writing._prefix(path)}w-crashed.tmp"
    orphan.write_text("half")

    apply(path)
    PROVIDER.kill(target_in(path), timeout_s=1.0)

    assert names(path) == ["flags.json"]


def test_a_write_whose_time_is_over_does_not_land(path):
    """Rule 3: an intent not sent by its deadline is never sent."""
    with pytest.raises(Unavailable, match="time for this write is over") as caught:
        apply(path, timeout_s=0.0)

    assert not caught.value.may_have_landed
    assert path.read_text() == FILE
    assert names(path) == ["flags.json"]


def test_an_edit_between_read_and_rename_is_not_overwritten(path):
    """Editors do not take our lock, so the file is looked at right before the rename."""
    state = read_file(path)
    set_flag(path, defaultVariant="claude")
    edited = path.read_bytes()

    with pytest.raises(writing.Moved):
        replace(state, b"{}", deadline=Deadline(1.0), holds_lock=True)

    assert path.read_bytes() == edited
    assert names(path) == ["flags.json"]


def test_a_kill_takes_back_the_write_of_a_stalled_holder_of_the_lock(path):
    """The holder's temporary file is gone when it wakes up, so its rename fails."""
    stalled = path.parent / f"{writing._prefix(path)}w-stalled.tmp"
    stalled.write_text(FILE)
    before = path.stat().st_mtime_ns

    with writing.folder_lock(path, wait_s=1.0) as holds_lock:
        receipt = PROVIDER.kill(target_in(path), timeout_s=0.2)

    assert holds_lock
    assert receipt.unsettled_s == PROVIDER.capabilities.write_timeout_s
    assert not stalled.exists()
    assert path.stat().st_mtime_ns > before
    assert PROVIDER.observe(target_in(path)).exposure == ZERO


def test_a_write_that_lands_right_after_a_kill_without_the_lock_is_killed_too(path, monkeypatch):
    """The holder was between its check and its rename; the kill looks, and starts over."""
    killed = path.parent / "stalled"
    killed.write_text(FILE.replace('"defaultVariant": "gpt-4"', '"defaultVariant": "claude"'))
    sweep = writing._sweep

    def late_writer(folder, prefix):
        if killed.exists():
            killed.rename(path)
        sweep(folder, prefix)

    monkeypatch.setattr(writing, "_sweep", late_writer)

    with writing.folder_lock(path, wait_s=1.0):
        PROVIDER.kill(target_in(path), timeout_s=0.2)

    assert not killed.exists()
    assert PROVIDER.observe(target_in(path)).exposure == ZERO


def test_a_file_that_is_replaced_for_ever_does_not_hang_a_kill(path, monkeypatch):
    """It gives up after its tries, and names what to stop."""
    monkeypatch.setattr(writing.FileState, "is_current", lambda _state: False)

    with pytest.raises(Unavailable, match="kept being replaced by somebody else"):
        PROVIDER.kill(target_in(path), timeout_s=1.0)

    assert names(path) == ["flags.json"]


def test_a_kill_goes_on_where_the_file_system_has_no_locks(path, monkeypatch):
    """An apply is rejected there: nobody could keep a second writer out."""

    def no_locks(_fd, _operation):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(writing.fcntl, "flock", no_locks)

    receipt = PROVIDER.kill(target_in(path), timeout_s=1.0)

    assert receipt.unsettled_s > 0
    with pytest.raises(Rejected, match="does not support locks"):
        apply(path)


def test_a_held_lock_delays_an_apply_no_longer_than_its_timeout(path):
    """It certainly did not land, and says so."""
    with (
        writing.folder_lock(path, wait_s=1.0),
        pytest.raises(Unavailable, match=r"held the lock .* for 0\.05 s") as caught,
    ):
        apply(path, timeout_s=0.05)

    assert not caught.value.may_have_landed
    assert path.read_text() == FILE


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_rejected_at_once(path, make):
    """Opening a FIFO without a writer would hang a kill for ever."""
    path.unlink()
    make(path)

    with pytest.raises(Rejected):
        PROVIDER.kill(target_in(path), timeout_s=1.0)


def test_a_loop_of_symlinks_and_a_file_as_folder_are_told(path):
    """As what they are, not as a bug."""
    loop = path.parent / "loop.json"
    loop.symlink_to("loop.json")

    with pytest.raises(Rejected):
        PROVIDER.observe(target_in(loop))
    with pytest.raises(NotFound):
        PROVIDER.observe(target_in(path / "flags.json"))


def test_a_file_beyond_the_limit_is_rejected(path, monkeypatch):
    """Nobody's flags are that large."""
    monkeypatch.setattr(writing, "FILE_MAX_BYTES", 100)

    with pytest.raises(Rejected, match="larger than 100 bytes"):
        PROVIDER.observe(target_in(path))


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EACCES, Unauthorized),
        (errno.EPERM, Unauthorized),
        (errno.ENOENT, NotFound),
        (errno.EROFS, Rejected),
        (errno.EBUSY, Rejected),
        (errno.ENOSPC, Unavailable),
        (errno.EDQUOT, Unavailable),
        (errno.EIO, Unavailable),
        (errno.ESTALE, Unavailable),
    ],
)
def test_errors_of_the_system_are_mapped(path, number, error):
    """By what the caller can do about them; nothing landed in any of them."""
    found = mapped(OSError(number, os.strerror(number)), path, "replace")

    assert isinstance(found, error)
    assert str(path) in found.message
    assert found.hint
    assert not getattr(found, "may_have_landed", False)


@needs_root
def test_a_read_only_place_is_unauthorized_with_the_owner_named(path):
    """Who to ask; the file stays, nothing is left."""
    open_way_to(path)
    path.parent.chmod(0o755)
    said = as_nobody(
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from providers.flagd_files import target_in\n"
        "from rolloutctl.core.exposure import split\n"
        "from rolloutctl.errors import Unauthorized\n"
        "from rolloutctl.providers.flagd_file import FlagdFile\n"
        "target, provider = target_in(Path(sys.argv[1])), FlagdFile()\n"
        "print([f.message for f in provider.probe(target) if f.severity == 'refuse'])\n"
        "for call in (lambda: provider.kill(target, timeout_s=1), lambda: provider.apply(\n"
        "        target, split(5), key='k', expect=None, timeout_s=1)):\n"
        "    try: call()\n"
        "    except Unauthorized as error: print(error, error.hint)\n",
        path,
        TESTS,
    )

    assert said.count("root, mode 0755") == 3
    assert path.read_text() == FILE
    assert names(path) == ["flags.json"]


@needs_root
@pytest.mark.parametrize(("mode", "outcome"), [(0o644, "killed"), (0o640, "Unauthorized")])
def test_a_kill_that_cannot_keep_the_owner_goes_on_where_everybody_may_read(path, mode, outcome):
    """Else readers would keep the canary while we report zero."""
    set_flag(path, targeting=fractional(["gpt-4", 1], ["claude", 1]))
    os.chown(path, 0, NOBODY)
    path.chmod(mode)
    open_way_to(path)
    path.parent.chmod(0o777)
    said = as_nobody(
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from providers.flagd_files import target_in\n"
        "from rolloutctl.errors import RolloutctlError\n"
        "from rolloutctl.providers.flagd_file import FlagdFile\n"
        "try: FlagdFile().kill(target_in(Path(sys.argv[1])), timeout_s=1); print('killed')\n"
        "except RolloutctlError as error: print(type(error).__name__)\n",
        path,
        TESTS,
    )

    assert said.strip() == outcome
    is_zero = PROVIDER.observe(target_in(path)).exposure == ZERO
    assert is_zero == (outcome == "killed")


@pytest.mark.real
@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (
            "mount -t tmpfs -o size=64k none $D && cp $F $D/flags.json;cat /dev/zero > $D/fill",
            "Unavailable",
        ),
        ("mount -t tmpfs none $D && cp $F $D/flags.json && mount -o remount,ro $D", "Rejected"),
        ("touch $D/flags.json && mount --bind $F $D/flags.json", "Rejected"),
    ],
    ids=["full disk", "read-only", "bind-mounted file"],
)
def test_a_disk_that_does_not_take_the_write_leaves_the_file(path, tmp_path, setup, expected):
    """Full, read-only, or a mount point: mapped, untouched, nothing left behind."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from providers.flagd_files import target_in\n"
        "from rolloutctl.errors import RolloutctlError\n"
        "from rolloutctl.providers.flagd_file import FlagdFile\n"
        "path = Path(sys.argv[1]); before = path.read_bytes()\n"
        "try: FlagdFile().kill(target_in(path), timeout_s=1); print('landed')\n"
        "except RolloutctlError as error: print(type(error).__name__)\n"
        "assert path.read_bytes() == before\n"
        "assert not list(path.parent.glob('.rolloutctl*'))\n"
    )
    shell = f'{setup} 2>/dev/null; exec "$P" -c "$C" $D/flags.json "$T"'
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell],
        env={
            "D": str(folder),
            "F": str(path),
            "P": sys.executable,
            "C": code,
            "T": TESTS,
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.stdout.strip() == expected, found.stderr
