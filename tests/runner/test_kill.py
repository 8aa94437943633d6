"""The kill switch by itself: bounded whatever an adapter does, and nothing unsaid."""

from __future__ import annotations

import threading

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.state import Phase
from rolloutctl.errors import Conflict, JournalUnavailable, NotFound, Stale
from rolloutctl.runner import fence
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill import KillOrder, at_once, in_turn, kill_targets
from rolloutctl.testing import FakeProvider
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook

#: The limit of a kill here, and how long an adapter hangs, in seconds of this machine.
LIMIT_S = 0.05
HANG_S = 5.0
FENCE = ev.KillRequested(actor=ACTOR, reason="bad answers")


@pytest.fixture
def stage():
    """A rollout that has begun."""
    stage = Stage(playbook())
    stage.begin()
    return stage


def orders(stage, provider):
    """The kill of each of its targets."""
    return [KillOrder(target=one, provider=provider) for one in stage.playbook.targets.values()]


def soon(calls, _limit_s):
    """At once, as always, with a limit that a test can wait for."""
    at_once(calls, LIMIT_S)


class Hanging(FakeProvider):
    """A service whose answer to a kill does not come."""

    def __init__(self, world):
        super().__init__(world, conditional=True)
        self.goes_on = threading.Event()

    def kill(self, target, *, timeout_s):
        """Hangs, whatever limit it was given."""
        self.goes_on.wait(HANG_S)
        return super().kill(target, timeout_s=timeout_s)


def test_a_single_target_that_hangs_is_left_behind_at_the_limit(stage):
    """Conditional writes say nothing about how long a call takes."""
    provider = Hanging(stage.world)

    [report] = kill_targets(orders(stage, provider), stage.clock, fan_out=soon)
    provider.goes_on.set()

    assert not report.confirmed
    assert report.message == "no answer within the limit"


class Refusing:
    """A journal, but `refused` raises an error from a certain call of it on."""

    def __init__(self, journal, refused, error):
        self._journal, self._refused, self._error = journal, refused, error

    def __getattr__(self, name):
        if name == self._refused:
            return self._refuse
        return getattr(self._journal, name)

    def _refuse(self, *_arguments, **_named):
        raise self._error


@pytest.mark.parametrize("error", [NotFound("it was pruned"), Conflict("no"), Stale("moved")])
@pytest.mark.parametrize("refused", ["read", "append"])
def test_a_fence_that_is_refused_stops_no_kill(stage, error, refused):
    """Whatever the journal says: the targets go to control, and what it did not take is told."""
    journal = Refusing(stage.journal, refused, error)
    wanted = orders(stage, FakeProvider(stage.world))

    end = kill_rollout(
        ROLLOUT, wanted, journal=journal, clock=stage.clock, fence=FENCE, fan_out=in_turn
    )

    assert end.is_confirmed
    assert end.journal_error
    assert [type(event) for event in end.unrecorded][:2] == [ev.KillRequested, ev.TargetKilled]


class Moving:
    """A journal that takes the fence, and has always moved when the account comes."""

    def __init__(self, journal):
        self._journal = journal

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def append(self, rollout_id, events, **named):
        """Takes the fence only."""
        if not isinstance(events[0], ev.KillRequested):
            raise Stale("the journal moved")
        return self._journal.append(rollout_id, events, **named)


def test_an_account_that_the_journal_never_took_is_told(stage):
    """It may not get lost in silence: it is the only record of what the kill reached."""
    wanted = orders(stage, FakeProvider(stage.world))

    end = kill_rollout(
        ROLLOUT,
        wanted,
        journal=Moving(stage.journal),
        clock=stage.clock,
        fence=FENCE,
        fan_out=in_turn,
    )

    assert stage.state().phase is Phase.KILLING
    assert "moved 100 times" in end.journal_error
    assert [type(event) for event in end.unrecorded] == [ev.TargetKilled, ev.Finished]


class Hung(Refusing):
    """A journal on a network drive that is gone: one of its calls does not come back."""

    def __init__(self, journal, refused):
        super().__init__(journal, refused, Stale("too late"))
        self.goes_on = threading.Event()

    def _refuse(self, *arguments, **named):
        self.goes_on.wait(HANG_S)
        return getattr(self._journal, self._refused)(*arguments, **named)


@pytest.mark.parametrize("hung", ["read", "append"])
def test_a_journal_that_hangs_keeps_no_kill_waiting(stage, monkeypatch, hung):
    """It has its limit; then the targets go to control, and nothing is said to be recorded."""
    monkeypatch.setattr(fence, "FENCE_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(fence, "LATE_LIMIT_S", LIMIT_S)
    journal = Hung(stage.journal, hung)

    end = kill_rollout(
        ROLLOUT,
        orders(stage, FakeProvider(stage.world)),
        journal=journal,
        clock=stage.clock,
        fence=FENCE,
        fan_out=in_turn,
    )
    is_still_hung = not journal.goes_on.is_set()
    journal.goes_on.set()

    assert is_still_hung
    assert end.is_confirmed
    assert f"did not answer within {LIMIT_S:g} s" in end.journal_error
    assert [type(event) for event in end.unrecorded] == [
        ev.KillRequested,
        ev.TargetKilled,
        ev.Finished,
    ]


def test_what_was_killed_before_a_late_fence_is_killed_again_behind_it(stage, monkeypatch):
    """Its driver may have written in between; the account holds what was seen after the fence."""
    monkeypatch.setattr(fence, "FENCE_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(fence, "LATE_LIMIT_S", HANG_S)
    journal = Hung(stage.journal, "append")
    rounds = []

    def fan_out(calls, limit_s):
        rounds.append(stage.state().phase)
        in_turn(calls, limit_s)
        journal.goes_on.set()

    end = kill_rollout(
        ROLLOUT,
        orders(stage, FakeProvider(stage.world)),
        journal=journal,
        clock=stage.clock,
        fence=FENCE,
        fan_out=fan_out,
    )

    assert rounds == [Phase.RUNNING, Phase.KILLING]
    assert end.unrecorded == ()
    assert stage.state().phase is Phase.KILLED


class Unreadable(Refusing):
    """A journal with an event that this version does not know."""

    def __init__(self, journal):
        super().__init__(journal, "read", JournalUnavailable("written by a newer rolloutctl"))


def test_a_rollout_that_cannot_be_followed_is_fenced_all_the_same(stage):
    """The newer program that drives it must stop writing, whatever this one can read."""
    end = kill_rollout(
        ROLLOUT,
        orders(stage, FakeProvider(stage.world)),
        journal=Unreadable(stage.journal),
        clock=stage.clock,
        fence=FENCE,
        fan_out=in_turn,
    )

    assert stage.state().phase is Phase.KILLING
    assert end.is_confirmed
    assert "newer rolloutctl" in end.journal_error
    assert [type(event) for event in end.unrecorded] == [ev.TargetKilled, ev.Finished]
