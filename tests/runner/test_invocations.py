"""Commands that run beside the ticks: judged meanwhile, ended in time, never simply repeated."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.playbook import OnDrift
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, JournalUnavailable, LeaseHeld
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import InvokeResult
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.invocations import END_S
from rolloutctl.runner.kill import in_turn
from rolloutctl.runner.kill_account import orders_of
from rolloutctl.runner.loop import drive
from rolloutctl.runner.rollout import LEASE_TTL_S
from rolloutctl.runner.tick import tick
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.steps.notify import NotifySpec
from rolloutctl.steps.run import Invocation, OnCrash, RunSpec
from worlds.rollouts import ACTOR, ROLLOUT, Boundaries, Crash, Stage, playbook, step

LLM = ("llm",)


def running(*, lasts_s=600.0, on_crash=OnCrash.ASK, grace_s=1.0, **book):
    """5 %, then a command that lasts, then all of it."""
    spec = RunSpec(run=Invocation(command=("migrate",), timeout_s=3_600.0, on_crash=on_crash))
    steps = (
        step(0, "canary", CanarySpec(canary=500), LLM),
        step(1, "run", spec, LLM, gates=()),
        step(2, "canary", CanarySpec(canary=10000), LLM),
    )
    stage = Stage(playbook(steps=steps, **book))
    stage.invoker.lasts_s, stage.invoker.grace_s = lasts_s, grace_s
    stage.begin()
    return stage


def ask(make):
    def act(stage):
        requests.request(stage.journal, stage.clock, ROLLOUT, lambda state: make(state, ACTOR))

    return act


def events(stage, kind):
    return [record for record in stage.journal.read(ROLLOUT) if isinstance(record.event, kind)]


def ended(stage):
    """Records of invocations that were ended before their time."""
    return [r for r in events(stage, ev.ApplyFailed) if r.event.why is ev.Why.ENDED]


def after_s(stage, record):
    return (record.at - stage._begin).total_seconds()


def test_a_command_is_waited_for_and_its_words_are_kept():
    """The rollout goes on when it has ended, with its output on record."""
    stage = running()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    (run,) = stage.invoker.begun
    (applied,) = [r for r in events(stage, ev.Applied) if r.event.key == run.key]
    assert applied.event.output == "done"
    assert timedelta(0) <= applied.at - run.ends_at <= timedelta(seconds=1)


def test_a_guardrail_that_fails_while_a_command_runs_takes_the_rollout_back_at_once():
    """Nobody waits for the command: it is ended, and the target restored meanwhile."""
    stage = running(lasts_s=3_000.0).canary_goes_bad(200, query="floor")

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert stage.exposures() == {"llm": ZERO}
    (started,) = events(stage, ev.RollbackStarted)
    assert after_s(stage, started) < 235
    (end_of_command,) = ended(stage)
    assert end_of_command.at - started.at <= timedelta(seconds=2)
    assert "goes back: killed by SIGTERM" in end_of_command.event.message
    assert stage.invoker.at_work == []


def test_a_rollback_is_confirmed_only_when_its_command_is_gone():
    """The target is restored at once; "rolled back" is said after the command's end."""
    stage = running(lasts_s=3_000.0, grace_s=3.0).at(200, ask(requests.rollback))

    stage.drive()

    restored = next(r for r in events(stage, ev.Intended) if ":rollback:" in r.event.key)
    (end_of_command,) = ended(stage)
    (finished,) = events(stage, ev.Finished)
    assert after_s(stage, restored) < 206
    assert restored.at < end_of_command.at <= finished.at


def test_a_command_that_cannot_be_ended_holds_up_no_rollback():
    """After the limit the journal says that it would not end, and the way back goes on."""
    stage = running(lasts_s=9_000.0, grace_s=8_000.0).at(200, ask(requests.rollback))

    end = stage.drive()

    assert end.exit_code is ExitCode.ROLLED_BACK
    assert f"had not after {END_S:g} s" in ended(stage)[0].event.message
    assert after_s(stage, events(stage, ev.Finished)[0]) < 240


