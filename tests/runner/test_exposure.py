"""`verify_exposure` in whole rollouts: no step is left before the SDK serves what was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rolloutctl import playbook_file
from rolloutctl.cli.replay import replay_verdicts
from rolloutctl.cli.wiring import kinds
from rolloutctl.core import events as ev
from rolloutctl.core.exposure import split
from rolloutctl.core.exposure_gates import source_of, without_exposure_gates
from rolloutctl.core.measurement import Query, QueryKind
from rolloutctl.core.parse import parse_document
from rolloutctl.core.state import Phase
from rolloutctl.core.verdict import Outcome
from rolloutctl.errors import ExitCode, Rejected, Unauthorized, Unavailable
from rolloutctl.plugins import InstalledCatalog
from rolloutctl.runner import requests
from rolloutctl.runner.adapters import not_beside
from rolloutctl.runner.exposure_source import STAY_S, UNDER_WAY, ExposureSource, are_asking
from rolloutctl.testing import FakeProvider, FlagSpec
from worlds.rollouts import ACTOR, ROLLOUT, Stage
from worlds.two_arms import START

TEXT = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: verified
verify_exposure: true
targets:
  llm: {provider: flagd-file, file: /flags.json, flag: flag-llm, control: old, canary: new}
sources:
  fake: {kind: prometheus, url: "http://127.0.0.1:9"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 30s}
gates:
  floor: {kind: threshold, source: fake, query: floor, fail: "< 0.95"}
guardrails: [floor]
steps:
  - {canary: 5%, hold: 5m}
  - {wait: 1m}
  - {canary: 100%, hold: 1m}
limits: {deadline: 1d}
"""


#: How long a change takes to be everywhere.
PROPAGATION_S = 60.0


class Sdk(FakeProvider):
    """An SDK that something in front of the flag keeps from serving the intended share."""

    def __init__(self, world):
        super().__init__(world)
        self.sampled, self.shift, self.error = 0, 0, None
        self.capabilities = replace(self.capabilities, propagation_s=PROPAGATION_S)

    def sample(self, target, units, *, timeout_s):
        self.sampled += 1
        if self.error is not None:
            raise self.error
        counts = super().sample(target, units, timeout_s=timeout_s)
        canary = dict(counts.arms)["canary"] + self.shift
        return replace(counts, arms=(("control", units - canary), ("canary", canary)))


class Verified(Stage):
    """A stage whose target has an SDK."""

    #: how a sample is taken beside the ticks
    beside = staticmethod(not_beside)

    def adapters(self, boundaries):
        made = super().adapters(boundaries)
        target = self.playbook.targets["llm"]
        if not hasattr(self, "sdk"):
            self.sdk = Sdk(self.world)
        own = {source_of("llm"): ExposureSource(self.sdk, target, self.beside)}
        known = kinds(self.playbook, InstalledCatalog())
        return replace(made, kinds=known, sources={**made.sources, **own})


def book(tmp_path, text=TEXT):
    path = tmp_path / "verified.yaml"
    path.write_text(text)
    return playbook_file.load(path, inputs={}, env={}, catalog=InstalledCatalog())


@pytest.fixture
def stage(tmp_path):
    playbook = book(tmp_path)
    target = replace(playbook.targets["llm"], provider="fake", spec=FlagSpec(flag="flag-llm"))
    stage = Verified(replace(playbook, targets={"llm": target}))
    stage.begin()
    return stage


def judged(stage):
    events = [one.event for one in stage.journal.read(ROLLOUT)]
    return [one for one in events if isinstance(one, ev.GateJudged) and one.gate == "exposure"]


def test_steps_that_change_something_have_the_gate_and_no_others(tmp_path):
    """Also when the journal's document is read again; rehearsals leave it out."""
    playbook = book(tmp_path)

    assert [step.gates for step in playbook.steps] == [("exposure",), (), ("exposure",)]
    again = parse_document(playbook.document, InstalledCatalog())
    assert (again.gates, again.steps) == (playbook.gates, playbook.steps)
    plain = without_exposure_gates(playbook)
    assert set(plain.gates) == {"floor"}
    assert [step.gates for step in plain.steps] == [(), (), ()]


def test_each_of_several_targets_has_its_own(tmp_path):
    """And a gate of that name which is declared keeps its name."""
    two = TEXT.replace(
        "sources:",
        "  web: {provider: flagd-file, file: /w.json, flag: w, control: a, canary: b}\nsources:",
    ).replace(
        "gates:\n",
        'gates:\n  exposure-llm: {kind: threshold, source: fake, query: up, fail: "< 1"}\n',
        1,
    )

    steps = book(
        tmp_path, two.replace("guardrails: [floor]", "guardrails: [floor, exposure-llm]")
    ).steps

    assert steps[0].gates == ("exposure-llm-2", "exposure-web")


