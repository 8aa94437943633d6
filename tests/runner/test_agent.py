"""One agent drives many rollouts: each once, none disturbed by another, none forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import split
from rolloutctl.core.machine import fold
from rolloutctl.core.state import Phase
from rolloutctl.errors import LeaseHeld, NotFound
from rolloutctl.runner import agent as agents
from rolloutctl.runner import requests
from rolloutctl.runner import start as starting
from rolloutctl.runner.adapters import Adapters
from rolloutctl.runner.agent import AgentPorts, Happened, run_agent
from rolloutctl.runner.one_pass import tick_once
from rolloutctl.runner.owner import make_owner, owner_is_dead, take_over
from rolloutctl.runner.rollout import LEASE_TTL_S, Rollout
from rolloutctl.runner.turn import lease_ttl_s
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.store.sqlite import SqliteJournal
from rolloutctl.testing import (
    FakeClock,
    FakeFlag,
    FakeProvider,
    FakeSource,
    FakeWorld,
    MemoryJournal,
)
from worlds.rollouts import ACTOR, KINDS, playbook, step


class Fleet:
    """Rollouts with a flag each, on one journal, and agents in this process."""

    def __init__(self, count, *, journal=None, clock=None, book=None):
        self.clock = clock or FakeClock()
        self.journal = journal or MemoryJournal()
        self.source = FakeSource(answers={"success": lambda _: 0.99, "floor": lambda _: 0.99})
        self.said = []
        self.broken = set()
        self.opened = []
        self.notifiers = {}
        self.books, self.worlds = {}, {}
        for number in range(count):
            self.add(f"r-{number}", book or playbook())

    def add(self, rollout_id, book):
        one = book.targets["llm"]
        spec = replace(one.spec, flag=rollout_id)
        self.books[rollout_id] = replace(
            book, sha256=rollout_id, targets={"llm": replace(one, spec=spec)}
        )
        world = FakeWorld(clock=self.clock, flags={rollout_id: FakeFlag()})
        world.flags["shadow-llm"] = FakeFlag()
        self.worlds[rollout_id] = world
        starting.start(
            self.books[rollout_id],
            self.adapters(rollout_id),
            self.journal,
            clock=self.clock,
            rollout_id=rollout_id,
            actor=ACTOR,
        )

    def adapters(self, rollout_id):
        provider = FakeProvider(self.worlds[rollout_id])
        return Adapters(
            kinds=KINDS,
            providers={"llm": provider},
            sources={"fake": self.source},
            notifiers=self.notifiers,
        )

    def open(self, row):
        self.opened.append(row.rollout_id)
        if row.rollout_id in self.broken:
            raise RuntimeError(f"a bug in {row.rollout_id}")
        return Rollout.open(
            row.rollout_id,
            playbook=self.books[row.rollout_id],
            adapters=self.adapters(row.rollout_id),
            journal=self.journal,
            clock=self.clock,
        )

    def ports(self, owner="agent-1", *, workers=0, **more):
        return AgentPorts(
            open_rollout=self.open,
            journal=self.journal,
            clock=self.clock,
            owner=owner,
            workers=workers,
            on_event=self.said.append,
            **more,
        )

    def run(self, seconds, *, owner="agent-1", poll_s=5.0):
        """An agent in this thread, for some fake time."""
        until = self.clock.now() + timedelta(seconds=seconds)
        run_agent(self.ports(owner), stop=lambda: self.clock.now() >= until, poll_s=poll_s)

    def state(self, rollout_id):
        return fold(rollout_id, self.journal.read(rollout_id))

    def phases(self):
        return {name: self.state(name).phase for name in self.books}

    def happened(self, rollout_id):
        return [event.happened for event in self.said if event.rollout_id == rollout_id]

    def owners(self, rollout_id):
        records = self.journal.read(rollout_id)
        return [r.event.owner for r in records if isinstance(r.event, ev.LeaseTaken)]


def test_every_open_rollout_is_driven_to_its_end():
    """Twenty rollouts, one agent, one thread."""
    fleet = Fleet(20)

    fleet.run(1000)

    assert set(fleet.phases().values()) == {Phase.SUCCEEDED}
    assert fleet.happened("r-7") == [Happened.TAKEN, Happened.RESTED]
    assert all(w.flags[name].exposure == split(10000) for name, w in fleet.worlds.items())


def test_a_rollout_is_opened_once_and_nothing_is_read_in_full_again():
    """While nothing moves, no journal is read from its beginning."""
    fleet = Fleet(5)
    reads = []
    read = fleet.journal.read

    def counted(rollout_id, *, after_seq=0):
        reads.append(after_seq)
        return read(rollout_id, after_seq=after_seq)

    fleet.journal.read = counted
    fleet.run(1000)

    assert sorted(fleet.opened) == [f"r-{n}" for n in range(5)]
    assert reads.count(0) == 5


def test_one_rollout_that_cannot_be_opened_disturbs_nobody():
    """It is reported, left alone for longer each time, and the others arrive."""
    fleet = Fleet(4)
    fleet.broken.add("r-2")

    fleet.run(1000)

    failed = [event for event in fleet.said if event.happened is Happened.FAILED]
    assert {event.rollout_id for event in failed} == {"r-2"}
    assert "a bug in r-2; tried again in 5 s" in failed[0].because
    assert "tried again in 60 s" in failed[-1].because
    assert len(failed) < 25
    assert [p for name, p in fleet.phases().items() if name != "r-2"] == [Phase.SUCCEEDED] * 3


def test_a_rollout_whose_tick_raises_is_let_go_and_goes_on_once_it_can():
    """The lease is free while it fails; nothing is lost when the bug is gone."""
    fleet = Fleet(2)
    broken = replace(
        fleet.books["r-0"],
        gates={
            name: replace(gate, source="other") for name, gate in fleet.books["r-0"].gates.items()
        },
    )
    fine, fleet.books["r-0"] = fleet.books["r-0"], broken

    fleet.run(200)
    lease = next(row.lease for row in fleet.journal.rollouts() if row.rollout_id == "r-0")
    fleet.books["r-0"] = fine
    fleet.run(1000)

    assert Happened.FAILED in fleet.happened("r-0")
    assert lease is None
    assert set(fleet.phases().values()) == {Phase.SUCCEEDED}


def test_a_rollout_that_was_just_started_is_left_to_its_starter():
    """The process that started it takes the lease in the same moment."""
    fleet = Fleet(1)

    fleet.run(agents.FRESH_S - 1, poll_s=0.5)
    early = list(fleet.opened)
    fleet.run(5, poll_s=0.5)

    assert early == []
    assert fleet.opened == ["r-0"]


def test_an_operators_request_is_handled_within_one_poll():
    """A pause is acted on at the next look, long before anything was due."""
    fleet = Fleet(1)
    fleet.run(30)
    handled = []

    def ask(now):
        state = fleet.state("r-0")
        if state.phase is Phase.RUNNING and not handled:
            requests.request(
                fleet.journal, fleet.clock, "r-0", lambda s: requests.rollback(s, ACTOR)
            )
            handled.append(now)
        elif handled and state.targets["llm"].restored_at and len(handled) == 1:
            handled.append(now)

    fleet.clock.hooks.append(ask)
    fleet.run(60, poll_s=0.25)

    assert (handled[1] - handled[0]).total_seconds() <= 0.5


def test_a_rollout_that_was_killed_elsewhere_is_let_go():
    """A journal that is closed by another process ends the driving."""
    fleet = Fleet(1)
    done = []

    def kill(_now):
        if fleet.state("r-0").phase is Phase.RUNNING and fleet.state("r-0").step and not done:
            done.append(True)
            state = requests.request(
                fleet.journal, fleet.clock, "r-0", lambda s: requests.kill(s, ACTOR)
            )
            fleet.journal.append(
                "r-0",
                [ev.Finished(finished_as=ev.FinishedAs.KILLED, because="killed")],
                at=fleet.clock.now(),
                expect_seq=state.seq,
                epoch=None,
            )

    fleet.clock.hooks.append(kill)
    fleet.run(60)

    assert fleet.phases() == {"r-0": Phase.KILLED}
    assert fleet.happened("r-0")[-1] is Happened.RESTED


def test_a_held_rollout_is_let_go_and_taken_up_when_somebody_asks():
    """At rest it costs nothing; a request moves its journal and wakes the agent."""
    fleet = Fleet(1, book=playbook(deadline_s=300.0))
    del fleet.source.answers["success"]
    fleet.run(400)
    opened_at_rest = len(fleet.opened)
    fleet.run(400)
    still = len(fleet.opened)

    requests.request(fleet.journal, fleet.clock, "r-0", lambda s: requests.rollback(s, ACTOR))
    fleet.run(100)

    assert fleet.happened("r-0")[:2] == [Happened.TAKEN, Happened.RESTED]
    assert still == opened_at_rest + 1  # one look by the next agent, no lease
    assert len(fleet.owners("r-0")) == 2
    assert fleet.phases() == {"r-0": Phase.ROLLED_BACK}


def test_two_agents_do_not_wake_each_other_over_a_rollout_at_rest():
    """Looking at what rests takes no lease and moves no journal."""
    fleet = Fleet(1, book=playbook(deadline_s=300.0))
    del fleet.source.answers["success"]
    fleet.run(400)
    head = fleet.journal.heads()["r-0"]

    for number in range(5):
        fleet.run(20, owner=f"agent-{number}")

    assert fleet.journal.heads()["r-0"] == head


def test_a_stopping_agent_gives_every_lease_back():
    """The next agent goes on at once; where nothing is driven is said."""
    fleet = Fleet(3)

    fleet.run(60)
    leases = [row.lease for row in fleet.journal.rollouts()]
    fleet.run(1000, owner="agent-2")

    assert leases == [None] * 3
    assert fleet.happened("r-1")[:2] == [Happened.TAKEN, Happened.LEFT]
    assert set(fleet.phases().values()) == {Phase.SUCCEEDED}


def test_a_rollout_that_another_process_took_is_forgotten():
    """LOST, and not fought over while the other one lives."""
    fleet = Fleet(1)
    taken = []

    def steal(now):
        if fleet.owners("r-0") and not taken:
            taken.append(now)
            fleet.journal.acquire_lease("r-0", "other", now=now, ttl_s=10_000, steal=True)

    fleet.clock.hooks.append(steal)
    fleet.run(200)

    assert fleet.happened("r-0") == [Happened.TAKEN, Happened.LOST]
    assert fleet.owners("r-0") == ["agent-1", "other"]


def test_last_messages_are_told_before_a_rollout_is_let_go():
    """Its end is told and on record, though nobody opens it again."""
    heard = []

    class Listener:
        def notify(self, message, *, timeout_s):
            del timeout_s
            heard.append((message.rollout_id, message.event))

    fleet = Fleet(2)
    fleet.notifiers = {"ops": Listener()}

    fleet.run(1000)

    assert heard.count(("r-0", "finished")) == 1
    last = fleet.journal.read("r-1")[-1].event
    assert isinstance(last, ev.Notified)


def test_leases_grow_longer_with_the_number_of_rollouts():
    """A thousand rollouts do not ask for more than the agent's renewals a second."""
    few = lease_ttl_s(10, ttl_max_s=60.0, renewals_per_s=50.0)
    many = lease_ttl_s(1000, ttl_max_s=60.0, renewals_per_s=50.0)

    assert few == LEASE_TTL_S
    assert many == 60.0