@pytest.mark.parametrize("killer", ["completes", "dies after the fence"])
def test_a_kill_while_a_command_runs_ends_it(killer):
    """Whoever confirms the kill, the driver ends the command and says so."""
    stage = running(lasts_s=3_000.0)

    def kill(on):
        fence = ev.KillRequested(actor=ACTOR)
        orders = orders_of(on.process_view(Boundaries()))
        kill_rollout(
            ROLLOUT, orders, journal=on.journal, clock=on.clock, fence=fence, fan_out=in_turn
        )

    stage.at(200, kill if killer == "completes" else ask(requests.kill))

    end = stage.drive()

    assert end.exit_code is ExitCode.KILLED
    assert stage.exposures() == {"llm": ZERO}
    assert len(ended(stage)) == 1
    assert after_s(stage, ended(stage)[0]) < 210
    assert stage.invoker.at_work == []


def test_a_command_that_slept_with_its_machine_is_ended_by_its_deadline():
    """The driver knows that it still runs: its time limit is over, and `on_fail` follows."""
    stage = running(lasts_s=90_000.0, on_crash=OnCrash.RERUN)
    rollout = stage.process()
    slept = []

    def stop(_decision):
        if stage.invoker.begun and not slept:
            slept.append(True)
            stage.clock.advance(4_000.0)
        return ""

    end = drive(rollout, stop=stop, poll_s=5.0)

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert "its time was over: killed by SIGTERM" in end.because
    assert len(stage.invoker.begun) == 1
    assert stage.invoker.at_work == []


def test_a_pause_while_a_command_runs_leaves_it_and_freezes_what_follows():
    """The command goes on to its end; the next step waits for the resume."""
    stage = running().at(200, ask(requests.pause)).at(1_000, ask(requests.resume))

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert len(stage.invoker.begun) == 1
    assert stage.world.served[-1][0] >= stage._begin + timedelta(seconds=1_000)


def test_a_command_that_fails_during_a_pause_is_not_run_again_by_the_resume():
    """Nobody was told: `resume` answers the pause, and `on_fail` follows the failure."""
    stage = running().at(200, ask(requests.pause)).at(1_000, ask(requests.resume))
    stage.invoker.how = InvokeResult(ok=False, message="exit 3", output="no luck")

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert "exit 3: no luck" in end.because
    assert len(stage.invoker.begun) == 1


def test_drift_found_while_a_command_runs_is_written_over_when_declared():
    """`on_drift: reapply` does not wait for the command's end."""
    stage = running(lasts_s=3_000.0, on_drift=OnDrift.REAPPLY).at(
        200, lambda s: s.world.edit("flag-llm", exposure=split(4200))
    )

    stage.drive()

    again = [at for at, _, exposure, key in stage.world.served if ":reapply:" in key]
    assert again
    assert (again[0] - stage._begin).total_seconds() < 260


def stopped_driver(stage, *, after=200.0):
    """A driver that is told to stop while the command runs; gives its lease back."""
    rollout = stage.process()
    until = stage._begin + timedelta(seconds=after)
    end = drive(rollout, stop=lambda _: "told" if stage.clock.now() >= until else "", poll_s=5.0)
    assert stage.invoker.at_work
    rollout.release_lease()
    return end


def test_a_driver_that_stops_ends_its_command_and_says_so():
    """Nothing works on for a rollout that nobody watches; the weight stays."""
    stage = running(lasts_s=3_000.0)

    end = stopped_driver(stage)

    assert end.stopped == "told"
    assert stage.invoker.at_work == []
    assert "driver stopped" in ended(stage)[0].event.message
    assert stage.exposures() == {"llm": split(500)}


def test_a_command_that_was_ended_is_not_run_again_unasked():
    """The next driver pauses and says what the answers are; resume runs it again."""
    stage = running(lasts_s=300.0)
    stopped_driver(stage)

    stage.drive()

    assert stage.state().phase is Phase.PAUSED
    assert "resume runs it again" in stage.state().paused_because
    assert len(stage.invoker.begun) == 1

    ask(requests.resume)(stage)
    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert len(stage.invoker.begun) == 2


def test_an_override_counts_an_ended_command_as_done():
    """A person who knows better says so, on record."""
    stage = running(lasts_s=300.0)
    stopped_driver(stage)
    stage.drive()

    ask(lambda state, actor: requests.promote(state, actor, "done by hand", override=True))(stage)
    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert len(stage.invoker.begun) == 1


def test_a_command_that_was_ended_runs_again_where_that_is_declared():
    """`on_crash: rerun` needs nobody."""
    stage = running(lasts_s=300.0, on_crash=OnCrash.RERUN)
    stopped_driver(stage)

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert len(stage.invoker.begun) == 2


