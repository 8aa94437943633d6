"""Several processes on one journal: nobody loses an event, nobody passes the fence."""

import subprocess
import sys
from pathlib import Path

import pytest

from rolloutctl.core.events import Intended, KillRequested
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.clock import EPOCH
from rolloutctl.testing.journal_contract import make_started

pytestmark = pytest.mark.crash
WORKER = Path(__file__).parent / "journal_worker.py"
PATIENCE_S = 120


@pytest.fixture
def path(tmp_path):
    """A journal with the empty rollout r-1."""
    place = tmp_path / "journal.db"
    journal = SqliteJournal(place)
    journal.create("r-1", make_started(), at=EPOCH, holds=())
    journal.close()
    return place


def start(path, *arguments):
    """A process of its own that works on the journal."""
    command = [sys.executable, str(WORKER), str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """The numbers a worker printed; it must have ended well and without a word of error."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    return [int(word) for word in out.split() if word.isdigit()]


def test_processes_never_share_a_seq(path):
    """Four processes append upon the same head; each event has one place, none is lost."""
    workers = [start(path, "append", "50") for _ in range(4)]

    seqs = [seq for worker in workers for seq in finish(worker)]

    journal = SqliteJournal(path)
    assert sorted(seqs) == list(range(2, 202))
    assert [r.seq for r in journal.read("r-1")] == list(range(1, 202))
    assert journal.verify_chain("r-1") is None
    journal.close()


@pytest.mark.parametrize("run", range(5))
def test_no_intent_follows_a_fence(path, run):
    """However hard two drivers write, the fence gets in and ends their intents.

    How soon depends on the machine; a kill waits a second for it and then goes on without.
    """
    journal = SqliteJournal(path)
    journal.acquire_lease("r-1", f"runner-{run}", now=EPOCH, ttl_s=60.0)
    drivers = [start(path, "intend", name) for name in ("flag", "route")]
    for driver in drivers:
        assert driver.stdout.readline() == "ready\n"

    (fenced_at,) = finish(start(path, "fence"))
    for driver in drivers:
        finish(driver)

    events = journal.read("r-1")
    assert isinstance(events[fenced_at - 1].event, KillRequested)
    assert not [r for r in events[fenced_at:] if isinstance(r.event, Intended)]
    assert journal.verify_chain("r-1") is None
    journal.close()


@pytest.mark.parametrize("run", range(5))
def test_a_killed_writer_leaves_whole_appends(path, run):
    """After kill -9 every answered append is there, whole, and the chain holds."""
    writer = start(path, "forever")
    answered = [int(writer.stdout.readline()) for _ in range(20 + 17 * run)]

    writer.kill()
    answered += [int(line) for line in writer.stdout.read().splitlines(keepends=True)
                 if line.endswith("\n")]  # fmt: skip
    writer.communicate(timeout=PATIENCE_S)

    journal = SqliteJournal(path)
    head = journal.heads()["r-1"]
    assert head >= answered[-1]
    assert (head - 1) % 3 == 0
    assert len(journal.read("r-1")) == head
    assert journal.verify_chain("r-1") is None
    journal.close()


def test_many_processes_may_open_a_journal_that_is_not_there_yet(tmp_path):
    """Of eight processes that create the file at once all end up in the same one."""
    place = tmp_path / "new" / "journal.db"
    code = (
        "import sys; from pathlib import Path\n"
        "from rolloutctl.store.sqlite import SqliteJournal\n"
        "from rolloutctl.testing.clock import EPOCH\n"
        "from rolloutctl.testing.journal_contract import make_started\n"
        "j = SqliteJournal(Path(sys.argv[1]))\n"
        "j.create(sys.argv[2], make_started(), at=EPOCH, holds=())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(place), f"r-{n}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(8)
    ]

    for process in processes:
        finish(process)

    journal = SqliteJournal(place, read_only=True)
    assert set(journal.heads()) == {f"r-{n}" for n in range(8)}
    journal.close()