# -- one pass -----------------------------------------------------------------------


def test_passes_from_cron_bring_a_rollout_to_its_end():
    """Each pass does what is due, says when the next is due, and leaves no lease."""
    fleet = Fleet(2)
    passes = []

    for _ in range(20):
        passes.append(tick_once(fleet.ports()))
        fleet.clock.advance(60)

    assert set(fleet.phases().values()) == {Phase.SUCCEEDED}
    first = next(one for one in passes[0] if one.rollout_id == "r-0")
    assert first.phase is Phase.RUNNING
    assert first.next_at is not None
    assert passes[-1] == []


def test_a_pass_judges_overdue_holds_on_fresh_data():
    """Hours between two passes skip no gate."""
    fleet = Fleet(1)
    tick_once(fleet.ports())
    fleet.clock.advance(8 * 3600.0)
    fleet.source.answers["success"] = lambda _: 0.5

    tick_once(fleet.ports())
    fleet.clock.advance(60.0)
    tick_once(fleet.ports())

    assert fleet.phases() == {"r-0": Phase.ROLLED_BACK}


def test_a_pass_reports_what_it_could_not_drive():
    """A broken one and one that another process drives; the rest goes on."""
    fleet = Fleet(3)
    fleet.broken.add("r-0")
    fleet.journal.acquire_lease("r-1", "other", now=fleet.clock.now(), ttl_s=100)

    passed = {one.rollout_id: one for one in tick_once(fleet.ports())}

    assert "a bug in r-0" in passed["r-0"].because
    assert passed["r-0"].phase is None
    assert isinstance(passed["r-1"].error, LeaseHeld)
    assert passed["r-2"].error is None


