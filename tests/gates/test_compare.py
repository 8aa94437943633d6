"""Canary against control: it fails on evidence, passes on enough of nothing, else waits."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from rolloutctl.core.measurement import DataState
from rolloutctl.core.verdict import Outcome
from rolloutctl.gates.arm_evidence import IDLE_LOOKS_MAX
from rolloutctl.gates.compare import Compare
from rolloutctl.gates.compare_spec import CompareSpec
from rolloutctl.gates.conclusion import PASS_SAMPLE_MIN
from worlds.two_arms import ARMS, START, TwoArms, context_at, reading_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
NO_DATA, ERROR = Outcome.NO_DATA, Outcome.ERROR
BAD = 'req_total{model="${arm.labels.model}",status!="200"}'
TOTAL = 'req_total{model="${arm.labels.model}"}'
SPEC = CompareSpec(bad=BAD, total=TOTAL)
WITH_MARGIN = CompareSpec(bad=BAD, total=TOTAL, margin="1.25x")
STRICT = CompareSpec(bad=BAD, total=TOTAL, margin="3x", strict=True)
#: (bad, total) of one look
GOOD, SMALL_GOOD, BROKEN = (5, 1000), (1, 200), (40, 200)


def test_each_arm_is_asked_for_its_own_labels_control_first():
    """Label values are escaped; the arms' references differ and nothing else."""
    texts = [query.text for query in Compare().queries(SPEC, context_at(0))]

    assert texts == [
        'req_total{model="gpt",status!="200"}',
        'req_total{model="gpt"}',
        'req_total{model="so\\"net",status!="200"}',
        'req_total{model="so\\"net"}',
    ]


def test_a_text_may_name_one_arm_besides():
    """`${canary.is}` is the same in both questions."""
    spec = CompareSpec(bad=BAD, total='req_total{model="${arm.labels.model}",try="${canary.is}"}')

    texts = [query.text for query in Compare().queries(spec, context_at(0))]

    assert texts[1] == 'req_total{model="gpt",try="new"}'


def test_the_first_look_only_starts_the_counters():
    """What counters show at first happened before the rollout."""
    gate = TwoArms(Compare(), SPEC)

    assert gate.happen((900, 1000), (1000, 1000)) is INCONCLUSIVE
    assert "first reading" in gate.verdict.because
    assert gate.verdict.settles_at == START + timedelta(seconds=60)


def test_a_canary_like_control_passes_once_enough_was_seen():
    """Below the default minimum it is undecided, and says how much is missing."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))

    outcomes = [gate.happen(GOOD, SMALL_GOOD) for _ in range(3)]

    assert outcomes == [INCONCLUSIVE, INCONCLUSIVE, PASS]
    assert PASS_SAMPLE_MIN == 500
    assert "no sign of more than 1x" in gate.verdict.because


def test_its_own_minimum_is_the_gates():
    """`min_sample` takes the place of the default."""
    gate = TwoArms(Compare(), SPEC, min_sample=200.0)
    gate.happen((0, 0), (0, 0))

    assert gate.happen(GOOD, SMALL_GOOD) is PASS


def test_a_bad_canary_fails_at_once_below_any_minimum():
    """Evidence is valid at any count: waiting for a sample would only add to the harm."""
    gate = TwoArms(Compare(), SPEC, min_sample=10_000.0)
    gate.happen((0, 0), (0, 0))

    assert gate.happen(GOOD, BROKEN) is FAIL
    assert gate.verdict.sample == 10_000.0
    assert "canary 20% of 200, control 0.5% of 1,000: worse than 1x" in gate.verdict.because


def test_a_smaller_error_rate_needs_more_evidence():
    """1/alpha is the limit."""
    for error_rate, outcome in ((0.05, FAIL), (1e-5, INCONCLUSIVE)):
        gate = TwoArms(Compare(), SPEC, error_rate=error_rate, min_sample=1000.0)
        gate.happen((0, 0), (0, 0))

        assert gate.happen((5, 1000), (8, 200)) is outcome


def test_a_harm_within_the_margin_is_no_failure():
    """Twice as bad fails a gate of 1x and not one of 3x."""
    outcomes = {}
    for margin in ("1x", "3x", "+5pp"):
        gate = TwoArms(Compare(), CompareSpec(bad=BAD, total=TOTAL, margin=margin))
        gate.happen((0, 0), (0, 0))
        for _ in range(40):
            outcomes[margin] = gate.happen((10, 1000), (4, 200))

    assert outcomes == {"1x": FAIL, "3x": PASS, "+5pp": PASS}


def test_a_strict_gate_passes_only_what_is_shown():
    """Little evidence is inconclusive, much of it passes."""
    gate = TwoArms(Compare(), STRICT)
    gate.happen((0, 0), (0, 0))

    for _ in range(3):
        early = gate.happen((10, 1000), (2, 200))
    because = gate.verdict.because
    for _ in range(40):
        late = gate.happen((10, 1000), (2, 200))

    assert (early, late) == (INCONCLUSIVE, PASS)
    assert "not shown to be within 3x yet" in because
    assert "within 3x (evidence" in gate.verdict.because


def test_a_weight_that_grows_pools_nothing():
    """Failures that rise for both arms while the weight rises are nobody's fault."""
    rng = random.Random(4)  # noqa: S311 - a simulation
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))
    for look in range(600):
        share, rate = (0.05, 0.002) if look < 300 else (0.5, 0.012)
        canary, control = round(1500 * share), round(1500 * (1 - share))
        bad = [sum(rng.random() < rate for _ in range(n)) for n in (control, canary)]

        assert gate.happen((bad[0], control), (bad[1], canary)) is not FAIL


@pytest.mark.parametrize("arm", [0, 1])
def test_an_arm_without_traffic_is_no_data_after_some_looks(arm):
    """One quiet look is none; ten are, and never a pass."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))
    gate.happen(GOOD, (0, 600))
    quiet = [GOOD, (1, 600)]
    quiet[arm] = (0, 0)

    outcomes = [gate.happen(*quiet) for _ in range(IDLE_LOOKS_MAX)]

    assert NO_DATA not in outcomes[:-1]
    assert outcomes[-1] is NO_DATA
    assert f"no traffic on {('control', 'canary')[arm]}" in gate.verdict.because


def test_an_unhealthy_control_holds():
    """Where control fails too, the environment is at fault: no pass, no abort."""
    spec = CompareSpec(bad=BAD, total=TOTAL, control_max=0.1)
    gate = TwoArms(Compare(), spec)
    gate.happen((0, 0), (0, 0))

    assert gate.happen((400, 1000), (190, 600)) is INCONCLUSIVE
    assert "control itself is worse than control_max 10%" in gate.verdict.because


def test_events_of_the_warm_up_are_no_evidence():
    """A cold start fails nobody, and what follows is judged alone."""
    gate = TwoArms(Compare(), SPEC, warm_up_s=90.0)
    gate.happen((0, 0), (0, 0))

    outcomes = [gate.happen(GOOD, (150, 200)) for _ in range(2)]
    after = [gate.happen(GOOD, (1, 200)) for _ in range(3)]

    assert outcomes == [INCONCLUSIVE] * 2
    assert after == [INCONCLUSIVE, INCONCLUSIVE, PASS]
    assert "of 600" in gate.verdict.because


def test_a_look_that_spans_the_write_is_no_evidence():
    """Half of its events belong to another weight."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))

    assert gate.happen(GOOD, BROKEN, since=START + timedelta(seconds=45)) is INCONCLUSIVE
    assert "no evidence" in gate.verdict.because


def test_before_the_step_is_in_force_nothing_is_judged():
    """`since` is None then."""
    gate = TwoArms(Compare(), SPEC, since=None)
    gate.happen((0, 0), (0, 0))

    assert gate.happen(GOOD, BROKEN) is INCONCLUSIVE
    assert "not in force" in gate.verdict.because


def test_evidence_goes_on_at_the_next_weight_and_the_sample_begins_anew():
    """A harm too small for one step is found over two."""
    gate = TwoArms(Compare(), SPEC, error_rate=1e-4)
    gate.happen((0, 0), (0, 0))
    while gate.happen((5, 1000), (4, 200)) is INCONCLUSIVE:
        pass
    seen = dict(gate.verdict.numbers)
    gate.happen((5, 1000), (4, 200), since=START + timedelta(seconds=gate.seconds + 30))

    gate.happen((5, 1000), (4, 200), since=START + timedelta(seconds=gate.seconds))

    assert dict(gate.verdict.numbers)["canary_total"] == 200
    assert dict(gate.verdict.numbers)["evidence"] > seen["evidence"]


