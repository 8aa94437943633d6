"""One agent drives many rollouts: each once, none disturbed by another, none forgotten."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import split
from rolloutctl.core.state import Phase
from rolloutctl.errors import JournalUnavailable
from rolloutctl.runner import agent as agents
from rolloutctl.runner import requests
from rolloutctl.runner.agent import Happened, run_agent
from rolloutctl.runner.rollout import LEASE_TTL_S
from rolloutctl.runner.turn import lease_ttl_s
from rolloutctl.store.sqlite import SqliteJournal
from worlds.fleet import Fleet, quick
from worlds.rollouts import ACTOR, playbook


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


# -- threads and files ----------------------------------------------------------------


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


def test_a_journal_that_takes_nothing_is_told_once_and_that_it_does_again():
    """A full disk can still be read: without a word nobody would know that nothing is judged."""
    fleet = Fleet(2)
    fleet.run(30)
    renew, append = fleet.journal.renew_lease, fleet.journal.append

    def full(*_, **__):
        raise JournalUnavailable("the disk is full")

    fleet.journal.renew_lease = fleet.journal.append = full
    until = fleet.clock.now() + timedelta(seconds=60)

    def free_again(now):
        if now >= until:
            fleet.journal.renew_lease, fleet.journal.append = renew, append

    fleet.clock.hooks.append(free_again)
    fleet.said.clear()
    fleet.run(300)

    for name in ("r-0", "r-1"):
        told = [one for one in fleet.happened(name) if one in {Happened.STALLED, Happened.RESUMED}]
        assert told == [Happened.STALLED, Happened.RESUMED]
    stalled = next(event for event in fleet.said if event.happened is Happened.STALLED)
    assert stalled.because.startswith("the disk is full; until then nothing is judged")
