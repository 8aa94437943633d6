"""Failures add up only in a row, and only time in which somebody tried is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO
from rolloutctl.core.machine import TAKE_OVERS_MAX
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode
from rolloutctl.runner import requests
from rolloutctl.runner.loop import drive
from rolloutctl.runner.tick import tick
from rolloutctl.testing import Fault
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook

HOURS_S = 5 * 3600.0


def test_an_answered_look_ends_the_row_of_failures():
    """Three failed looks in one step and one much later: that one is the first again."""
    stage = Stage(playbook())
    stage.begin()
    failing = {100.0, 101.0, 103.0, 170.0}

    def fails(operation, _flag):
        now_s = (stage.clock.now() - stage._begin).total_seconds()
        due = [at for at in failing if operation == "observe" and now_s >= at]
        failing.difference_update(due[:1])
        return Fault.SERVER_ERROR if due else None

    stage.world.fault = fails

    rollout, in_a_row = stage.process(), []
    rollout.listeners.append(
        lambda record: (
            in_a_row.append(rollout.state.targets["llm"].failures)
            if isinstance(record.event, ev.ApplyFailed)
            else None
        )
    )
    end = drive(rollout, poll_s=5.0)

    assert end.exit_code is ExitCode.DONE
    assert in_a_row == [1, 2, 3, 1]
    (target,) = rollout.state.targets.values()
    assert (target.failures, target.retry_at, target.last_error) == (0, None, "")


def test_a_failed_look_counts_on():
    """Only an answer ends the row: two failures in a row are two."""
    stage = Stage(playbook())
    stage.begin()
    rollout = stage.process()
    while rollout.state.exposed_since is None:
        tick(rollout)
    stage.world.fault = lambda operation, _: Fault.SERVER_ERROR if operation == "observe" else None

    for _ in range(60):
        tick(rollout)
        stage.clock.advance(1.0)
        if rollout.state.targets["llm"].failures == 2:
            break

    assert rollout.state.targets["llm"].failures == 2


def going_back(stage):
    """A rollback was asked for and every attempt fails."""
    stage.begin()
    rollout = stage.process()
    while rollout.state.exposed_since is None:
        tick(rollout)
    requests.request(stage.journal, stage.clock, ROLLOUT, lambda s: requests.rollback(s, ACTOR))
    stage.world.fault = lambda _operation, _flag: Fault.SERVER_ERROR
    return rollout


@pytest.mark.parametrize("tried_before", [False, True])
def test_a_rollback_resumed_after_hours_is_tried_for_its_whole_limit(tried_before):
    """A single failed read after the take-over is no reason to be stuck."""
    stage = Stage(playbook())
    rollout = going_back(stage)
    if tried_before:
        tick(rollout)
    stage.clock.advance(HOURS_S)
    back_at = stage.clock.now()
    heals_at = back_at + timedelta(seconds=200)
    stage.world.fault = lambda _operation, _flag: (
        Fault.SERVER_ERROR if stage.clock.now() < heals_at else None
    )

    end = stage.drive()

    assert end.exit_code is ExitCode.ROLLED_BACK
    assert stage.exposures() == {"llm": ZERO}


def test_a_rollback_that_goes_on_failing_is_stuck_after_its_limit():
    """Counted from the first attempt of the driver that came back."""
    stage = Stage(playbook())
    going_back(stage)
    stage.clock.advance(HOURS_S)
    back_at = stage.clock.now()

    end = stage.drive()

    assert end.exit_code is ExitCode.STUCK
    limit_s = stage.playbook.limits.rollback_s
    assert limit_s <= (stage.clock.now() - back_at).total_seconds() < limit_s + 60


def test_drivers_that_come_and_go_do_not_prolong_a_rollback_for_ever():
    """`tick` from cron takes over each time; after some of them the limit counts on."""
    stage = Stage(playbook())
    going_back(stage)

    passes = 0
    while stage.state().phase is Phase.ROLLING_BACK:
        rollout = stage.process()
        for _ in range(3):
            tick(rollout)
        rollout.release_lease()
        stage.clock.advance(60.0)
        passes += 1

    assert stage.state().phase is Phase.STUCK
    assert passes <= TAKE_OVERS_MAX + 2 + stage.playbook.limits.rollback_s / 60


def alarmed(stage, *, heals_after_s):
    """From the second step on the service undoes every write, until its alarm is OK again."""
    stage.begin()
    heals_at = None

    def fault(operation, _flag):
        nonlocal heals_at
        served = stage.exposures()["llm"]
        if operation not in {"apply", "restore"} or served == ZERO:
            return None
        heals_at = heals_at or stage.clock.now() + timedelta(seconds=heals_after_s)
        return Fault.TAKEN_BACK if stage.clock.now() < heals_at else None

    stage.world.fault = fault
    return stage.drive()


def test_a_step_that_the_services_alarm_undid_goes_back():
    """The alarm is a failure of the step; the way back is tried until it holds."""
    stage = Stage(playbook())

    end = alarmed(stage, heals_after_s=120)

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert stage.exposures() == {"llm": ZERO}
    events = [record.event for record in stage.journal.read(ROLLOUT)]
    undone = next(event for event in events if isinstance(event, ev.ApplyFailed))
    assert undone.why is ev.Why.TAKEN_BACK
    assert any(isinstance(event, ev.RollbackStarted) for event in events)


def test_a_way_back_that_the_alarm_undoes_for_too_long_is_stuck():
    """And says which alarm."""
    stage = Stage(playbook())

    end = alarmed(stage, heals_after_s=HOURS_S)

    assert end.exit_code is ExitCode.STUCK
    assert "checkout-errors" in stage.state().targets["llm"].last_error


def test_with_on_fail_pause_an_undone_step_waits_for_a_person():
    """As a failing gate would."""
    stage = Stage(replace(playbook(), on_fail=OnFail.PAUSE))

    alarmed(stage, heals_after_s=HOURS_S)

    assert stage.state().phase is Phase.PAUSED
    assert "checkout-errors" in stage.state().paused_because
