"""The step of an experiment writes a split and says how large its sample must be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rolloutctl.core import plan
from rolloutctl.core.effects import Expose
from rolloutctl.core.experiment import (
    Decide,
    Experiment,
    Metric,
    OnBetter,
    OnUndecided,
    TestPlan,
    Trial,
    Want,
)
from rolloutctl.core.exposure import ZERO, Condition, split
from rolloutctl.core.observation import Capabilities
from rolloutctl.core.planned import TargetSeen
from rolloutctl.core.playbook import OnFail, Playbook, Step
from rolloutctl.core.ports import Kinds, Leave, StepContext, StepProgress
from rolloutctl.steps.experiment import ExperimentSpec, ExperimentStep
from worlds.rollouts import target

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EXPERIMENT = Experiment(
    arms={"control": 5000, "canary": 5000},
    source="app",
    metric=Metric(success='won{arm="${arm.is}"}', total='seen{arm="${arm.is}"}'),
    want=Want.INCREASE,
    test=TestPlan(baseline=0.1, effect=0.05),
    decide=Decide(better=OnBetter.SHIP, worse=OnFail.ROLLBACK, inconclusive=OnUndecided.PAUSE),
)
SPEC = ExperimentSpec(experiment=EXPERIMENT)
STEP = Step(index=0, name="experiment", kind="experiment", spec=SPEC, targets=("llm",), hold_s=60.0)
BOOK = Playbook(
    name="p",
    document="{}",
    sha256="",
    targets={"llm": target("llm")},
    gates={},
    steps=(STEP,),
)


def test_it_writes_the_split_and_nothing_else():
    """To its one target; the audience stays what it says; its gate alone says when it is left."""
    audience = (Condition(attribute="region", values=("eu",)),)
    uneven = replace(EXPERIMENT, arms={"control": 9000, "canary": 1000})
    spec = ExperimentSpec(experiment=uneven, audience=audience)
    context = StepContext(playbook=BOOK, step=STEP, exposures={"llm": ZERO})
    progress = StepProgress(applied_at=NOW, hold_ends_at=NOW, outputs=())

    assert ExperimentStep().problems(spec, STEP) == ()
    assert ExperimentStep().plan(spec, context) == (
        Expose(target="llm", exposure=split(1000, audience=audience)),
    )
    assert isinstance(ExperimentStep().advance(spec, progress, NOW), Leave)


def test_its_gate_knows_the_experiment_and_the_hold():
    """A worse canary leads to what `decide` says."""
    gate = ExperimentStep().implied_gate(SPEC, STEP)

    assert gate.spec == Trial(experiment=EXPERIMENT, hold_s=60.0)
    assert (gate.kind, gate.source, gate.target) == ("experiment", "app", "llm")
    assert gate.on_fail is OnFail.ROLLBACK


@pytest.mark.parametrize(
    ("control_bp", "test", "planned"),
    [
        (5000, TestPlan(baseline=0.1, effect=0.05), (686, 686)),
        (5000, TestPlan(baseline=0.995, effect=-0.025), (431, 431)),
        (5000, TestPlan(baseline=0.5, effect=0.25, power=0.9), (77, 77)),
        (9000, TestPlan(baseline=0.1, effect=0.05), (3218, 358)),
    ],
)
def test_the_planned_sample_is_the_pooled_formulas(control_bp, test, planned):
    """Against R's power.prop.test for equal arms; the canary gets its share of the split."""
    arms = {"control": control_bp, "canary": 10_000 - control_bp}

    assert replace(EXPERIMENT, arms=arms, test=test).planned() == planned


def test_the_plan_says_how_many_units_it_takes():
    """Beside the write, before anything is written."""
    kinds = Kinds(gates={}, steps={"experiment": ExperimentStep()})
    seen = {"llm": TargetSeen(address="fake://llm", capabilities=Capabilities(), observation=None)}

    built = plan.build(BOOK, kinds, seen=seen)

    (said,) = built.steps[0].others
    assert said.startswith("judged once, at 686 units on control and 686 on canary (10% to 15%, ")
    assert said.endswith("alpha 5% two-sided, power 80%, pooled formula)")


def test_one_target_is_split():
    """The units of two would be two experiments."""
    two = replace(STEP, targets=("llm", "other"))

    ((key, message, fix),) = ExperimentStep().problems(SPEC, two)

    assert (key, fix) == ("experiment", "add target: one of llm, other")
    assert "one target" in message
    assert ExperimentStep().problems(SPEC, replace(STEP, targets=()))[0][2] == "name a target"
