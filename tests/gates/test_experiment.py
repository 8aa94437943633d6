"""The planned test of an A/B experiment: once, of everything, or not at all."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

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
from rolloutctl.core.measurement import DataState, QueryKind
from rolloutctl.core.playbook import OnFail
from rolloutctl.core.sight import Outlook
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.experiment import ExperimentGate
from worlds.two_arms import START, TwoArms

PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
#: Planned for 10 % to 15 %: 686 units an arm.
NEEDED = 686


def trial(*, want=Want.INCREASE, undecided=OnUndecided.PAUSE, hold_s=0.0, canary_bp=5000, **plan):
    sign = 1 if want is Want.INCREASE else -1
    metric = Metric(
        success='converted_total{model="${arm.labels.model}"}',
        total='visits_total{model="${arm.labels.model}"}',
    )
    decide = Decide(better=OnBetter.SHIP, worse=OnFail.ROLLBACK, inconclusive=undecided)
    experiment = Experiment(
        arms={"control": 10_000 - canary_bp, "canary": canary_bp},
        source="app",
        metric=metric,
        want=want,
        test=TestPlan(**{"baseline": 0.5 - sign * 0.4, "effect": sign * 0.05, **plan}),
        decide=decide,
    )
    return Trial(experiment=experiment, hold_s=hold_s)


def begun(spec, **context):
    """A gate that has read the counters once."""
    world = TwoArms(ExperimentGate(), spec, **context)
    world.happen((0, 0), (0, 0), after_s=0.0)
    return world


def numbers_of(world):
    return dict(world.verdict.numbers)


def test_it_asks_both_arms_for_raw_counters():
    """Control first; lint finds the texts where they stand in the step."""
    kind, spec = ExperimentGate(), trial()

    assert kind.problems(spec) == ()
    assert kind.query_kinds(spec) == {QueryKind.COUNTERS}
    assert set(kind.texts(spec)) == {"experiment.metric.success", "experiment.metric.total"}
    world = begun(spec)
    assert world.verdict.outcome is OPEN
    assert "first reading" in world.verdict.because


@pytest.mark.parametrize(
    ("success", "words"),
    [
        ("rate(x[5m])", "raw counters"),
        ('converted_total{model="${canary.labels.model}"}', "asks both arms the same"),
    ],
)
def test_a_metric_that_cannot_tell_the_arms_apart_is_a_problem(success, words):
    """Told by lint, with the fix."""
    spec = trial()
    metric = Metric(success=success, total=spec.experiment.metric.total)
    experiment = Experiment(
        **{
            name: getattr(spec.experiment, name)
            for name in ("arms", "source", "want", "test", "decide")
        },
        metric=metric,
    )

    ((key, message, fix),) = ExperimentGate().problems(Trial(experiment=experiment))

    assert key == "experiment.metric.success"
    assert words in message
    assert fix


def test_nothing_is_judged_before_the_planned_sample():
    """However large the difference: 685 units of one arm are not 686."""
    world = begun(trial())

    assert world.happen((10, NEEDED), (600, NEEDED - 1)) is OPEN
    assert "685 of 686 units on canary" in world.verdict.because
    assert world.verdict.settles_at > START + timedelta(seconds=world.seconds)
    assert world.verdict.sample == NEEDED - 1
    assert world.happen((0, 0), (0, 1)) is PASS


@pytest.mark.parametrize(
    ("want", "canary", "outcome", "word"),
    [
        (Want.INCREASE, 110, PASS, "better, ship"),
        (Want.INCREASE, 30, FAIL, "worse, rollback"),
        (Want.INCREASE, 75, OPEN, "inconclusive, pause"),
        (Want.DECREASE, 30, PASS, "better, ship"),
        (Want.DECREASE, 110, FAIL, "worse, rollback"),
    ],
)
def test_the_wanted_direction_says_which_difference_ships(want, canary, outcome, word):
    """The same counts ship or go back, by what was wished for."""
    world = begun(trial(want=want, baseline=0.1 if want is Want.INCREASE else 0.15))

    assert world.happen((70, 700), (canary, 700)) is outcome
    assert world.verdict.because.startswith(word)
    assert world.verdict.settles_at is None


@pytest.mark.parametrize(
    ("undecided", "outcome"),
    [(OnUndecided.SHIP, PASS), (OnUndecided.ROLLBACK, FAIL), (OnUndecided.PAUSE, OPEN)],
)
def test_an_inconclusive_result_leads_to_what_is_declared(undecided, outcome):
    """Shipped, taken back, or left to a person."""
    world = begun(trial(undecided=undecided))

    assert world.happen((70, 700), (75, 700)) is outcome
    assert world.verdict.because.startswith(f"inconclusive, {undecided} as declared")


def test_the_record_has_counts_effect_interval_and_test():
    """Against the published table [[2100, 300], [2200, 200]]: chi-square 22.3256, p 2.30e-6."""
    world = begun(trial())

    assert world.happen((300, 2400), (200, 2400)) is FAIL

    found = numbers_of(world)
    assert found["control_success"] == 300
    assert found["canary_total"] == 2400
    assert found["chi_square"] == pytest.approx(22.3256, abs=5e-5)
    assert found["p_value"] == pytest.approx(2.301e-6, rel=1e-3)
    assert found["effect"] == pytest.approx(-1 / 24)
    assert found["interval_low"] == pytest.approx(-0.05898, abs=5e-6)
    assert found["interval_high"] == pytest.approx(-0.02442, abs=5e-6)
    assert found["split_p"] == 1
    for words in (
        "8.33% of 2,400",
        "12.5% of 2,400",
        "-4.17pp",
        "95% interval",
        "p 2.3e-06 < 0.05",
    ):
        assert words in world.verdict.because


@pytest.mark.parametrize(
    ("control", "canary", "odds_are_told"),
    [((3, 700), (4, 700), True), ((0, 700), (2, 700), False)],
)
def test_few_events_are_judged_by_fishers_test(control, canary, odds_are_told):
    """A cell is expected below 5; an infinite odds ratio is no number for a record."""
    world = begun(trial())

    assert world.happen(control, canary) is OPEN

    assert "Fisher's test, p " in world.verdict.because
    assert ("odds_ratio" in numbers_of(world)) is odds_are_told
    assert "chi_square" not in numbers_of(world)


def test_a_broken_split_is_not_judged_whatever_the_shares_say():
    """686 against 900 units at 50:50; a person is asked."""
    world = begun(trial())

    assert world.happen((686 * 0.1, 686), (400, 900)) is OPEN

    assert "sample ratio mismatch: 686 units on control and 900 on canary" in world.verdict.because
    assert numbers_of(world)["split_p"] < 0.001
    assert "p_value" not in numbers_of(world)


def test_an_uneven_split_is_held_against_its_own_weights():
    """10 % canary: a ninth of control's units is what was intended."""
    spec = trial(canary_bp=1000)
    control, canary = spec.experiment.planned()
    world = begun(spec)

    assert control > 9 * canary - 9
    assert world.happen((control * 0.1, control), (canary * 0.3, canary)) is PASS


