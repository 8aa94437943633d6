"""A rehearsed rollout is production's own, on a virtual clock."""

import pytest

from rolloutctl.core import events as ev
from rolloutctl.errors import ExitCode, UsageError
from rolloutctl.simulation.faults import parse_fault
from rolloutctl.simulation.ledger import Ledger
from rolloutctl.simulation.rehearsal import stretched
from rolloutctl.simulation.scenario import parse_rate, play, prepare, units_exposed
from rolloutctl.simulation.shapes import Shape
from rolloutctl.simulation.traffic import Climate
from rolloutctl.testing.journal_contract import JournalContract
from worlds.rehearsals import COMPARED, EVERY_KIND, HEAD, JUMPY, STEADY, given_of

GUARDED = STEADY.replace("steps:", "guardrails: [errors]\non_fail: pause\nsteps:").replace(
    "{canary: 100%, hold: 20m, gates: [errors]}",
    "{shadow: 10%, hold: 10m, gates: [p99]}",
)
WITH_RUN = (
    HEAD
    + """
steps:
  - {run: {command: ["true"]}}
  - {wait: 3h}
  - {canary: 5%, hold: 10m}
"""
)


def scenario_of(text, folder, *faults, shape=Shape.STEADY, **answers):
    given = given_of(text, folder)
    return prepare(
        given,
        answers=answers,
        climate=Climate(shape=shape),
        faults=[parse_fault(fault, given.playbook.gates) for fault in faults],
    )


@pytest.mark.parametrize("text", [STEADY, COMPARED, WITH_RUN, EVERY_KIND])
def test_a_healthy_canary_reaches_everybody(tmp_path, text):
    """Steps, people who say yes, commands taken as done; exit 0."""
    played = play(scenario_of(text, tmp_path), "1")

    assert played.rehearsed.exit_code == ExitCode.DONE, played.rehearsed.because
    assert played.unknown == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (STEADY, "errors=20% at 25% after 10m"),
        (STEADY, "p99=9s at 25%"),
        (STEADY, "cost=0.5 at 25% after 5m"),
        (COMPARED, "worse=3x at 50% after 5m"),
    ],
)
def test_a_planted_fault_is_rolled_back_and_not_before_it_began(tmp_path, text, fault):
    """Exit 10, control for everybody, soon after the fault."""
    played = play(scenario_of(text, tmp_path, fault), "1")

    assert played.rehearsed.exit_code == ExitCode.JUDGED_BAD
    assert played.exposures[-1][2].is_zero
    (began_s,) = played.began_s
    assert 0 < played.lasted_s - began_s < 20 * 60


def test_equal_seeds_are_equal_rollouts_to_the_byte_and_others_are_not(tmp_path):
    """Everything recorded, with its times and numbers."""
    scenario = scenario_of(STEADY, tmp_path, shape=Shape.AUTOCORRELATED)

    one, two, other = (play(scenario, seed).rehearsed for seed in ("1", "1", "2"))

    assert repr(one.records) == repr(two.records)
    assert repr(one.records) != repr(other.records)


@pytest.mark.parametrize("shape", [Shape.STEADY, Shape.BURSTY, Shape.CLUSTERED])
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (STEADY, "errors=20% at 25% after 10m"),
        (STEADY, "errors=no-data at 25% for 10m"),
        (STEADY, "p99=error at 5% after 3m for 3m"),
        (STEADY + "limits: {deadline: 3h}\n", "traffic=0.001x after 5m"),
        (COMPARED, "worse=1.3x"),
        (EVERY_KIND, "cost=1.5x after 30m"),
        (GUARDED, "errors=20% at 25% after 10m"),
        (JUMPY, "errors=1x"),
        (WITH_RUN, "traffic=1x"),
    ],
)
def test_the_quick_drive_writes_the_journal_of_the_complete_engine(tmp_path, text, fault, shape):
    """Event by event: it leaves out only questions whose answer is known."""
    scenario = scenario_of(text, tmp_path, fault, shape=shape)

    for seed in ("1", "2"):
        whole = play(scenario, seed).rehearsed
        quick = play(scenario, seed, quietly=True).rehearsed
        assert quick.records == whole.records
        assert (quick.exit_code, quick.ended_at) == (whole.exit_code, whole.ended_at)


def test_a_pause_waits_for_a_person_who_is_not_there(tmp_path):
    """`on_fail: pause` ends a rehearsal as it ends a pipeline: exit 8."""
    played = play(scenario_of(GUARDED, tmp_path, "errors=20% at 5% after 5m"), "1", quietly=True)

    assert played.rehearsed.exit_code == ExitCode.PENDING
    assert any(isinstance(record.event, ev.Paused) for record in played.rehearsed.records)


def test_harm_is_what_the_canary_did_worse_than_control_would_have(tmp_path):
    """20 % instead of 0.5 %, from the fault to the rollback."""
    played = play(scenario_of(STEADY, tmp_path, "errors=20% at 25% after 10m"), "1")

    harmed_s = played.lasted_s - played.began_s[0]
    expected = harmed_s * 50 * 0.25 * 0.195
    assert played.harm["errors"] == pytest.approx(expected, rel=0.1)
    assert "p99" not in played.harm


def test_users_of_a_share_are_users_of_every_larger_share(tmp_path):
    """25 % of all users at most, however many requests they send."""
    played = play(scenario_of(STEADY, tmp_path, "errors=20% at 25% after 10m"), "1")

    assert units_exposed(played, 1_000) == pytest.approx(250, rel=0.01)
    assert units_exposed(played, 10_000_000) < sum(played.requests.values())


def test_stretched_holds_keep_their_proportions(tmp_path):
    """24 hours of a playbook that takes less."""
    playbook = stretched(given_of(STEADY, tmp_path).playbook, 86_400.0)

    holds = [step.hold_s for step in playbook.steps]
    assert sum(holds) == pytest.approx(86_400)
    assert holds == [21_600, 43_200, 21_600]


@pytest.mark.parametrize(
    ("text", "rate"), [("50/s", 50.0), ("3000/m", 50.0), ("180000/h", 50.0), (" 50 /s ", 50.0)]
)
def test_traffic_is_read_as_people_write_it(text, rate):
    """Per second, minute or hour."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["50", "50/", "50/w", "50 s"])
def test_traffic_without_a_unit_of_time_is_a_usage_error(text):
    """As in a playbook, a bare number is never taken for some unit."""
    with pytest.raises(UsageError) as refused:
        parse_rate(text)

    assert f"--traffic {text}" in refused.value.message
    assert "50/s" in refused.value.hint


@pytest.mark.parametrize("text", ["0/s", "-1", "fast", "nan", "1e99/s"])
def test_traffic_that_is_none_is_a_usage_error(text):
    """Zero requests decide nothing."""
    with pytest.raises(UsageError, match="--traffic"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("answers", "why"),
    [({"floor": "1%"}, "no gate floor"), ({"errors": "few"}, "a number")],
)
def test_an_answer_that_means_nothing_is_a_usage_error(tmp_path, answers, why):
    """With the gates that there are."""
    with pytest.raises(UsageError, match=why):
        scenario_of(STEADY, tmp_path, **answers)


class TestLedger(JournalContract):
    """The ledger of a rehearsal keeps the promises of the port, for its one rollout."""

    # These need a second rollout beside the first, which a rehearsal never has.
    test_an_address_has_one_open_rollout = None
    test_rollouts_are_listed_newest_first = None
    test_finishing_frees_the_addresses = None

    def make_journal(self):
        return Ledger()
