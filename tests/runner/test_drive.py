"""Whole rollouts on fakes: promotion, failure, pause, drift, kill, and the words for them."""

from __future__ import annotations

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.playbook import OnDrift
from rolloutctl.core.state import Phase
from rolloutctl.errors import Conflict, ExitCode
from rolloutctl.runner import requests
from rolloutctl.runner import start as starting
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill import KillOrder, in_turn
from rolloutctl.runner.tick import tick
from rolloutctl.testing import FakeProvider, Fault
from worlds.rollouts import ACTOR, ROLLOUT, Boundaries, Stage, playbook


def ask(make):
    """An operator's verb from another terminal."""

    def act(stage):
        requests.request(stage.journal, stage.clock, ROLLOUT, lambda state: make(state, ACTOR))

    return act


def kill(stage):
    """The kill switch from another terminal."""
    orders = [
        KillOrder(target=target, provider=FakeProvider(stage.world, conditional=stage.conditional))
        for target in stage.playbook.targets.values()
    ]
    fence = ev.KillRequested(actor=ACTOR, reason="bad answers")
    return kill_rollout(
        ROLLOUT, orders, journal=stage.journal, clock=stage.clock, fence=fence, fan_out=in_turn
    )


def test_a_healthy_canary_reaches_100_percent():
    """Every step is written once, in order, and the exit code is 0."""
    stage = Stage(playbook())
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert stage.exposures() == {"llm": split(10000)}
    assert [exposure for _, _, exposure, _ in stage.world.served] == [
        split(0, shadow_bp=1000),
        split(500),
        split(5000),
        split(10000),
    ]


def test_a_failing_gate_rolls_back_to_the_restore_point():
    """The way back ends at exactly what was there, with exit code 10."""
    stage = Stage(playbook()).canary_goes_bad(100)
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert "success failed" in end.because
    assert stage.exposures() == {"llm": ZERO}
    assert stage.world.flags["flag-llm"].note == "note of llm"


def test_a_failing_guardrail_does_not_wait_for_a_human():
    """A burning canary is taken back while the step asks for approval."""
    stage = Stage(playbook(confirm=True)).canary_goes_bad(200, query="floor")
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert "guardrail floor failed" in end.because


def test_a_step_with_confirm_waits_and_goes_on_when_approved():
    """Nothing moves until the human answers, then the next step begins."""
    stage = Stage(playbook(confirm=True)).at(500, ask(requests.approve))
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    served = [(at - stage._begin).total_seconds() for at, _, _, _ in stage.world.served]
    assert served[2] >= 500


def test_reject_goes_back():
    """No means rollback, exit code 14."""
    stage = Stage(playbook(confirm=True)).at(500, ask(requests.reject))
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.ROLLED_BACK
    assert stage.exposures() == {"llm": ZERO}


def test_pause_freezes_the_weight_and_resume_goes_on():
    """Between pause and resume nothing is written."""
    stage = Stage(playbook()).at(80, ask(requests.pause)).at(1000, ask(requests.resume))
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    times = [(at - stage._begin).total_seconds() for at, _, _, _ in stage.world.served]
    assert not [time for time in times if 80 < time < 1000]


def test_missing_data_holds_the_step_and_never_passes():
    """With no data and `wait`, the step is not left, and the deadline holds the weight."""
    stage = Stage(playbook(deadline_s=3600.0))
    del stage.source.answers["success"]
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.TIMED_OUT
    assert stage.exposures() == {"llm": split(0, shadow_bp=1000)}


def test_an_outside_edit_pauses_and_keeps_the_edit():
    """Drift is found, named, and nothing is written over it."""
    stage = Stage(playbook()).at(
        100, lambda s: s.world.edit("flag-llm", editor="bo", exposure=split(4200))
    )
    stage.begin()

    stage.drive()

    assert stage.state().phase is Phase.PAUSED
    assert "bo" in stage.state().paused_because
    assert stage.exposures() == {"llm": split(4200)}


def test_an_outside_edit_is_written_over_when_declared():
    """`on_drift: reapply` writes our exposure again and goes on."""
    stage = Stage(playbook(on_drift=OnDrift.REAPPLY)).at(
        100, lambda s: s.world.edit("flag-llm", exposure=split(4200))
    )
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE


def test_an_outside_edit_aborts_when_declared():
    """`on_drift: abort` goes back, exit code 6."""
    stage = Stage(playbook(on_drift=OnDrift.ABORT)).at(
        100, lambda s: s.world.edit("flag-llm", exposure=split(4200))
    )
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.CONFLICT
    assert stage.exposures() == {"llm": ZERO}