@pytest.mark.parametrize("canary", [110, 75, 30])
def test_a_result_stays_whatever_comes_after(canary):
    """More units would be a second test: a later look repeats the first one's verdict."""
    world = begun(trial())
    world.happen((70, 700), (canary, 700))
    before = world.verdict

    world.happen((700, 700), (0, 700))

    assert world.verdict == before


@pytest.mark.parametrize("silence", [DataState.EMPTY, DataState.NOT_A_NUMBER, "timeout"])
def test_a_result_is_no_pass_while_the_source_is_silent(silence):
    """Ships only while both arms can be seen; it comes back by itself."""
    world = begun(trial())
    world.happen((70, 700), (110, 700))

    silent = world.read(70, silence, 110, 700)

    assert silent in {Outcome.NO_DATA, Outcome.ERROR}
    assert world.happen((0, 1), (0, 1)) is PASS


def test_the_hold_is_waited_for_and_then_everything_is_judged():
    """A week is a week: units beyond the plan belong to the same one test."""
    world = begun(trial(hold_s=300.0))

    assert world.happen((70, 700), (110, 700)) is OPEN
    assert "judged at the hold's end, 12:05:00 UTC" in world.verdict.because
    assert world.verdict.settles_at == START + timedelta(seconds=300)
    for _ in range(8):
        assert world.happen((0, 10), (0, 10)) is OPEN
    assert world.happen((0, 10), (0, 10)) is PASS
    assert numbers_of(world)["control_total"] == 790


