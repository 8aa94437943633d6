"""One process of a race on a journal; started by test_journal_processes."""

import sys
from datetime import timedelta
from pathlib import Path

from rolloutctl.core.effects import Expose
from rolloutctl.core.events import Actor, ApplyFailed, Intended, KillRequested, Why
from rolloutctl.core.exposure import split
from rolloutctl.errors import Stale
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing.clock import EPOCH
from rolloutctl.testing.journal_contract import ENTERED


def say(word):
    """One line for the parent, at once: what was said before a kill counts."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def append_optimistically(journal, count):
    """Appends `count` events upon whatever head it finds; prints its seqs."""
    for _ in range(count):
        while True:
            head = journal.heads()["r-1"]
            try:
                say(journal.append("r-1", [ENTERED], at=EPOCH, expect_seq=head, epoch=None))
            except Stale:
                continue
            break


def intend_until_fenced(journal, name):
    """Intends and closes as fast as it can until an intent is refused by the fence."""
    say("ready")
    made = 0
    while True:
        key = f"{name}-{made}"
        intent = Intended(
            key=key,
            effect=Expose(target=name, exposure=split(500)),
            before=None,
            deadline=EPOCH + timedelta(seconds=1),
            epoch=1,
        )
        closed = ApplyFailed(key=key, target=name, why=Why.NOT_LANDED, message="")
        for event in (intent, closed):
            while True:
                head = journal.heads()["r-1"]
                try:
                    journal.append("r-1", [event], at=EPOCH, expect_seq=head, epoch=1)
                except Stale as error:
                    if "killed" in error.message:
                        say(made)
                        return
                    continue
                break
        made += 1


def fence(journal):
    """The kill switch: appends KillRequested upon whatever head it finds."""
    while True:
        head = journal.heads()["r-1"]
        try:
            kill = KillRequested(actor=Actor(name="operator"))
            say(journal.append("r-1", [kill], at=EPOCH, expect_seq=head, epoch=None))
        except Stale:
            continue
        return


def write_forever(journal):
    """Appends batches of three and says each head once it is durable."""
    head = journal.heads()["r-1"]
    while True:
        head = journal.append("r-1", [ENTERED] * 3, at=EPOCH, expect_seq=head, epoch=None)
        say(head)


def main():
    """journal_worker.py PATH ROLE [ARGUMENT]."""
    path, role, *rest = sys.argv[1:]
    journal = SqliteJournal(Path(path), busy_limit_s=30.0)
    match role:
        case "append":
            append_optimistically(journal, int(rest[0]))
        case "intend":
            intend_until_fenced(journal, rest[0])
        case "fence":
            fence(journal)
        case "forever":
            write_forever(journal)
    journal.close()


main()