def test_an_audience_is_told_to_be_left_out(tmp_path):
    """Made-up units are in no audience."""
    place = 'project: default, environment: production, url: "http://127.0.0.1:4242", flag: f'
    unleash = f"{{provider: unleash, {place}, "
    text = TEXT.replace("{provider: flagd-file, file: /flags.json, flag: flag-llm, ", unleash)
    path = tmp_path / "audience.yaml"
    path.write_text(text.replace("%, hold", "%, audience: {beta: true}, hold"))

    told = playbook_file.lint(path, inputs={}, env={}, catalog=InstalledCatalog())

    assert [one.severity for one in told] == ["warning", "warning"]
    assert "verify_exposure cannot be done for llm: an audience or a cohort" in told[0].message


def test_a_rollout_whose_sdk_serves_what_is_written_reaches_the_end(stage):
    """Each exposure is asked for once, however long the step holds."""
    assert stage.drive().exit_code is ExitCode.DONE

    assert stage.exposures() == {"llm": split(10_000)}
    assert {one.record.verdict.outcome for one in judged(stage)} == {Outcome.PASS}
    assert stage.sdk.sampled == 2
    known = stage.adapters(None).kinds
    records = stage.journal.read(ROLLOUT)
    replayed = replay_verdicts(ROLLOUT, stage.playbook, known, records=records)
    assert all(one.is_identical for one in replayed)


def test_a_wrong_share_pauses_and_says_what_is_served(stage):
    """The second look counts: the first may have been too early. The weight stays."""
    stage.sdk.shift = 1_000

    assert stage.drive().stopped == "human"

    state = stage.state()
    assert state.phase is Phase.PAUSED
    assert "gate exposure failed: the SDK serves" in state.paused_because
    assert "intended 5%" in state.paused_because
    assert stage.exposures() == {"llm": split(500)}
    assert judged(stage)[-1].record.failures == 2


def test_after_resume_it_is_asked_again(stage):
    """Whoever mended what stood in front of the flag goes on."""
    stage.sdk.shift = 1_000
    stage.drive()
    stage.sdk.shift = 0

    resumed = ev.Resumed(actor=ACTOR, reapply=False)
    requests.request(stage.journal, stage.clock, ROLLOUT, lambda _state: resumed)

    assert stage.drive().exit_code is ExitCode.DONE


def test_a_share_that_is_wrong_only_while_the_change_spreads_pauses_nothing(stage):
    """However often it was looked at meanwhile."""
    stage.sdk.shift = 1_000
    stage.at(PROPAGATION_S - 5, lambda one: setattr(one.sdk, "shift", 0))

    assert stage.drive().exit_code is ExitCode.DONE

    early = judged(stage)[0].record.verdict
    assert early.outcome is Outcome.INCONCLUSIVE
    assert "the change may take until" in early.because
    assert stage.sdk.sampled > 4


def test_an_sdk_that_breaks_in_a_way_nobody_foresaw_ends_no_driver(stage):
    """It is an error of the gate, with its name; guardrails are judged on."""
    stage.sdk.error = KeyError("variants")
    stage.at(1_000, lambda one: setattr(one.sdk, "error", None))

    assert stage.drive().exit_code is ExitCode.DONE

    verdict = judged(stage)[0].record.verdict
    assert verdict.outcome is Outcome.ERROR
    assert "could not be asked: KeyError: 'variants'" in verdict.because


def test_an_sdk_that_is_down_holds_the_step(stage):
    """`on_error: wait`; once it answers the rollout goes on."""
    stage.sdk.error = Unavailable("no connection")
    stage.at(1_000, lambda one: setattr(one.sdk, "error", None))

    assert stage.drive().exit_code is ExitCode.DONE

    assert judged(stage)[0].record.verdict.outcome is Outcome.ERROR
    assert "the SDK could not be asked: no connection" in judged(stage)[0].record.verdict.because


class Held:
    """A sample that is under way until it is let go."""

    def __init__(self):
        self.works = []

    def __call__(self, work):
        self.works.append(work)
        self.how = None
        return self

    def result(self):
        return self.how

    def end(self):
        """Nothing to end."""


def asked(text):
    return Query(kind=QueryKind.EXPOSURE, text=text)


@pytest.fixture
def endless(stage):
    """A sample that is never done: the SDK hangs."""
    stage.beside = Held()
    return stage


