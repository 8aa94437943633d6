"""When a step is begun, held longer, given up or left: gates before it, undecided ones, people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.playbook import GateLimits, OnInconclusive
from rolloutctl.core.ports import GiveUp
from rolloutctl.core.state import Phase
from rolloutctl.errors import ExitCode, WrongPhase
from rolloutctl.gates.threshold_spec import ThresholdSpec
from rolloutctl.runner import requests
from rolloutctl.steps.canary import Canary, CanarySpec
from worlds.rollouts import ACTOR, ROLLOUT, Stage, playbook, step

#: Between the limits: neither passes nor fails.
BETWEEN = 0.97


def book(*, before=(), gates=("open",), **limits):
    """One step of 5 %, judged by a gate that is undecided from 0.95 to 0.99."""
    steps = (
        step(0, "canary", CanarySpec(canary=500), ("llm",), gates=gates, before=before),
        step(1, "canary", CanarySpec(canary=10_000), ("llm",), gates=()),
    )
    plain = playbook(steps=steps)
    spec = ThresholdSpec(query="open", fail="< 0.95", pass_="> 0.99")
    gate = replace(
        plain.gates["success"],
        name="open",
        spec=spec,
        limits=GateLimits(interval_s=30.0, **limits),
    )
    return replace(plain, gates={**plain.gates, "open": gate})


def stage_with(answer, **changes):
    stage = Stage(book(**changes))
    stage.source.answers["open"] = answer if callable(answer) else lambda _at: answer
    stage.begin()
    return stage


def asks(make):
    def act(stage):
        requests.request(stage.journal, stage.clock, ROLLOUT, lambda state: make(state, ACTOR))

    return act


def promote(reason="", *, override=False):
    return asks(lambda state, actor: requests.promote(state, actor, reason, override=override))


def events_of(stage, kind):
    return [one.event for one in stage.journal.read(ROLLOUT) if isinstance(one.event, kind)]


def later(stage, seconds, then, until_then):
    """An answer that changes after so many seconds."""
    begin = stage.clock.now()
    stage.source.answers["open"] = lambda at: (
        then if (at - begin).total_seconds() >= seconds else until_then
    )


def test_nothing_is_written_before_the_gates_before_a_step_pass():
    """It waits at zero, then begins."""
    stage = stage_with(BETWEEN, before=("open",), gates=("success",))
    later(stage, 300, 0.995, BETWEEN)
    begun = stage.clock.now()

    assert stage.drive().exit_code is ExitCode.DONE
    written = next(one for one in stage.journal.read(ROLLOUT) if isinstance(one.event, ev.Intended))
    assert (written.at - begun).total_seconds() >= 300


def test_a_gate_that_fails_before_a_step_keeps_the_canary_at_zero():
    """Nobody was ever served it."""
    stage = stage_with(0.5, before=("open",), gates=("success",))

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD
    assert stage.exposures() == {"llm": ZERO}
    assert events_of(stage, ev.Intended) == []


def test_a_promotion_before_a_step_names_the_gates_that_do_not_pass():
    """Without an override it is refused, and the step goes on waiting."""
    stage = stage_with(BETWEEN, before=("open",), gates=("success",))
    stage.at(60, promote())
    later(stage, 200, 0.995, BETWEEN)
    stage.drive()

    [refused] = events_of(stage, ev.PromoteRefused)
    assert refused.gates == ("open",)


@pytest.mark.parametrize("before", [("open",), ()])
def test_an_undecided_gate_that_pauses_does(before):
    """At the end of the hold; before a step at once."""
    stage = stage_with(BETWEEN, before=before, on_inconclusive=OnInconclusive.PAUSE)
    stage.drive()

    assert stage.state().phase is Phase.PAUSED
    assert "gate open is inconclusive" in stage.state().paused_because


def test_an_undecided_gate_that_fails_takes_the_rollout_back():
    """As declared."""
    stage = stage_with(BETWEEN, on_inconclusive=OnInconclusive.FAIL)

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD
    assert stage.exposures() == {"llm": ZERO}


def test_a_step_is_held_longer_once_and_then_paused():
    """The hold again, and no second time."""
    stage = stage_with(BETWEEN, on_inconclusive=OnInconclusive.EXTEND_ONCE)
    stage.drive()

    assert len(events_of(stage, ev.HoldExtended)) == 1
    assert stage.state().phase is Phase.PAUSED
    assert stage.exposures() == {"llm": split(500)}


def test_an_undecided_gate_that_waits_goes_on_asking():
    """Until it passes."""
    stage = stage_with(BETWEEN, on_inconclusive=OnInconclusive.WAIT)
    later(stage, 600, 0.995, BETWEEN)

    assert stage.drive().exit_code is ExitCode.DONE
    assert events_of(stage, ev.HoldExtended) == []


def test_a_paused_rollout_is_promoted_by_an_override_only():
    """A plain promotion is refused at once, before anything is recorded, with what comes first."""
    stage = stage_with(BETWEEN, on_inconclusive=OnInconclusive.PAUSE)
    refused = []

    def promote_plainly(stage):
        with pytest.raises(WrongPhase) as raised:
            promote()(stage)
        refused.append(raised.value)

    stage.at(120, promote_plainly).at(180, promote("known and accepted", override=True))

    assert stage.drive().exit_code is ExitCode.DONE
    assert refused[0].hint.startswith(f"rolloutctl resume {ROLLOUT}, then rolloutctl promote")
    assert len(events_of(stage, ev.PromoteRequested)) == 1


def test_a_promotion_that_meets_a_pause_is_refused_by_the_driver_too():
    """Two processes ask at once, or an older version asks: the driver answers."""
    stage = stage_with(BETWEEN, on_inconclusive=OnInconclusive.PAUSE)
    plain = ev.PromoteRequested(actor=ACTOR)
    stage.at(120, asks(lambda _state, _actor: plain)).at(180, promote("accepted", override=True))

    assert stage.drive().exit_code is ExitCode.DONE
    [refused] = events_of(stage, ev.PromoteRefused)
    assert "resume it first" in refused.because


@pytest.mark.parametrize(("answer", "is_override"), [(0.995, False), (BETWEEN, True)])
def test_an_override_is_recorded_as_one_only_where_a_gate_was_gone_past(answer, is_override):
    """Whoever reads the journal later looks for what was overridden; the reason is kept anyway."""
    stage = stage_with(answer)
    stage.at(60, promote("urgent", override=True)).drive()

    left = events_of(stage, ev.StepLeft)[0]
    assert left.override is is_override
    assert "(urgent)" in left.because
    assert ("nothing was overridden" in left.because) is not is_override


def test_a_step_that_is_not_in_force_cannot_be_gone_past():
    """Paused before its write: there is nothing to promote from."""
    stage = stage_with(BETWEEN, before=("open",), on_inconclusive=OnInconclusive.PAUSE)
    stage.at(60, promote("urgent", override=True))
    stage.drive()

    [refused] = events_of(stage, ev.PromoteRefused)
    assert "not in force yet" in refused.because


def test_a_guardrail_may_stand_before_the_first_step_too():
    """Nothing is exposed yet, so it counts from the step's beginning; else it waits for ever."""
    stage = Stage(replace(book(before=("open",), warm_up_s=60.0), guardrails=("open",)))
    stage.source.answers["open"] = lambda _at: 1.0
    stage.begin()

    end = stage.drive()

    assert end.exit_code is ExitCode.DONE, end.because


