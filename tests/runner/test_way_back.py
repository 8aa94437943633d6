"""Other hands at work while a rollout goes back: found by the model test, kept as cases."""

from __future__ import annotations

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill_account import orders_of
from rolloutctl.runner.tick import tick
from rolloutctl.testing import FakeFlag, Fault
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook


def rollback(stage):
    """The operator's rollback from another terminal."""
    requests.request(
        stage.journal, stage.clock, ROLLOUT, lambda state: requests.rollback(state, ACTOR)
    )


def test_an_edit_over_an_open_write_does_not_hold_up_the_way_back():
    """Looked at, the open intent is closed although the edit fits neither before nor after."""
    stage = Stage(playbook())
    stage.begin()
    stage.world.fault = lambda operation, _: Fault.NEVER if operation == "apply" else None
    stage.at(2, rollback).at(3, lambda s: s.world.edit("flag-llm", exposure=split(4200)))

    end = stage.drive()

    assert end.exit_code is ExitCode.ROLLED_BACK
    assert stage.exposures() == {"llm": ZERO}


@pytest.mark.parametrize("seconds", [149.0, 151.0])
def test_a_zero_of_another_hand_is_not_raised_again_on_the_way_back(seconds):
    """With a canary in the restore point, a flag set to zero by hand stays at zero."""
    stage = Stage(playbook())
    stage.world.flags["flag-llm"] = FakeFlag(exposure=split(300))
    stage.at(seconds, lambda s: s.world.edit("flag-llm", exposure=ZERO)).at(150, rollback)
    stage.begin()

    stage.drive()

    assert stage.state().phase in {Phase.ROLLED_BACK, Phase.KILLED}
    assert stage.exposures() == {"llm": ZERO}
    events = [record.event for record in stage.journal.read(ROLLOUT)]
    assert any(isinstance(event, ev.OutsideKilled) for event in events)


def test_a_kill_confirmed_after_another_gave_up_on_it_ends_the_rollout():
    """An older attempt's account says stuck; the later confirmation still counts."""
    stage = Stage(playbook())
    stage.begin()
    rollout = stage.process()
    for _ in range(6):
        tick(rollout)
    stuck = ev.Stuck(targets=("llm",), because="the kill of llm is not confirmed")

    def kill_and_give_up(operation, _flag):
        if operation == "kill" and not stage.state().phase.is_at_rest:
            rollout.refresh()
            rollout.record_fact(stuck)

    stage.world.fault = kill_and_give_up
    fence = ev.KillRequested(actor=ACTOR)
    orders = orders_of(rollout)
    end = kill_rollout(ROLLOUT, orders, journal=stage.journal, clock=stage.clock, fence=fence)

    assert end.is_confirmed
    assert stage.state().phase is Phase.KILLED
    assert not stage.state().stuck_targets


def test_a_kill_that_is_stuck_offers_no_rollback():
    """Behind the fence nothing goes back: only another kill helps."""
    stage = Stage(playbook())
    stage.begin()
    rollout = stage.process()
    rollout.record_fact(ev.KillRequested(actor=ACTOR))
    rollout.record_fact(ev.Stuck(targets=("llm",), because="the kill of llm is not confirmed"))

    refused = requests.wrong_phase(rollout.state, "rollback")

    assert "rollback" not in refused.hint
    assert "rolloutctl kill r-test" in refused.hint