def test_units_of_the_warm_up_and_of_another_exposure_do_not_count():
    """They saw something else, or a cold start."""
    world = begun(trial(), warm_up_s=60.0)

    world.happen((0, 700), (700, 700))
    world.happen((0, 700), (700, 700))
    assert "warm-up" in world.verdict.because
    world.happen((7, 70), (11, 70))

    assert numbers_of(world) == {
        "control_success": 7,
        "control_total": 70,
        "canary_success": 11,
        "canary_total": 70,
    }


def test_an_arm_without_units_is_no_data():
    """Ten looks in a row, then it is said; what was counted is kept."""
    world = begun(trial())
    for _ in range(10):
        world.happen((1, 10), (0, 0))

    assert world.verdict.outcome is Outcome.NO_DATA
    assert "no traffic on canary for 10 looks; 100 of 686 units on control" in world.verdict.because
    world.happen((60, 600), (110, 686))
    assert world.verdict.outcome is PASS


def test_more_successes_than_units_are_an_error_that_can_heal():
    """The selectors are wrong, or conversions are late; nothing is concluded for ever."""
    world = begun(trial())

    assert world.happen((70, 700), (710, 700)) is Outcome.ERROR
    assert "canary: success 710 > total 700" in world.verdict.because
    assert world.happen((0, 20), (0, 20)) is PASS


def test_before_the_split_is_in_force_nothing_counts():
    """No exposure, no experiment."""
    world = TwoArms(ExperimentGate(), trial(), since=None)

    assert world.happen((70, 700), (110, 700)) is OPEN
    assert world.happen((70, 700), (110, 700)) is OPEN
    assert "not in force" in world.verdict.because


def test_alike_arms_are_told_apart_as_rarely_as_alpha_says():
    """2,000 experiments without a difference: 5 % found, half of them each way."""
    rng = random.Random(3)  # noqa: S311 - simulation
    ends = {PASS: 0, FAIL: 0, OPEN: 0}
    for _ in range(2_000):
        world = begun(trial())
        control, canary = (sum(rng.random() < 0.1 for _ in range(700)) for _ in range(2))
        ends[world.happen((control, 700), (canary, 700))] += 1

    # 5 % of 2,000 is 100; four standard errors are 39.
    assert 61 <= ends[PASS] + ends[FAIL] <= 139
    assert abs(ends[PASS] - ends[FAIL]) <= 40


def test_a_true_effect_is_found_as_often_as_planned():
    """10 % against 15 % at 686 units an arm: 80 % of 1,000 experiments ship."""
    rng = random.Random(4)  # noqa: S311 - simulation
    shipped = 0
    for _ in range(1_000):
        world = begun(trial())
        counts = [
            (sum(rng.random() < share for _ in range(NEEDED)), NEEDED) for share in (0.1, 0.15)
        ]
        shipped += world.happen(*counts) is PASS

    # 80 % of 1,000; four standard errors are 51.
    assert 749 <= shipped <= 851


def outlook(**per_s):
    return Outlook(
        per_s=per_s, canary_share=0.5, is_mirrored=False, judged_s=3_600.0, error_rate=0.05
    )


def test_a_plan_says_when_the_units_are_there():
    """4 units a second in both arms: 686 each after 343 s; an hour would show more."""
    measured = {"experiment.metric.total": 4.0, "experiment.metric.success": 0.4}

    seen = ExperimentGate().sight(trial(), outlook(**measured))
    stated = ExperimentGate().sight(trial(), outlook(total=4.0, bad=0.04))

    assert seen == stated
    assert seen.effect == "+5pp from 10%"
    assert seen.seconds == pytest.approx(343.0)
    assert seen.smallest == "+1.44pp"
    assert seen.advice == ""


def test_without_units_a_plan_knows_no_end():
    """It waits for them, until the deadline."""
    seen = ExperimentGate().sight(trial(), outlook())

    assert (seen.seconds, seen.smallest) == (None, "")