def test_an_outside_kill_is_never_applied_again():
    """Another hand's zero stays, the other target goes back, exit code 13."""
    stage = Stage(playbook(targets=("llm", "prompt"))).at(
        150, lambda s: s.world.edit("flag-llm", exposure=ZERO, note="killed by hand")
    )
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.KILLED
    assert stage.exposures() == {"llm": ZERO, "prompt": ZERO}
    assert stage.world.flags["flag-llm"].note == "killed by hand"


def test_a_kill_from_another_terminal_ends_it():
    """The canary is at zero, the driver stops with 13, nothing is written afterwards."""
    ends = []
    stage = Stage(playbook(targets=("llm", "prompt"))).at(150, lambda s: ends.append(kill(s)))
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.KILLED
    assert ends[0].is_confirmed
    assert stage.exposures() == {"llm": ZERO, "prompt": ZERO}


def test_a_rollback_that_cannot_be_confirmed_is_stuck():
    """The provider refuses every write on the way back: exit code 20, and it says which."""
    stage = Stage(playbook()).canary_goes_bad(100)
    stage.begin()
    stage.world.fault = lambda operation, _: Fault.FORBIDDEN if operation == "restore" else None

    end = stage.drive()

    assert end.exit_code is ExitCode.STUCK
    assert "llm" in end.because


def test_one_unreachable_target_does_not_hold_up_the_other_on_the_way_back():
    """The reachable target is restored at once although the other fails."""
    stage = Stage(playbook(targets=("llm", "prompt"))).canary_goes_bad(100)
    stage.begin()
    stage.world.fault = lambda operation, flag: (
        Fault.REFUSED_CONNECTION if operation == "restore" and flag == "flag-prompt" else None
    )

    end = stage.drive()

    assert end.exit_code is ExitCode.STUCK
    assert stage.exposures()["llm"] == ZERO


def test_promote_ends_the_hold_only_on_passing_gates():
    """With a failing-to-answer gate the promotion is refused and the reason recorded."""
    stage = Stage(playbook(deadline_s=600.0)).at(20, ask(requests.promote))
    del stage.source.answers["success"]
    stage.begin()

    stage.drive()

    refused = [
        r.event for r in stage.journal.read(ROLLOUT) if isinstance(r.event, ev.PromoteRefused)
    ]
    assert refused
    assert refused[0].gates == ("success",)


def test_promote_full_goes_to_the_last_step_and_is_an_override():
    """The steps between are written without holds; the override is on record."""
    stage = Stage(playbook()).at(
        100, ask(lambda state, actor: requests.promote(state, actor, "hotfix", full=True))
    )
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    left = [r.event for r in stage.journal.read(ROLLOUT) if isinstance(r.event, ev.StepLeft)]
    assert [event.override for event in left] == [False, True, True, True, False]


def test_a_process_that_was_away_for_hours_judges_before_it_moves():
    """An overdue hold ends only after gates were judged on fresh data."""
    stage = Stage(playbook())
    stage.begin()
    rollout = stage.process()
    for _ in range(6):
        tick(rollout)
    stage.clock.advance(8 * 3600.0)
    asked_before = len(stage.source.asked)
    stage.canary_goes_bad(1)

    end = stage.drive()

    assert len(stage.source.asked) > asked_before
    assert end.exit_code is ExitCode.JUDGED_BAD


def test_nothing_begins_while_a_guardrail_already_fails():
    """A fire before the first write ends it at once: exit 10, nothing written."""
    stage = Stage(playbook(deadline_s=900.0)).canary_goes_bad(0, query="floor")
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert stage.world.served == []


def test_a_target_edited_after_the_plan_is_not_started():
    """What people agreed to no longer holds: exit 6, nothing recorded, nothing written."""
    stage = Stage(playbook())

    with pytest.raises(Conflict, match="edited after the plan was made: it serves canary 0%"):
        starting.start(
            stage.playbook,
            stage.adapters(Boundaries()),
            stage.journal,
            clock=stage.clock,
            rollout_id=ROLLOUT,
            actor=ACTOR,
            planned={"llm": "something else"},
        )

    assert stage.journal.rollouts() == []


def test_a_source_slower_than_the_gates_interval_keeps_nothing_waiting():
    """A gate is always due then; holds end, and what a person asks for is done all the same."""
    stage = Stage(playbook(confirm=True)).at(3_000, ask(requests.approve))
    longest_s = max(gate.limits.interval_s for gate in stage.playbook.gates.values())

    def slowly(_at):
        stage.clock.advance(2 * longest_s)
        return 0.99

    stage.source.answers = dict.fromkeys(("success", "floor"), slowly)
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert stage.exposures() == {"llm": split(10000)}