@pytest.mark.parametrize(("on_crash", "times"), [(OnCrash.ASK, 1), (OnCrash.RERUN, 2)])
@pytest.mark.parametrize("paused_meanwhile", [False, True])
def test_a_driver_that_dies_leaves_a_command_of_unknown_end(on_crash, times, paused_meanwhile):
    """After its time limit it runs again only if declared, or once the right question is asked."""
    stage = running(lasts_s=300.0, on_crash=on_crash)
    dies_in(stage, "invoke after")
    if paused_meanwhile:
        stage.at(500, ask(requests.pause)).at(700, ask(requests.resume))

    end = stage.drive()

    assert len(stage.invoker.begun) == times
    if on_crash is OnCrash.RERUN:
        assert end.exit_code is ExitCode.DONE
    else:
        assert stage.state().phase is Phase.PAUSED
        assert "its end is unknown; resume runs it again" in stage.state().paused_because


class DiesAt(Boundaries):
    """The process dies at the first boundary of this name."""

    def __init__(self, name):
        super().__init__()
        self.last = name

    def hit(self, name):
        super().hit(name)
        if name == self.last:
            raise Crash(name)


def dies_in(stage, boundary):
    with pytest.raises(Crash):
        drive(stage.process(DiesAt(boundary)), poll_s=5.0)


def test_a_guardrail_is_judged_while_the_end_of_a_dead_drivers_command_is_waited_for():
    """The way back does not wait for the command's time limit."""
    stage = running(lasts_s=300.0)
    dies_in(stage, "invoke after")
    stage.canary_goes_bad(400, query="floor")

    end = stage.drive()

    assert end.exit_code is ExitCode.JUDGED_BAD
    assert after_s(stage, events(stage, ev.Finished)[0]) < 500


def test_an_intent_that_the_journal_took_although_it_said_no_is_begun_once():
    """The same driver knows that it never began it, and does not wait for the limit."""
    stage = running(lasts_s=30.0)
    append, lost = stage.journal.append, []

    def loses_an_answer(rollout_id, batch, **arguments):
        head = append(rollout_id, batch, **arguments)
        keys = [event.key for event in batch if isinstance(event, ev.Intended)]
        if keys and ":1:" in keys[0] and not lost:
            lost.append(keys[0])
            raise JournalUnavailable("the disk does not answer")
        return head

    stage.journal.append = loses_an_answer

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
    assert lost
    assert len(stage.invoker.begun) == 1
    assert after_s(stage, events(stage, ev.Finished)[0]) < 300


def test_the_lease_is_kept_while_a_command_runs_and_the_command_ends_without_it():
    """Nobody can take over meanwhile; a driver that was overtaken ends its command."""
    stage = running(lasts_s=3_000.0)
    tries = []

    def overtake(on):
        with pytest.raises(LeaseHeld):
            on.journal.acquire_lease(ROLLOUT, "other", now=on.clock.now(), ttl_s=LEASE_TTL_S)
        tries.append(on.clock.now())

    stage.at(200, overtake).at(400, overtake)
    stage.at(
        600,
        lambda s: s.journal.acquire_lease(
            ROLLOUT, "other", now=s.clock.now(), ttl_s=LEASE_TTL_S, steal=True
        ),
    )

    end = stage.drive()

    assert len(tries) == 2
    assert end.stopped == "lost"
    stage.clock.advance(stage.invoker.grace_s)
    assert stage.invoker.at_work == []


def test_an_invokers_own_failure_reaches_the_driver():
    """What runs beside the driver swallows nothing: a dying process dies."""
    stage = running()

    class Broken:
        def result(self):
            raise Crash

        def end(self):
            raise AssertionError

    rollout = stage.process()
    for _ in range(200):
        if rollout.state.step is not None and rollout.state.step.index == 1:
            break
        tick(rollout)
        stage.clock.advance(5.0)
    rollout.invocations.add("r-test:1:0", Broken(), epoch=1)

    with pytest.raises(Crash):
        drive(rollout, poll_s=5.0)


def test_a_notification_that_takes_long_goes_beside_the_ticks():
    """A `notify` step uses the same door: begun under its intent, seen to its end later."""
    steps = (
        step(0, "canary", CanarySpec(canary=500), LLM, gates=()),
        step(1, "notify", NotifySpec(notify="half way"), LLM, gates=()),
    )
    stage = Stage(playbook(steps=steps))
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE
