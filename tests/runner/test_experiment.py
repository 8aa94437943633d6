"""An A/B experiment in whole rollouts: it ships, goes back or asks, as it declares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolloutctl import playbook_file
from rolloutctl.cli.replay import replay_verdicts
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.parse import parse_document
from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import ExitCode
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner import requests
from rolloutctl.testing import FlagSpec
from worlds.rollouts import ACTOR, KINDS, ROLLOUT, Boundaries, Crash, Stage

PER_S = 4.0
TEXT = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: ab
targets:
  llm: {provider: flagd-file, file: /flags.json, flag: flag-llm, control: old, canary: new}
sources:
  fake: {kind: prometheus, url: "http://127.0.0.1:9"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 30s}
gates:
  floor: {kind: threshold, source: fake, query: floor, fail: "< 0.95"}
guardrails: [floor]
steps:
  - experiment:
      arms: {control: 50%, canary: 50%}
      source: fake
      metric:
        success: 'won{arm="${arm.is}"}'
        total: 'seen{arm="${arm.is}"}'
      want: increase
      test: {baseline: 10%, effect: +5pp}
      decide: {better: ship, worse: rollback, inconclusive: pause}
    hold: 5m
  - {canary: 100%, hold: 1m}
limits: {deadline: 1d}
"""


class Application:
    """Units by arm, split by what the flag serves; a fixed share of each arm's succeeds."""

    def __init__(self, stage, shares, *, skew=0.0):
        self.counts = {(what, arm): 0.0 for what in ("won", "seen") for arm in shares}
        self.shares, self.skew = shares, skew
        self.stage, self.at = stage, stage.clock.now()
        stage.clock.hooks.append(self.run)
        for what, arm in self.counts:
            stage.source.answers[f'{what}{{arm="{arm}"}}'] = lambda _at, key=(what, arm): (
                self.counts[key]
            )

    def run(self, now):
        passed_s, self.at = (now - self.at).total_seconds(), now
        canary = self.stage.world.flags["flag-llm"].exposure.canary_bp / 10_000 + self.skew
        for arm, part in (("old", 1 - canary), ("new", canary)):
            self.counts["seen", arm] += PER_S * passed_s * part
            self.counts["won", arm] += PER_S * passed_s * part * self.shares[arm]


@pytest.fixture
def stage_with(tmp_path):
    def made(new, *, old=0.1, skew=0.0, text=TEXT):
        path = tmp_path / "ab.yaml"
        path.write_text(text)
        book = playbook_file.load(path, inputs={}, env={}, catalog=InstalledCatalog())
        target = replace(book.targets["llm"], provider="fake", spec=FlagSpec(flag="flag-llm"))
        stage = Stage(replace(book, targets={"llm": target}))
        Application(stage, {"old": old, "new": new}, skew=skew)
        stage.begin()
        return stage

    return made


def events_of(stage, kind):
    return [one.event for one in stage.journal.read(ROLLOUT) if isinstance(one.event, kind)]


def last_judged(stage):
    return [one for one in events_of(stage, ev.GateJudged) if one.gate == "experiment"][-1]


def ask(make):
    return lambda stage: requests.request(stage.journal, stage.clock, ROLLOUT, make)


def test_the_journals_document_is_the_same_playbook(stage_with):
    """The implied gate is made anew, under the same name, from what the journal keeps."""
    stage = stage_with(0.1)

    again = parse_document(stage.playbook.document, InstalledCatalog())

    assert again.gates == stage.playbook.gates
    assert again.steps == stage.playbook.steps
    assert again.steps[0].gates == ("experiment",)


def test_a_better_canary_is_shipped(stage_with):
    """15 % against 10 %: the step is left once 686 units an arm were seen, then 100 %."""
    stage = stage_with(0.16)

    assert stage.drive().exit_code is ExitCode.DONE

    assert [one for _, _, one, _ in stage.world.served] == [split(5000), split(10_000)]
    verdict = last_judged(stage).record.verdict
    assert verdict.outcome is Outcome.PASS
    assert verdict.because.startswith("better, ship as declared: canary 16% of ")
    found = dict(verdict.numbers)
    assert found["control_total"] == found["canary_total"] >= 686
    assert found["interval_low"] < found["effect"] < found["interval_high"]


def test_a_worse_canary_is_taken_back(stage_with):
    """Not before the planned sample, and then at once."""
    stage = stage_with(0.05)

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD

    assert stage.exposures() == {"llm": ZERO}
    (rollback,) = events_of(stage, ev.RollbackStarted)
    assert "gate experiment failed: worse, rollback as declared" in rollback.because
    assert dict(last_judged(stage).record.verdict.numbers)["control_total"] >= 686


def test_a_worse_canary_pauses_where_that_is_declared(stage_with):
    """The weight stays, a person is asked."""
    stage = stage_with(0.05, text=TEXT.replace("worse: rollback", "worse: pause"))

    assert stage.drive().stopped == "human"
    assert stage.exposures() == {"llm": split(5000)}


def test_an_inconclusive_result_pauses_and_a_person_may_ship_it(stage_with):
    """`promote --override` goes past it, and the record says so."""
    stage = stage_with(0.1)
    assert stage.drive().stopped == "human"
    (paused,) = events_of(stage, ev.Paused)
    assert "gate experiment is inconclusive: inconclusive, pause as declared" in paused.because

    asked = ev.PromoteRequested(actor=ACTOR, override=True, full=False)
    ask(lambda _state: asked)(stage)

    assert stage.drive().exit_code is ExitCode.DONE
    assert stage.exposures() == {"llm": split(10_000)}


@pytest.mark.parametrize(
    ("declared", "code", "bp"),
    [("ship", ExitCode.DONE, 10_000), ("rollback", ExitCode.JUDGED_BAD, 0)],
)
def test_an_inconclusive_result_may_ship_or_go_back(stage_with, declared, code, bp):
    """As declared, without a person."""
    text = TEXT.replace("inconclusive: pause", f"inconclusive: {declared}")
    stage = stage_with(0.1, text=text)

    assert stage.drive().exit_code is code
    assert stage.exposures() == {"llm": split(bp)}


@pytest.mark.parametrize("declared", ["pause", "ship", "rollback"])
def test_a_broken_split_pauses_whatever_is_declared(stage_with, declared):
    """60:40 where 50:50 is served: the difference could be who was counted, not what they did."""
    text = TEXT.replace("inconclusive: pause", f"inconclusive: {declared}")
    stage = stage_with(0.3, skew=0.1, text=text)

    assert stage.drive().stopped == "human"

    assert stage.exposures() == {"llm": split(5000)}
    assert "sample ratio mismatch" in events_of(stage, ev.Paused)[0].because


def test_it_is_not_left_before_the_planned_sample_whatever_the_clock_says(stage_with):
    """The hold is over after 5 minutes, the units are there after 6; promote is refused."""
    stage = stage_with(0.5)
    stage.at(310, ask(lambda state: requests.promote(state, ACTOR)))

    assert stage.drive().exit_code is ExitCode.DONE

    (refused,) = events_of(stage, ev.PromoteRefused)
    assert "of 686 units on control" in refused.because


def test_too_few_units_end_at_the_deadline_undecided(stage_with):
    """Exit 11: the weight is held, nothing was concluded."""
    text = TEXT.replace("deadline: 1d", "deadline: 5m30s").replace("hold: 1m", "hold: 10s")
    stage = stage_with(0.5, text=text)

    assert stage.drive().exit_code is ExitCode.INCONCLUSIVE
    assert stage.exposures() == {"llm": split(5000)}


def test_a_killed_experiment_is_killed_and_never_ships(stage_with):
    """Even if the sample was one look away from a better canary."""
    stage = stage_with(0.5)
    stage.at(340, ask(lambda state: requests.kill(state, ACTOR, "enough")))

    assert stage.drive().exit_code is ExitCode.KILLED

    assert stage.exposures() == {"llm": ZERO}
    assert events_of(stage, ev.StepLeft) == []
    (finished,) = events_of(stage, ev.Finished)
    assert finished.finished_as is ev.FinishedAs.KILLED


def test_a_guardrail_goes_on_during_the_experiment(stage_with):
    """A canary that breaks is taken back long before its sample is there."""
    stage = stage_with(0.5)
    stage.canary_goes_bad(60, query="floor")

    assert stage.drive().exit_code is ExitCode.JUDGED_BAD
    (rollback,) = events_of(stage, ev.RollbackStarted)
    assert rollback.cause is ev.Cause.GUARDRAIL
    assert dict(last_judged(stage).record.verdict.numbers)["control_total"] < 686


def test_a_source_that_falls_silent_only_makes_it_longer(stage_with):
    """No data is no verdict; the experiment ends when the units are there."""
    stage = stage_with(0.5)
    answer = dict(stage.source.answers)

    def silence(one):
        for text in answer:
            if text.startswith(("won", "seen")):
                del one.source.answers[text]

    stage.at(120, silence)
    stage.at(240, lambda one: one.source.answers.update(answer))

    assert stage.drive().exit_code is ExitCode.DONE
    silent = [
        one
        for one in events_of(stage, ev.GateJudged)
        if one.record.verdict.outcome is Outcome.NO_DATA
    ]
    assert silent
    assert stage.exposures() == {"llm": split(10_000)}


@pytest.mark.parametrize("new", [0.05, 0.1, 0.16])
def test_every_verdict_can_be_computed_again_from_the_journal(stage_with, new):
    """Bit for bit: the result too, long after the units were counted."""
    stage = stage_with(new)
    stage.drive()

    replayed = replay_verdicts(ROLLOUT, stage.playbook, KINDS, records=stage.journal.read(ROLLOUT))

    assert len(replayed) > 3
    assert all(one.is_identical for one in replayed)


def boundaries_of(stage):
    seen = Boundaries()
    stage.drive(seen)
    return seen.count


@pytest.mark.crash
@pytest.mark.parametrize("new", [0.05, 0.16])
def test_a_driver_that_dies_anywhere_ends_where_the_others_end(stage_with, new):
    """At each of its I/O boundaries; the journal carries the counts and the result."""
    whole = stage_with(new)
    count = boundaries_of(whole)

    for dies_at in range(1, count + 1):
        broken = stage_with(new)
        try:
            end = broken.drive(Boundaries(dies_at=dies_at))
        except Crash:
            broken.clock.advance(20.0)
            end = broken.drive()
        assert end.exit_code in {ExitCode.DONE, ExitCode.JUDGED_BAD}
        assert broken.exposures() == whole.exposures(), dies_at
        assert broken.process_view(Boundaries()).state.phase in {
            Phase.SUCCEEDED,
            Phase.ROLLED_BACK,
        }


def test_a_pause_of_an_operator_loses_no_unit_but_those_of_the_pause(stage_with):
    """Resumed, it goes on with what it had counted."""
    whole, paused = stage_with(0.5), stage_with(0.5)
    whole.drive()
    paused.at(180, ask(lambda state: requests.pause(state, ACTOR)))
    paused.at(480, ask(lambda state: requests.resume(state, ACTOR)))

    assert paused.drive().exit_code is ExitCode.DONE

    longer_s = (paused.clock.now() - whole.clock.now()).total_seconds()
    assert 300 <= longer_s <= 300 + 3 * 30


def test_whoever_resumes_past_a_result_gets_the_same_result(stage_with):
    """Not a second test on more units: those would find what is not there."""
    stage = stage_with(0.1)
    stage.drive()
    before = last_judged(stage).record.verdict

    ask(lambda state: requests.resume(state, ACTOR))(stage)

    assert stage.drive().stopped == "human"
    assert len(events_of(stage, ev.Paused)) == 2
    assert last_judged(stage).record.verdict == before
