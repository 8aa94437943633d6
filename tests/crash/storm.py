"""kill -9 of the real command at random moments, again and again, until the rollout ends.

One `Storm` is one rollout: an attached `start --auto` that is killed and started again with
the same command, on a flag file, a SQLite journal and a /metrics page served from here. What
must hold is judged from outside: the file as every reader sees it, the journal, the
processes. `python tests/crash/storm.py KILLS SEED` counts many of them.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

from e2e.real_command import Place, served
from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core import events as ev
from rolloutctl.core.effects import Expose, Restore
from rolloutctl.errors import ExitCode
from rolloutctl.store.sqlite import SqliteJournal

ROLLOUT = "r-1"
#: (canary, shadow) in basis points, in the order of the playbook's steps.
PLAN = ((0, 1_000), (500, 0), (2_500, 0), (5_000, 0), (10_000, 0))
BEFORE = (0, 0)
#: The exposure at which the metrics turn bad, or the operator kills.
TURN_BP = 2_500
#: A dead owner's lease must be taken over long before its 15 s are over.
TAKEOVER_MAX_S = 8.0
#: Longest life of a process that is to be killed, in seconds; a start takes about 0.4.
LIFE_MAX_S = 1.2
#: A killing process lives shorter: it is done within a quarter of a second.
KILLER_LIFE_MAX_S = 0.35
#: How often the file is looked at.
LOOK_S = 0.001

STEPS = """
sources:
  app: {{kind: openmetrics, url: "{url}"}}
defaults: {{on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 100ms, warm_up: 0s}}
gates:
  errors:
    kind: threshold
    source: app
    bad: 'answers_total{{arm="canary",status="500"}}'
    total: 'answers_total{{arm="canary"}}'
    window: 1s
    fail: "> 5%"
guardrails: [errors]
steps:
  - {{shadow: 10%, hold: 500ms}}
  - {{canary: 5%, hold: 500ms, gates: [errors]}}
  - {{canary: 25%, hold: 500ms, gates: [errors]}}
  - {{canary: 50%, hold: 500ms, gates: [errors]}}
  - {{canary: 100%, hold: 500ms, gates: [errors]}}
limits: {{deadline: 10m}}
"""


class Scenario(StrEnum):
    """What happens to the rollout besides the crashes."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"  # the metrics go bad at 25 %
    KILL = "kill"  # an operator kills at 25 %, and that process is killed as well


EXIT_CODES = {Scenario.PROMOTE: 0, Scenario.ROLLBACK: 10, Scenario.KILL: 13}
FINISHES = {
    Scenario.PROMOTE: ev.FinishedAs.SUCCEEDED,
    Scenario.ROLLBACK: ev.FinishedAs.ROLLED_BACK,
    Scenario.KILL: ev.FinishedAs.KILLED,
}


class Metrics(ThreadingHTTPServer):
    """An application's /metrics: 100 answers more at every look, all bad once `is_bad`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Page)
        self.is_bad = False
        self.good = self.bad = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/metrics"

    def page(self):
        if self.is_bad:
            self.bad += 100
        else:
            self.good += 100
        head = "# TYPE answers_total counter\n"
        line = 'answers_total{{arm="canary",status="{}"}} {}\n'
        return head + line.format(200, self.good) + line.format(500, self.bad)

    def end(self):
        self.shutdown()
        self.server_close()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Says nothing."""


class Watcher(threading.Thread):
    """Reads the flag file as an application would, and remembers every change of it."""

    def __init__(self, flags):
        super().__init__(daemon=True)
        self._flags = flags
        self._over = threading.Event()
        self.seen = []  # (monotonic seconds, exposure), one for each change
        self.broken = []  # what no reader must ever meet
        self.on_turn = None  # called once, when TURN_BP is served

    def run(self):
        while not self._over.wait(LOOK_S):
            at_s = monotonic_s()
            try:
                now = served(self._flags)
            except (OSError, ValueError, KeyError) as error:
                self.broken.append(repr(error))
                continue
            if not self.seen or self.seen[-1][1] != now:
                self.seen.append((at_s, now))
            if now[0] >= TURN_BP and self.on_turn:
                turn, self.on_turn = self.on_turn, None
                turn()

    def end(self):
        self._over.set()
        self.join()


@dataclass
class Tally:
    """Figures of one rollout or of many."""

    rollouts: int = 0
    kills: int = 0
    killer_kills: int = 0
    resumes: int = 0
    takeover_max_s: float = 0.0
    ends: Counter = field(default_factory=Counter)
    struck: Counter = field(default_factory=Counter)  # the last event on disk when a kill struck
    violations: list = field(default_factory=list)

    def add(self, other):
        self.rollouts += other.rollouts
        self.kills += other.kills
        self.killer_kills += other.killer_kills
        self.resumes += other.resumes
        self.takeover_max_s = max(self.takeover_max_s, other.takeover_max_s)
        self.ends += other.ends
        self.struck += other.struck
        self.violations += other.violations


