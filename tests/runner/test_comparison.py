"""A gate that compares arms, in whole rollouts: one evidence for all steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl.cli.replay import replay_verdicts
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import split
from rolloutctl.core.playbook import Arm, Gate, GateLimits
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import ExitCode
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.runner import requests
from rolloutctl.steps.canary import CanarySpec
from worlds.rollouts import ACTOR, KINDS, ROLLOUT, Stage, playbook, step

PER_S = 50.0
GATE = Gate(
    name="worse",
    kind="compare",
    source="fake",
    spec=CompareSpec(
        bad='bad{arm="${arm.is}"}',
        total='all{arm="${arm.is}"}',
    ),
    limits=GateLimits(interval_s=30.0, warm_up_s=30.0),
)


class Service:
    """Counters of both arms: requests split by what the flag serves at the moment."""

    def __init__(self, stage, *, bad_share):
        self.counts = {(what, arm): 0.0 for what in ("bad", "all") for arm in ("old", "new")}
        self.bad_share = bad_share
        self.stage, self.at = stage, stage.clock.now()
        stage.clock.hooks.append(self.run)
        for what, arm in self.counts:
            stage.source.answers[f'{what}{{arm="{arm}"}}'] = lambda _at, key=(what, arm): (
                self.counts[key]
            )

    def run(self, now):
        passed_s, self.at = (now - self.at).total_seconds(), now
        share = self.stage.world.flags["flag-llm"].exposure.canary_bp / 10_000
        for arm, part in (("old", 1 - share), ("new", share)):
            self.counts["all", arm] += PER_S * passed_s * part
            self.counts["bad", arm] += PER_S * passed_s * part * self.bad_share[arm]


def stage_with(*, bad_share, hold_s=600.0, confirm=False):
    steps = tuple(
        replace(
            step(index, "canary", CanarySpec(canary=weight), ("llm",), gates=gates),
            hold_s=hold_s,
            confirm=confirm and index == 0,
        )
        for index, (weight, gates) in enumerate(
            ((500, ("worse",)), (2500, ("worse",)), (10_000, ("success",)))
        )
    )
    book = playbook(steps=steps)
    stage = Stage(replace(book, gates={**book.gates, "worse": GATE}))
    Service(stage, bad_share=bad_share)
    stage.begin()
    return stage


def judged(stage):
    return [
        one.event
        for one in stage.journal.read(ROLLOUT)
        if isinstance(one.event, ev.GateJudged) and one.event.gate == "worse"
    ]


def test_a_canary_like_control_is_promoted_to_the_end():
    """Equal shares pass at 5 % and at 25 %."""
    stage = stage_with(bad_share={"old": 0.01, "new": 0.01})

    assert stage.drive().exit_code is ExitCode.DONE
    assert stage.exposures() == {"llm": split(10_000)}


def test_a_worse_canary_is_taken_back_in_the_first_step():
    """Four times the failures at 5 % of 50 requests per second need some minutes."""
    stage = stage_with(bad_share={"old": 0.01, "new": 0.04})

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD
    assert stage.exposures() == {"llm": split(0)}
    assert judged(stage)[-1].step == 0


def test_evidence_of_the_first_step_counts_in_the_second():
    """The process goes on, the events of the step begin anew."""
    stage = stage_with(bad_share={"old": 0.01, "new": 0.011})
    stage.drive()
    first = next(one for one in judged(stage) if one.step == 1)

    assert first.previous is not None
    assert first.previous.judgements == 0
    assert first.previous.evidence["process"] is not None
    assert first.record.verdict.outcome is Outcome.INCONCLUSIVE
    assert first.record.evidence["canary"] == {}


def test_an_operator_who_goes_past_the_gate_leaves_its_evidence_behind():
    """Or the next step would end at its first look."""
    stage = stage_with(bad_share={"old": 0.01, "new": 0.011})
    asked = ev.PromoteRequested(actor=ACTOR, override=True, full=False)
    stage.at(
        120,
        lambda one: requests.request(one.journal, one.clock, ROLLOUT, lambda _state: asked),
    )
    stage.drive()
    first = next(one for one in judged(stage) if one.step == 1)

    assert first.previous is None


@pytest.mark.parametrize("canary", [0.01, 0.04])
def test_every_verdict_can_be_computed_again_from_the_journal(canary):
    """Bit for bit, across steps."""
    stage = stage_with(bad_share={"old": 0.01, "new": canary})
    stage.drive()

    replayed = replay_verdicts(ROLLOUT, stage.playbook, KINDS, records=stage.journal.read(ROLLOUT))

    assert len(replayed) > 3
    assert all(one.is_identical for one in replayed)


def test_a_driver_that_died_goes_on_with_the_evidence_it_left():
    """What the journal carries is enough."""
    whole = stage_with(bad_share={"old": 0.01, "new": 0.02})
    whole.drive()
    broken = stage_with(bad_share={"old": 0.01, "new": 0.02})
    broken.drive_with_crash(30, away_s=20.0)

    assert broken.exposures() == whole.exposures()


def test_an_arms_target_is_the_only_one():
    """With one target a gate need not say whose arms it compares."""
    book = stage_with(bad_share={"old": 0.01, "new": 0.01}).playbook

    assert book.targets["llm"].control == Arm(name="control", value="old")
    assert book.gates["worse"].target == ""