def test_a_guardrail_that_fails_before_the_first_write_stops_it():
    """Nobody is exposed to find out."""
    stage = stage_with(0.995)
    stage.source.answers["floor"] = lambda _at: 0.5
    end = stage.drive()

    assert stage.exposures() == {"llm": ZERO}
    assert end.exit_code is not ExitCode.DONE


def test_a_step_kind_that_gives_up_takes_the_rollout_back(monkeypatch):
    """With its reason, whatever the gates say."""
    monkeypatch.setattr(Canary, "advance", lambda *_: GiveUp(because="no such weight"))
    stage = stage_with(0.995)

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD
    [started] = events_of(stage, ev.RollbackStarted)
    assert started.because.endswith("no such weight")
    assert stage.exposures() == {"llm": ZERO}


def growing():
    """Its gate passes, and the service takes ten minutes over each write."""
    stage = stage_with(0.995)
    steps = tuple(replace(step, hold_s=3_600.0, growth_s=600.0) for step in stage.playbook.steps)
    stage.playbook = replace(stage.playbook, steps=steps)
    return stage


def test_a_growth_is_not_left_by_a_plain_promotion():
    """Nobody would judge, or stop, the rest of it."""
    stage = growing()
    stage.at(60, promote("urgent")).drive()

    [refused] = events_of(stage, ev.PromoteRefused)
    assert "step canary-0: the service may grow it for 9m more" in refused.because


def test_a_growth_is_left_by_an_override_and_that_is_not_called_needless():
    """The journal says who left it."""
    stage = growing()
    stage.at(60, promote("urgent", override=True)).drive()

    left = events_of(stage, ev.StepLeft)[0]
    assert left.override
    assert left.because.endswith("(urgent); the service still grows it")


def test_after_the_growth_a_promotion_is_as_any_other():
    """Only the hold is cut short then."""
    stage = growing()
    stage.at(601, promote("urgent")).drive()

    assert not events_of(stage, ev.PromoteRefused)
    assert "(urgent)" in events_of(stage, ev.StepLeft)[0].because