class Storm:
    """One rollout under kill -9."""

    def __init__(self, folder, scenario, *, kills, chance):
        self.scenario = scenario
        self.tally = Tally(rollouts=1)
        self._kills_left = kills
        self._is_stormy = kills > 0
        self._chance = chance
        self._metrics = Metrics()
        self.place = Place(folder)
        self.place.write_playbook(STEPS.format(url=self._metrics.url))
        self._before = self.place.flags.read_bytes()
        self._watcher = Watcher(self.place.flags)
        self._turned = threading.Event()
        self._killed_at_s = None
        self._spawned_at = []

    def run(self):
        """Drives the rollout to its end; returns the flag file's bytes."""
        self._watcher.on_turn = self._turn
        self._watcher.start()
        operator = threading.Thread(target=self._operate, daemon=True)
        operator.start()
        try:
            self._drive()
            operator.join(60)
            if operator.is_alive():
                self._violation("the kill command never ended")
        finally:
            self._turned.set()
            self._watcher.end()
            self._metrics.end()
        self._judge()
        return self.place.flags.read_bytes()

    def _turn(self):
        self._metrics.is_bad = self.scenario is Scenario.ROLLBACK
        self._turned.set()

    def _violation(self, text):
        self.tally.violations.append(f"{self.scenario} in {self.place.folder}: {text}")

    # -- the driver and who kills it ------------------------------------------

    def _drive(self):
        while True:
            self._spawned_at.append(SystemClock().now())
            run = self.place.spawn("start", self.place.playbook, "--auto", "--id", ROLLOUT)
            if self._kills_left > 0 and self._strike(run):
                continue
            code = run.end()
            self.tally.ends[f"{self.scenario} {code}"] += 1
            # A kill command drives what it has fenced: whoever starts beside it has no say.
            is_killers = self.scenario is Scenario.KILL and code == ExitCode.CONFLICT
            if is_killers and "is driven by" in run.err:
                return
            if code != EXIT_CODES[self.scenario]:
                self._violation(f"exit {code}: {run.err[-400:]}")
            return

    def _strike(self, run):
        """Kills the driver at a random moment; False if it ended before."""
        moment = self._chance.choice((self._after_a_while, self._at_a_write, self._at_a_change))
        moment(run)
        is_alive = run.process.poll() is None
        run.stop()
        if is_alive:
            self._kills_left -= 1
            self.tally.kills += 1
            self.tally.resumes += 1
        return is_alive

    def _after_a_while(self, run):
        self._wait(run, self._chance.uniform(0.0, LIFE_MAX_S), lambda: False)

    def _at_a_write(self, run):
        """When it says that it is about to write: the intent is on disk, the write is not."""
        nth = self._chance.randint(1, 2)
        self._wait(run, LIFE_MAX_S, lambda: run.out.count(": writing") >= nth)
        SystemClock().sleep(self._chance.choice((0.0, self._chance.uniform(0.0, 0.01))))

    def _at_a_change(self, run):
        """When the file has just changed: written, but not yet journalled."""
        nth = len(self._watcher.seen) + self._chance.randint(1, 2)
        self._wait(run, LIFE_MAX_S, lambda: len(self._watcher.seen) >= nth)
        SystemClock().sleep(self._chance.choice((0.0, self._chance.uniform(0.0, 0.01))))

    @staticmethod
    def _wait(run, life_s, has_come):
        ends_s = monotonic_s() + life_s
        while monotonic_s() < ends_s and run.process.poll() is None and not has_come():
            SystemClock().sleep(LOOK_S)

    # -- the operator of the kill scenario ------------------------------------

    def _operate(self):
        self._turned.wait()
        if self.scenario is not Scenario.KILL or self._watcher.broken:
            return
        chance = random.Random(self._chance.random())  # noqa: S311 - a schedule, not a secret
        for _ in range(chance.randint(0, 3) if self._is_stormy else 0):
            run = self.place.spawn("kill", ROLLOUT, "--reason", "storm")
            self._wait(run, chance.uniform(0.0, KILLER_LIFE_MAX_S), lambda: False)
            self.tally.killer_kills += run.process.poll() is None
            run.stop()
        run = self.place.spawn("kill", ROLLOUT, "--reason", "storm")
        code = run.end()
        self._killed_at_s = monotonic_s()
        self.tally.ends[f"kill command {code}"] += 1
        if code != 0:
            self._violation(f"kill: exit {code}: {run.err[-400:]}")

    # -- what must hold --------------------------------------------------------

    def _judge(self):
        journal = SqliteJournal(self.place.journal, read_only=True)
        records = journal.read(ROLLOUT)
        if broken := journal.verify_chain(ROLLOUT):
            self._violation(f"the chain is broken: {broken}")
        if any(row.is_open for row in journal.rollouts()):
            self._violation("the rollout is still open")
        journal.close()
        self._judge_file()
        self._judge_journal(records)
        self._judge_takeovers(records)
        if self.scenario is not Scenario.PROMOTE and self.place.served() != BEFORE:
            self._violation(f"serves {self.place.served()} at the end")
        if self.scenario is Scenario.ROLLBACK and self.place.flags.read_bytes() != self._before:
            self._violation("not restored to the byte")
        if left := self.place.left_behind():
            self._violation(f"processes left behind: {left}")

    def _judge_file(self):
        for text in self._watcher.broken:
            self._violation(f"a reader met a broken file: {text}")
        order = (BEFORE, *PLAN, *(() if self.scenario is Scenario.PROMOTE else (BEFORE,)))
        exposures = [exposure for _, exposure in self._watcher.seen]
        # Each change goes on in the plan: never back to an earlier step, except to the start.
        place = 0
        for exposure in exposures:
            while place < len(order) and order[place] != exposure:
                place += 1
        if place == len(order):
            self._violation(f"the file served {exposures}, the plan is {order}")
        late = [
            exposure
            for at_s, exposure in self._watcher.seen
            if self._killed_at_s and at_s > self._killed_at_s and exposure != BEFORE
        ]
        if late:
            self._violation(f"served {late} after the kill was confirmed")

    def _judge_journal(self, records):
        wanted, applied, fenced = {}, [], False
        for record in records:
            match record.event:
                case ev.KillRequested():
                    fenced = True
                case ev.Intended(key=key, effect=Expose() | Restore() as effect):
                    wanted[key] = effect
                    if fenced:
                        self._violation(f"{key} was intended after the kill")
                case ev.Applied(key=key) if isinstance(wanted.get(key), Expose):
                    exposure = wanted[key].exposure
                    applied.append((exposure.canary_bp, exposure.shadow_bp))
        if tuple(applied) != PLAN[: len(applied)]:
            self._violation(f"applied {applied}, the plan is {PLAN}")
        if self.scenario is Scenario.PROMOTE and len(applied) != len(PLAN):
            self._violation(f"only {len(applied)} of {len(PLAN)} steps were applied")
        finished = [r.event for r in records if isinstance(r.event, ev.Finished)]
        if [one.finished_as for one in finished] != [FINISHES[self.scenario]]:
            self._violation(f"finished {finished}")

    def _judge_takeovers(self, records):
        """Each process that took the lease had it soon after it was started."""
        for last, record in pairwise(records):
            if not isinstance(record.event, ev.LeaseTaken):
                continue
            self.tally.struck[type(last.event).__name__] += last.seq > 1
            began = max((at for at in self._spawned_at if at <= record.at), default=record.at)
            took_s = (record.at - began).total_seconds()
            self.tally.takeover_max_s = max(self.tally.takeover_max_s, took_s)
            if took_s > TAKEOVER_MAX_S:
                self._violation(f"the lease of a dead process was waited for {took_s:.1f} s")


