"""The process dies at every I/O boundary, once, in every scenario; the end is the same.

"Landed and not landed" are the boundaries after and before a call; `late` scenarios also
let a request that left just before the death land up to the write timeout later.
"""

from __future__ import annotations

import contextlib

import pytest

from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.playbook import OnDrift
from rolloutctl.core.state import Phase
from rolloutctl.runner import requests
from rolloutctl.runner.fence import kill_rollout
from rolloutctl.runner.kill import in_turn
from rolloutctl.runner.kill_account import orders_of
from rolloutctl.steps.canary import CanarySpec
from rolloutctl.steps.run import Invocation, OnCrash, RunSpec
from worlds.rollouts import ACTOR, ROLLOUT, Boundaries, Crash, Stage, playbook, step

pytestmark = pytest.mark.crash

TWO = ("llm", "prompt")


def ask(make):
    def act(stage):
        requests.request(stage.journal, stage.clock, ROLLOUT, lambda state: make(state, ACTOR))

    return act


def promoted(**options):
    return Stage(playbook(), **options)


def two_targets(**options):
    return Stage(playbook(targets=TWO), **options)


def rolled_back(**options):
    return Stage(playbook(targets=TWO), **options).canary_goes_bad(100)


def paused(**options):
    stage = Stage(playbook(), **options)
    return stage.at(80, ask(requests.pause)).at(200, ask(requests.resume))


def rejected(**options):
    return Stage(playbook(confirm=True), **options).at(300, ask(requests.reject))


def drift_aborted(**options):
    stage = Stage(playbook(on_drift=OnDrift.ABORT), **options)
    return stage.at(150, lambda s: s.world.edit("flag-llm", exposure=split(4200)))


def drift_reapplied(**options):
    stage = Stage(playbook(on_drift=OnDrift.REAPPLY, deadline_s=2000.0), **options)
    return stage.at(150, lambda s: s.world.edit("flag-llm", exposure=split(4200)))


def killed(**options):
    """The kill's own process dies after the fence; whoever drives completes the kill."""
    stage = Stage(playbook(targets=TWO), **options)
    return stage.at(95, ask(requests.kill))


def with_a_command(*, on_crash=OnCrash.RERUN, **options):
    """5 %, a command that lasts, all of it."""
    run = RunSpec(run=Invocation(command=("migrate",), timeout_s=30.0, on_crash=on_crash))
    steps = (
        step(0, "canary", CanarySpec(canary=500), ("llm",)),
        step(1, "run", run, ("llm",), gates=()),
        step(2, "canary", CanarySpec(canary=10000), ("llm",)),
    )
    stage = Stage(playbook(steps=steps), **options)
    stage.invoker.lasts_s = 20.0
    return stage


def command_ended_by_a_guardrail(**options):
    return with_a_command(**options).canary_goes_bad(110, query="floor")


def command_ended_by_a_kill(**options):
    return with_a_command(**options).at(95, ask(requests.kill))


SCENARIOS = [
    promoted,
    with_a_command,
    command_ended_by_a_guardrail,
    command_ended_by_a_kill,
    two_targets,
    rolled_back,
    paused,
    rejected,
    drift_aborted,
    killed,
]
WORLDS = [
    pytest.param({"conditional": False, "late": False}, id="plain"),
    pytest.param({"conditional": False, "late": True}, id="plain-late"),
    pytest.param({"conditional": True, "late": True}, id="conditional-late"),
]


@pytest.mark.parametrize("away_s", [0.0, 45.0])
@pytest.mark.parametrize("options", WORLDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_dying_anywhere_changes_nothing(scenario, options, away_s):
    """For each boundary: die there, go on in a new process, end as if nothing had been."""
    calm = scenario(**options)
    calm.begin()
    boundaries = Boundaries()
    calm.drive(boundaries)
    expected = calm.final()

    for dies_at in range(1, boundaries.count + 1):
        stage = scenario(**options)
        stage.begin()

        _, died_at = stage.drive_with_crash(dies_at, away_s=away_s)

        where = f"died at {dies_at} of {boundaries.count}: {died_at}"
        assert stage.final() == expected, where
        assert_only_planned(stage, where)


@pytest.mark.parametrize("away_s", [0.0, 45.0])
def test_dying_anywhere_runs_no_command_twice(away_s):
    """Its end is known, or somebody is asked; what followed without a death follows the answer."""
    options = {"on_crash": OnCrash.ASK, "conditional": True}
    calm = with_a_command(**options)
    calm.begin()
    boundaries = Boundaries()
    calm.drive(boundaries)
    asked = 0

    for dies_at in range(1, boundaries.count + 1):
        stage = with_a_command(**options)
        stage.begin()

        end, died_at = stage.drive_with_crash(dies_at, away_s=away_s)

        where = f"died at {dies_at} of {boundaries.count}: {died_at}"
        assert len(stage.invoker.begun) <= 1, where
        if stage.state().phase is Phase.PAUSED:
            asked += 1
            assert "its end is unknown" in stage.state().paused_because, where
            ask(lambda state, actor: requests.promote(state, actor, override=True))(stage)
            end = stage.drive()
        assert end.exit_code == 0, where
        assert stage.exposures() == {"llm": split(10000)}, where
    assert asked


def assert_only_planned(stage, where):
    """No weight outside the plan was ever in force, and nothing after a kill but zero."""
    allowed = stage.planned_exposures()
    killed_at = stage.state().killed_at
    for _, flag, exposure, key in stage.world.served:
        assert exposure in allowed, f"{where}: {flag} served {exposure} ({key})"
    if killed_at is not None and stage.state().phase is Phase.KILLED:
        assert set(stage.exposures().values()) == {ZERO}, where
        intents = [
            record
            for record in stage.journal.read(ROLLOUT)
            if isinstance(record.event, ev.Intended) and record.at > killed_at
        ]
        assert not intents, where


@pytest.mark.parametrize("options", WORLDS)
def test_the_killer_dies_anywhere(options):
    """A kill process that dies at any boundary leaves a kill that is completed, or none."""
    counted = count_kill_boundaries(options)

    for dies_at in range(1, counted + 1):
        stage = Stage(playbook(targets=TWO), **options)
        stage.begin()
        boundaries = Boundaries(dies_at=dies_at)
        stage.at(95, lambda s, b=boundaries: killer(s, b))

        end = stage.drive()

        fenced = stage.state().killed_at is not None
        assert fenced == (end.exit_code == 13), f"died at {dies_at}"
        expected = {ZERO} if fenced else {split(10000)}
        stage.clock.advance(60.0)
        assert set(stage.exposures().values()) == expected, f"died at {dies_at}"


def killer(stage, boundaries):
    """The kill switch as a process of its own, which may die."""
    rollout = stage.process_view(boundaries)
    fence = ev.KillRequested(actor=ACTOR)
    with contextlib.suppress(Crash):
        kill_rollout(
            ROLLOUT,
            orders_of(rollout),
            journal=rollout.journal,
            clock=stage.clock,
            fence=fence,
            fan_out=in_turn,
        )


def count_kill_boundaries(options) -> int:
    stage = Stage(playbook(targets=TWO), **options)
    stage.begin()
    boundaries = Boundaries()
    stage.at(95, lambda s: killer(s, boundaries))
    stage.drive()
    return boundaries.count