# -- dead owners ---------------------------------------------------------------------


def test_an_owner_that_ran_here_and_is_gone_is_dead():
    """A process that has ended; this one lives."""
    code = "from rolloutctl.runner.owner import make_owner; import os; "
    code += "print(make_owner('ana@' + os.uname().nodename))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mine = make_owner(f"ana@{os.uname().nodename}")

    assert owner_is_dead(ran.stdout.strip())
    assert not owner_is_dead(mine)


@pytest.mark.parametrize("owner", ["somebody", "ana@elsewhere:1:2:3:4", "a:b:c:d:e", ""])
def test_an_owner_that_cannot_be_judged_is_alive(owner):
    """Another host, another format: its lease runs out by itself."""
    assert not owner_is_dead(owner)


def dead_owner():
    """An owner on this host whose process never ran: another start time."""
    mine = make_owner(f"ana@{os.uname().nodename}").split(":")
    mine[2] = "1"
    return ":".join(mine)


def test_a_dead_owners_lease_is_taken_at_once_a_live_ones_is_not():
    """Nobody waits for the time to live of a process that is gone."""
    fleet = Fleet(2)
    now = fleet.clock.now()
    fleet.journal.acquire_lease("r-0", dead_owner(), now=now, ttl_s=10_000)
    fleet.journal.acquire_lease("r-1", "other", now=now, ttl_s=10_000)
    rows = {row.rollout_id: row for row in fleet.journal.rollouts()}

    take_over(fleet.open(rows["r-0"]), "me")

    assert fleet.owners("r-0")[-1] == "me"
    with pytest.raises(LeaseHeld):
        take_over(fleet.open(rows["r-1"]), "me")


