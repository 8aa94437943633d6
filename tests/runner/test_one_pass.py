"""One pass, as cron makes it: what is due is done, and no lease is left behind."""

from __future__ import annotations

import threading
from dataclasses import replace

from rolloutctl.clock import SystemClock, monotonic_s
from rolloutctl.core.state import Phase
from rolloutctl.errors import LeaseHeld, NotFound
from rolloutctl.runner import one_pass
from rolloutctl.runner.one_pass import tick_once
from rolloutctl.store.sqlite import SqliteJournal
from worlds.fleet import Fleet, quick


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


class Silent:
    """A notifier that does not come back until it is let go."""

    name = "silent"
    Spec = object

    def __init__(self):
        self.let_go = threading.Event()

    def notify(self, message, *, timeout_s):
        assert message.rollout_id
        assert timeout_s > 0
        self.let_go.wait(30)


def test_a_pass_waits_for_a_silent_notifier_once_and_after_everybodys_turn(tmp_path, monkeypatch):
    """Ten rollouts and one thread: the last one is driven before anything is waited for."""
    monkeypatch.setattr(one_pass, "FLUSH_S", 0.3)
    journal, silent = SqliteJournal(tmp_path / "journal.db"), Silent()
    fleet = Fleet(10, journal=journal, clock=SystemClock(), book=quick())
    fleet.notifiers = {"hook": silent}

    began_s = monotonic_s()
    passed = tick_once(fleet.ports(workers=1))
    taken_s = monotonic_s() - began_s
    silent.let_go.set()

    assert {one.phase for one in passed} == {Phase.SUCCEEDED}
    assert taken_s < 10 * 0.3
    assert all(row.lease is None for row in journal.rollouts())
    journal.close()


def test_a_stopped_pass_begins_nothing_more():
    """A signal during a pass: what is under way ends, the rest is left as it is."""
    fleet = Fleet(3)
    heard = []

    passed = tick_once(fleet.ports(), stop=lambda: len(heard) > 0 or heard.append(1) is not None)

    assert [one.phase for one in passed] == [Phase.RUNNING, None, None]
    assert passed[1].error is None
    assert "stopped" in passed[1].because
    assert fleet.opened == ["r-0"]
