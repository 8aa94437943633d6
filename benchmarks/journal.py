"""What the journal costs, as ratios against a bare sqlite3 insert loop of the same run.

    python benchmarks/journal.py [--commits 2000] [--folder DIR]

Both sides commit one event at a time with WAL and synchronous=FULL, so that the disk is
the same for both; absolute numbers are this machine's and only the ratios travel.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rolloutctl.clock import monotonic_s
from rolloutctl.core.events import Actor, Event, GateJudged, GateRecord, Started
from rolloutctl.core.measurement import DataState, Measurement, Query, QueryKind, Reading, Sample
from rolloutctl.core.verdict import Outcome, Verdict
from rolloutctl.store.codec import event_from_text, event_to_text
from rolloutctl.store.sqlite import SqliteJournal

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_WRITERS = 4
#: Events of a simulated day: a verdict or decision changes about this often.
_DAY_EVENTS = 2_000
_STARTED = Started(
    name="bench", document="{}", sha256="", restore_points=(), actor=Actor(name="bench")
)


def make_event() -> Event:
    """A judged gate with two readings: the most frequent event and not the smallest."""
    query = Query(kind=QueryKind.COUNTERS, text='requests_total{model="canary",code=~"5.."}')
    samples = (Sample(labels=(("code", "500"), ("model", "canary")), value=17.0),)
    reading = Reading(
        query=query, measurement=Measurement(at=_AT, state=DataState.OK, samples=samples)
    )
    verdict = Verdict(
        outcome=Outcome.PASS,
        because="error rate 0.0017 <= 0.01 over 10000 requests",
        numbers=(("observed", 0.0017), ("limit", 0.01)),
    )
    record = GateRecord(
        verdict=verdict, measured=verdict, evidence={"bad": 17.0, "total": 10000.0}, judged_at=_AT
    )
    return GateJudged(gate="error-rate", step=1, record=record, readings=(reading, reading))


def write_bare(path: Path, commits: int) -> None:
    """The yardstick: the same text into a two-column table."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, body TEXT)")
    text = event_to_text(make_event())
    for _ in range(commits):
        connection.execute("INSERT INTO event (body) VALUES (?)", (text,))
    connection.close()


def write_journal(path: Path, commits: int, *, rollout_id: str) -> None:
    """The same events as a driver appends them."""
    journal = SqliteJournal(path, busy_limit_s=60.0)
    journal.create(rollout_id, _STARTED, at=_AT, holds=())
    event, head = make_event(), 1
    for _ in range(commits):
        head = journal.append(rollout_id, [event], at=_AT, expect_seq=head, epoch=None)
    journal.close()


def run_writers(kind: str, path: Path, *, writers: int, commits: int) -> float:
    """Seconds that `writers` processes need for `commits` each, start-up excluded by size."""
    begin = monotonic_s()
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--as", kind, str(path), str(number), str(commits)]
        )
        for number in range(writers)
    ]
    if any(process.wait() for process in processes):
        raise SystemExit(f"a {kind} writer failed")
    return monotonic_s() - begin


def commits_per_s(kind: str, folder: Path, *, writers: int, commits: int) -> float:
    """Rate of commits, the time of processes that commit nothing taken off."""
    path = folder / f"{kind}-{writers}.db"
    idle_s = run_writers(kind, folder / f"{kind}-{writers}-idle.db", writers=writers, commits=0)
    busy_s = run_writers(kind, path, writers=writers, commits=commits)
    return writers * commits / max(busy_s - idle_s, 1e-9)


def report(folder: Path, commits: int) -> None:
    """Prints the table."""
    for writers in (1, _WRITERS):
        bare = commits_per_s("bare", folder, writers=writers, commits=commits)
        ours = commits_per_s("journal", folder, writers=writers, commits=commits)
        print(f"{writers} writer(s): bare {bare:7.0f}/s  journal {ours:7.0f}/s  {ours / bare:.2f}x")
    text_bytes = len(event_to_text(make_event()))
    on_disk = (folder / "journal-1.db").stat().st_size / commits
    bare_bytes = (folder / "bare-1.db").stat().st_size / commits
    print(
        f"bytes an event: text {text_bytes}, file {on_disk:.0f}, {on_disk / bare_bytes:.2f}x bare"
    )
    event, begin = make_event(), monotonic_s()
    texts = [event_to_text(event) for _ in range(_DAY_EVENTS)]
    middle = monotonic_s()
    for text in texts:
        event_from_text(text)
    end = monotonic_s()
    print(
        f"codec, {_DAY_EVENTS} judged gates: "
        f"encode {1000 * (middle - begin):.0f} ms, decode {1000 * (end - middle):.0f} ms"
    )


def main() -> None:
    """Runs the whole comparison, or one writer of it (`--as`, used by itself)."""
    if sys.argv[1:2] == ["--as"]:
        kind, path, number, commits = sys.argv[2:6]
        if kind == "bare":
            write_bare(Path(path), int(commits))
        else:
            write_journal(Path(path), int(commits), rollout_id=f"r-{number}")
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, help="where to write; the disk that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report(Path(folder), options.commits)


if __name__ == "__main__":
    main()