def final_bytes(folder, scenario):
    """What the flag file is after the same rollout without a crash; asserts that it is clean."""
    calm = Storm(folder, scenario, kills=0, chance=random.Random(0))  # noqa: S311 - a schedule, not a secret
    data = calm.run()
    assert calm.tally.violations == []
    return data


def storms(root, scenarios, *, kills, chance):
    """Storm after storm, the scenarios in turn, until so many kills struck; yields each tally."""
    calm, struck, number = {}, 0, 0
    while struck < kills:
        scenario = scenarios[number % len(scenarios)]
        if scenario not in calm:
            folder = root / f"calm-{scenario}"
            folder.mkdir()
            calm[scenario] = final_bytes(folder, scenario)
        folder = root / f"storm-{number:04}"
        folder.mkdir()
        storm = Storm(folder, scenario, kills=chance.randint(3, 10), chance=chance)
        if storm.run() != calm[scenario]:
            storm.tally.violations.append(f"{scenario} in {folder}: another file than uncrashed")
        if not storm.tally.violations:
            shutil.rmtree(folder)
        struck += storm.tally.kills
        number += 1
        yield storm.tally


def main(kills, seed):
    """Storms until so many kills struck; prints the figures; 1 if anything was violated."""
    chance = random.Random(seed)  # noqa: S311 - as above
    total = Tally()
    root = Path(tempfile.mkdtemp(prefix="kill-storm-"))
    began_s = monotonic_s()
    for tally in storms(root, list(Scenario), kills=kills, chance=chance):
        total.add(tally)
        sys.stderr.write(f"\r{total.kills} kills, {len(total.violations)} violations ")
    sys.stdout.write(
        f"\nseed {seed}: {total.kills} kills of the driver, {total.killer_kills} of a killing "
        f"process, {total.resumes} resumes, {total.rollouts} rollouts, "
        f"{monotonic_s() - began_s:.0f} s\n"
        f"ends: {dict(sorted(total.ends.items()))}\n"
        f"last event on disk when a kill struck: {dict(total.struck.most_common())}\n"
        f"longest from a start to its lease: {total.takeover_max_s:.2f} s\n"
        f"violations: {len(total.violations)}\n"
    )
    for violation in total.violations:
        sys.stdout.write(f"  {violation}\n")
    if not total.violations:
        shutil.rmtree(root)
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
