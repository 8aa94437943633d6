"""One object that loses the lease and takes it again, as an agent may."""

from __future__ import annotations

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.machine import fold
from rolloutctl.runner.tick import tick
from rolloutctl.runner.turn import Driven, let_go
from worlds.rollouts import ROLLOUT, Stage, playbook


def judged_at(stage, gate):
    """When each recorded judgement of `gate` was taken, in the order of the journal."""
    events = [record.event for record in stage.journal.read(ROLLOUT)]
    return [
        event.record.judged_at
        for event in events
        if isinstance(event, ev.GateJudged) and event.gate == gate
    ]


def test_a_judgement_of_a_lost_lease_is_never_recorded_after_newer_ones():
    """A guardrail's standing must not go back in time when the driver comes back."""
    stage = Stage(playbook())
    stage.begin()
    first = stage.process()
    while not first._unrecorded:
        tick(first)
        stage.clock.advance(10.0)
    second = stage.process()
    for _ in range(30):
        tick(second)
        stage.clock.advance(10.0)

    first.take_lease("process-1", steal=True)

    assert first.state.gates == fold(ROLLOUT, stage.journal.read(ROLLOUT)).gates
    for _ in range(12):
        tick(first)
        stage.clock.advance(10.0)
    times = judged_at(stage, "floor")
    assert times == sorted(times)


def test_a_driver_that_cannot_end_what_it_began_still_gives_its_lease_back(monkeypatch):
    """Nobody else could drive the rollout until the lease expires."""
    stage = Stage(playbook())
    stage.begin()
    rollout = stage.process()

    def fail(*_arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(rollout.invocations), "close", fail)
    driven = Driven(rollout=rollout, teller=None, due_at=stage.clock.now())

    with pytest.raises(RuntimeError, match="a bug"):
        let_go(driven)

    assert [row.lease for row in stage.journal.rollouts()] == [None]