def test_other_labels_keep_the_evidence_and_start_new_counters():
    """A shadow is told apart by its labels; the chance of an error is one for all steps."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))
    for _ in range(5):
        gate.happen(GOOD, (3, 200))
    before = dict(gate.verdict.numbers)["evidence"]

    gate.happen(GOOD, (10**6, 10**6), arms={**ARMS, "canary.labels.model": "shadow"})
    gate.happen(GOOD, (3, 200), arms={**ARMS, "canary.labels.model": "shadow"})

    assert "first reading" not in gate.verdict.because
    assert dict(gate.verdict.numbers)["evidence"] > before


def test_after_a_gap_the_counters_start_anew():
    """What happened while nobody looked is not one tick."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))
    gate.happen(GOOD, SMALL_GOOD)

    assert gate.happen(GOOD, BROKEN, after_s=3600) is INCONCLUSIVE
    assert "first reading" in gate.verdict.because


def test_a_reset_counter_counts_what_it_shows():
    """A restarted pod begins at zero."""
    gate = TwoArms(Compare(), SPEC)
    gate.read(100, 10_000, 100, 10_000)

    gate.read(105, 11_000, 2, 300)

    assert dict(gate.verdict.numbers)["canary_total"] == 300
    assert dict(gate.verdict.numbers)["canary_bad"] == 2


def test_a_canary_without_failures_has_no_series_of_them():
    """It counts as zero because the same metric's total is there."""
    gate = TwoArms(Compare(), SPEC)
    gate.read(0, 0, DataState.EMPTY, 0)

    assert gate.read(5, 1000, DataState.EMPTY, 600) is PASS


UNUSABLE = [
    (DataState.EMPTY, NO_DATA),
    (DataState.NOT_A_NUMBER, NO_DATA),
    (DataState.STALE, NO_DATA),
    (DataState.AMBIGUOUS, ERROR),
    ("down", ERROR),
    ([], NO_DATA),
    (float("nan"), NO_DATA),
    (-1, ERROR),
]


@pytest.mark.parametrize("place", [1, 3])
@pytest.mark.parametrize(("given", "outcome"), UNUSABLE)
def test_a_reading_that_tells_nothing_is_never_judged(place, given, outcome):
    """Whatever was known before stays as it was."""
    gate = TwoArms(Compare(), SPEC)
    gate.read(0, 0, 0, 0)
    gate.read(5, 1000, 3, 600)
    before = gate.evidence
    answers = [10, 2000, 6, 1200]
    answers[place] = given

    assert gate.read(*answers) is outcome
    assert gate.evidence == before


def test_more_bad_than_total_is_an_error_beyond_what_timing_explains():
    """A wrong selector must not look like a share."""
    gate = TwoArms(Compare(), SPEC)
    gate.happen((0, 0), (0, 0))

    assert gate.happen((5, 1000), (300, 200)) is ERROR
    assert "bad is no part of total" in gate.verdict.because


def test_an_unknown_reference_and_a_missing_answer_are_errors():
    """Neither ever passes."""
    context = context_at(30, arms={"canary.labels.model": "x"})
    queries = Compare().queries(SPEC, context_at(30))
    readings = [reading_of(query, 1) for query in queries]

    assert Compare().assess(SPEC, None, readings, context)[1].outcome is ERROR
    assert Compare().assess(SPEC, None, readings[:3], context_at(30))[1].outcome is ERROR


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"bad": "rate(x[5m])"}, "bad", "raw counters"),
        ({"total": "req_total"}, "total", "both arms the same"),
        ({"margin": "0.5x"}, "margin", "cannot read"),
        ({"margin": "lots"}, "margin", "cannot read"),
        ({"strict": True}, "strict", "not worse at all"),
    ],
)
def test_a_spec_that_cannot_work_is_a_problem(changes, where, words):
    """Each says where and what to write instead."""
    fields = {"bad": BAD, "total": TOTAL} | changes
    [(key, message, fix)] = Compare().problems(CompareSpec(**fields))

    assert key == where
    assert words in message
    assert fix


def test_a_sound_spec_has_no_problems_and_says_what_it_asks():
    """Counters only, by key."""
    assert Compare().problems(WITH_MARGIN) == ()
    assert Compare().texts(WITH_MARGIN) == {"bad": BAD, "total": TOTAL}
    assert Compare().query_kinds(WITH_MARGIN) == {"counters"}


def test_the_same_looks_give_the_same_evidence_bit_for_bit():
    """A judgement can be computed again from what the journal carries."""
    found = []
    for _ in range(2):
        gate = TwoArms(Compare(), WITH_MARGIN)
        for look in range(50):
            gate.happen((look % 7, 1000), (look % 3, 180))
        found.append(json.dumps(gate.evidence))

    assert found[0] == found[1]