def test_no_step_is_left_while_the_sdk_is_still_being_asked(endless):
    """Not by a promotion either; the one question is not asked twice."""
    endless.at(600, lambda one: requested(one, ev.PromoteRequested(actor=ACTOR)))
    endless.at(3_000, lambda one: requested(one, ev.KillRequested(actor=ACTOR, reason="enough")))

    endless.drive()

    events = [one.event for one in endless.journal.read(ROLLOUT)]
    assert not [one for one in events if isinstance(one, ev.StepLeft)]
    assert len(endless.beside.works) == 1
    assert judged(endless)[0].record.verdict.because == UNDER_WAY


def test_a_guardrail_is_judged_while_the_sdk_is_being_asked(endless):
    """It fails at 100 s; the way back begins within its interval."""
    endless.canary_goes_bad(100, query="floor")

    assert endless.drive().exit_code is ExitCode.JUDGED_BAD

    began = next(
        one for one in endless.journal.read(ROLLOUT) if isinstance(one.event, ev.RollbackStarted)
    )
    assert (began.at - endless.journal.read(ROLLOUT)[0].at).total_seconds() <= 131
    assert endless.exposures() == {"llm": split(0)}
    assert endless.beside.how is None


def test_a_kill_is_not_delayed_by_the_sdk(endless):
    """The driver sees the fence at its next look, with the sample still under way."""
    endless.at(100, lambda one: requested(one, ev.KillRequested(actor=ACTOR, reason="enough")))

    assert endless.drive().exit_code is ExitCode.KILLED

    records = endless.journal.read(ROLLOUT)
    assert (records[-1].at - records[0].at).total_seconds() < 120
    assert endless.exposures() == {"llm": split(0)}
    assert endless.beside.how is None


def requested(stage, event):
    requests.request(stage.journal, stage.clock, ROLLOUT, lambda _state: event)


def test_the_answer_is_under_way_until_the_sdk_has_ended(stage):
    """Nobody waits for it; what was asked before another change does not answer for it."""
    held = Held()
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], held)

    first = source.query(asked("canary 500"), START)
    second = source.query(asked("canary 500"), START)
    third = source.query(asked("canary 2500"), START)
    held.how = held.works[1](None)
    done = source.query(asked("canary 2500"), START)

    assert (first.detail, second.detail, third.detail) == (UNDER_WAY,) * 3
    assert (first.samples, len(held.works)) == ((), 2)
    assert dict(done.samples[2].labels) == {"count": "units"}


def test_a_pass_stays_for_an_answer_and_not_for_ever(stage):
    """`tick` would lose it: a new process begins a new sample."""
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], Held())
    later = START + timedelta(seconds=STAY_S)

    before = are_asking([stage.source, source], START)
    source.query(asked("canary 500"), START)

    assert (before, are_asking([stage.source, source], START)) == (False, True)
    assert not are_asking([source], later)


def test_a_failed_sample_is_asked_again_at_the_next_look(stage):
    """An error is told once, and not remembered."""
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], not_beside)
    stage.sdk.error = Unavailable("no connection")
    with pytest.raises(Unavailable, match="no connection"):
        source.query(asked("canary 500"), START)
    stage.sdk.error = None

    assert source.query(asked("canary 500"), START).samples


def test_a_target_whose_sdk_cannot_be_asked_is_refused_before_the_rollout(stage):
    """Not found out at the end of the first hold."""
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], not_beside)

    (good,) = source.probe()
    stage.sdk.error = Rejected("no SDK key", hint="set it")
    (bad,) = source.probe()

    assert (good.severity, bad.severity) == ("ok", "refuse")
    assert (bad.message, bad.hint) == ("verify_exposure, target llm: no SDK key", "set it")


def test_a_target_that_cannot_be_seen_is_told_once_and_not_by_its_sdk_too(stage):
    """A wrong admin token is no fault of `verify_exposure`."""
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], not_beside)
    stage.sdk.error = Unauthorized("no token that this server knows")

    del stage.world.flags["flag-llm"]

    assert source.probe() == []


def test_a_missing_key_of_the_sdk_names_who_asked_for_it(stage):
    """Without this key everything but `verify_exposure` works."""
    source = ExposureSource(stage.sdk, stage.playbook.targets["llm"], not_beside)
    stage.sdk.error = Unauthorized("UNLEASH_CLIENT_TOKEN is not set", hint="export it")

    with pytest.raises(Unauthorized, match="verify_exposure, target llm: UNLEASH") as caught:
        source.probe()

    assert caught.value.hint == "export it"
