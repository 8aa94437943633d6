"""A certificate tells a playbook that keeps its word from one that does not."""

import pytest

from rolloutctl.errors import ExitCode, RolloutctlError
from rolloutctl.simulation import certify as certifying
from rolloutctl.simulation.certificate import Case, Certificate, Tally
from rolloutctl.simulation.certify import cases_of, certify
from rolloutctl.simulation.scenario import prepare
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.traffic import Climate
from rolloutctl.ui.certify_view import Certified, certificate_text
from worlds.rehearsals import COMPARED, HEAD, JUMPY, STEADY, given_of

RUNS = 24


def cases(text, folder, *, rate=50.0, runs=RUNS, **more):
    given = given_of(text, folder)
    scenario = prepare(given, answers={}, climate=Climate(requests_per_s=rate))
    return cases_of(scenario, runs=runs, **more)


@pytest.mark.long
def test_one_percent_over_one_minute_at_low_traffic_is_found_bad(tmp_path):
    """5 requests a second, 5 % of them: one failure in a minute is more than 1 %."""
    found = certify(cases(JUMPY, tmp_path, rate=5.0), claim=0.05, jobs=1)

    assert found.exit_code == ExitCode.JUDGED_BAD
    assert found.healthy.rate == 1.0
    assert found.broken == ("steady", "diurnal", "bursty", "autocorrelated")
    assert found.healthy.gates["errors"] == RUNS


@pytest.mark.long
@pytest.mark.parametrize("text", [STEADY, COMPARED])
def test_a_playbook_that_keeps_its_word_is_not_called_broken(tmp_path, text):
    """No healthy rollout is taken back, every harmed one is."""
    found = certify(cases(text, tmp_path, effects=[_effect(text)]), claim=0.05, power=0.8, jobs=1)

    assert found.exit_code == ExitCode.DONE
    assert found.healthy.rate <= 0.05
    (_, harmed) = found.cases[-1]
    assert harmed.aborted + harmed.early == harmed.runs
    assert len(harmed.delays_s) == harmed.aborted


def _effect(text):
    return "worse=5% at 5% after 5m" if text is COMPARED else "errors=20% at 5% after 5m"


@pytest.mark.long
def test_harm_that_nobody_sees_breaks_a_stated_power(tmp_path):
    """A limit of 5 % does not see 2 %."""
    found = certify(
        cases(STEADY, tmp_path, effects=["errors=2%"], shapes=(Shape.STEADY,), runs=4),
        claim=0.05,
        power=0.8,
        jobs=1,
    )

    assert found.exit_code == ExitCode.JUDGED_BAD
    assert found.broken == ()
    assert [case.name for case, _ in found.missed] == ["errors=2%"]


@pytest.mark.long
def test_the_number_of_processes_changes_nothing(tmp_path):
    """Only the seed does."""
    short = cases(JUMPY, tmp_path, rate=5.0, runs=30, shapes=(Shape.STEADY,))

    alone, together = (certify(short, claim=0.05, jobs=jobs) for jobs in (1, 2))

    assert repr(alone.cases[0][1]) == repr(together.cases[0][1])


def test_traffic_that_can_never_decide_is_stalled_and_never_good(tmp_path):
    """Fewer requests than a minimum sample: neither aborted nor completed."""
    (case,) = cases(
        STEADY.replace("min_sample: 100", "min_sample: 1000000"),
        tmp_path,
        runs=1,
        shapes=(Shape.STEADY,),
    )[:1]
    found = certify([case], claim=0.05, jobs=1)

    assert (found.healthy.stalled, found.healthy.completed) == (1, 0)
    assert not found.is_shown


def test_without_stated_effects_every_acting_gate_is_harmed_once(tmp_path):
    """Gates that share a number share the harm."""
    shared = STEADY.replace(
        "steps:",
        """  floor:
    kind: threshold
    source: app
    bad: 'requests_total{model="${canary.labels.model}",status="500"}'
    total: 'requests_total{model="${canary.labels.model}"}'
    window: 5m
    fail: "> 10%"
guardrails: [floor]
steps:""",
    )
    harmed = [case.name for case in cases(shared, tmp_path) if case.is_harmed]

    assert harmed == ["errors=3x", "p99=3x", "cost=2x"]


def test_a_drive_that_differs_from_the_engine_is_a_bug_not_a_certificate(tmp_path, monkeypatch):
    """The comparison inside every certificate can fail."""
    played = certifying.play

    def crooked(scenario, seed, **more):
        return played(scenario, seed if more else f"{seed} another", **more)

    monkeypatch.setattr(certifying, "play", crooked)

    with pytest.raises(RolloutctlError, match="differently"):
        certify(cases(JUMPY, tmp_path, rate=5.0, runs=1), claim=0.05, jobs=1)


@pytest.mark.parametrize(
    ("aborted", "broken", "shown"),
    [(0, False, True), (25, False, False), (50, False, False), (110, True, False)],
)
def test_a_claim_is_broken_or_shown_only_beyond_chance(tmp_path, aborted, broken, shown):
    """1,000 runs against a claim of 5 %, at 99.9 %."""
    (case, *_) = cases(HEAD + "steps: [{canary: 5%, hold: 1h}]", tmp_path)
    tally = Tally(runs=1_000, aborted=aborted, completed=1_000 - aborted)
    certificate = Certificate(cases=((case, tally),), claim=0.05)

    assert bool(certificate.broken) is broken
    assert certificate.is_shown is (shown or aborted == 25)
    assert isinstance(case, Case)


def test_a_harm_is_rehearsed_a_tenth_as_often_and_at_least_twenty_times(tmp_path):
    """Two runs of a harm would say nothing about how often it is found."""
    few, many = (cases(STEADY, tmp_path, runs=runs) for runs in (20, 1_000))

    assert {case.runs for case in few if case.is_harmed} == {20}
    assert {case.runs for case in many if case.is_harmed} == {100}


def test_a_certificate_says_which_gates_no_harm_reached(tmp_path):
    """A gate that shares a counter is harmed with it; an expression never is."""
    text = STEADY.replace(
        "steps:",
        """  floor:
    kind: threshold
    source: app
    bad: 'requests_total{model="${canary.labels.model}",status="500"}'
    total: 'requests_total{model="${canary.labels.model}"}'
    window: 5m
    fail: "> 10%"
  alive: {kind: threshold, source: app, query: 'up', fail: "< 1"}
guardrails: [floor, alive]
steps:""",
    )
    certificate = Certificate(
        cases=tuple((case, Tally(runs=1, aborted=1)) for case in cases(text, tmp_path)), claim=0.05
    )

    said = certificate_text(Certified(certificate=certificate, seed=1), 200)

    assert "errors=3x is the number of floor, too" in said
    assert "no harm was tried for alive: --effect alive=VALUE plants one" in said