def test_an_agent_takes_over_from_a_dead_one():
    """On the same machine, at its next look."""
    fleet = Fleet(1)
    fleet.journal.acquire_lease("r-0", dead_owner(), now=fleet.clock.now(), ttl_s=10_000)

    fleet.run(1000)

    assert fleet.phases() == {"r-0": Phase.SUCCEEDED}


# -- threads and files ----------------------------------------------------------------


def quick():
    """A playbook that is over in moments of real time."""
    steps = tuple(
        replace(step(n, "canary", CanarySpec(canary=bp), ("llm",), gates=()), hold_s=0.0)
        for n, bp in enumerate((500, 5000, 10000))
    )
    return replace(playbook(steps=steps), guardrails=())


def test_two_agents_on_one_file_drive_each_rollout_once(tmp_path, monkeypatch):
    """Real threads, a real journal: every write is made once, by one of them."""
    monkeypatch.setattr(agents, "FRESH_S", 0.0)
    clock = SystemClock()
    journal = SqliteJournal(tmp_path / "journal.db")
    fleet = Fleet(20, journal=journal, clock=clock, book=quick())
    until_s = monotonic_s() + 30

    def is_over():
        return not journal.heads() or monotonic_s() > until_s

    threads = [
        threading.Thread(
            target=run_agent,
            args=(fleet.ports(f"agent-{n}", workers=4),),
            kwargs={"stop": is_over, "poll_s": 0.02},
        )
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert set(fleet.phases().values()) == {Phase.SUCCEEDED}
    for world in fleet.worlds.values():
        assert [e for _, _, e, _ in world.served] == [split(500), split(5000), split(10000)]
    journal.close()


def test_a_pass_with_workers_answers_in_the_order_of_the_table(tmp_path):
    """Threads change nothing about the answer."""
    journal = SqliteJournal(tmp_path / "journal.db")
    fleet = Fleet(8, journal=journal, clock=SystemClock(), book=quick())
    rows = [row.rollout_id for row in journal.rollouts(open_only=True)]

    passed = tick_once(fleet.ports(workers=4))

    assert [one.rollout_id for one in passed] == rows
    assert {one.phase for one in passed} == {Phase.SUCCEEDED}
    assert {one.error for one in passed} == {None}
    journal.close()


def test_a_closed_rollout_is_no_error_for_a_pass():
    """Between the table and the opening a rollout may be gone."""
    fleet = Fleet(1)
    ports = replace(fleet.ports(), open_rollout=lambda _: (_ for _ in ()).throw(NotFound("gone")))

    (passed,) = tick_once(ports)

    assert isinstance(passed.error, NotFound)


def test_what_a_dead_process_did_not_tell_of_a_rollout_at_rest_is_told_once():
    """Its lease is taken for that alone, and not again."""
    heard = []

    class Listener:
        def notify(self, message, *, timeout_s):
            del timeout_s
            heard.append(message.event)

    fleet = Fleet(1, book=playbook(deadline_s=300.0))
    del fleet.source.answers["success"]
    fleet.run(400)
    fleet.notifiers = {"ops": Listener()}

    fleet.run(60)
    fleet.run(60, owner="agent-2")

    assert heard[-1] == "held"
    assert heard.count("held") == 1
    assert fleet.owners("r-0") == ["agent-1", "agent-1"]
    assert [row.lease for row in fleet.journal.rollouts()] == [None]
