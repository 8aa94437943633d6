"""`simulate`, `certify` and `backtest` on the command line: nothing is written anywhere."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rolloutctl.errors import ExitCode
from worlds.rehearsals import HEAD, JUMPY, STEADY

START = datetime(2026, 3, 1, tzinfo=UTC)
#: One hour at 50 %, judged by the errors alone.
RECORDED = STEADY.split("  p99:")[0] + "\nsteps:\n  - {canary: 50%, hold: 1h, gates: [errors]}\n"


@pytest.fixture
def playbook(folder):
    """Writes a playbook into the test's folder; answers its path."""

    def write(text):
        (folder / "rehearsed.yaml").write_text(text, encoding="utf-8")
        return "rehearsed.yaml"

    return write


@pytest.fixture
def recording(folder):
    """Six hours as a CSV; from the third to the fourth every tenth request fails."""
    lines, ok, bad = ["time,metric,model,status,value"], 0, 0
    for second in range(0, 6 * 3600, 30):
        failed = 60 if 2 * 3600 <= second < 3 * 3600 else 2
        ok, bad = ok + 600 - failed, bad + failed
        at = (START + timedelta(seconds=second)).isoformat()
        lines.append(f"{at},requests_total,b,200,{ok}")
        lines.append(f"{at},requests_total,b,500,{bad}")
    (folder / "recorded.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "recorded.csv"


@pytest.fixture
def incidents(folder):
    """Labels an incident that begins and ends at these hours."""

    def write(first, last):
        rows = [f"{(START + timedelta(hours=hour)).isoformat()}" for hour in (first, last)]
        (folder / "incidents.csv").write_text(f"start,end,name\n{','.join(rows)},bad model\n")
        return "incidents.csv"

    return write


@pytest.mark.parametrize("verb", ["simulate", "certify"])
def test_a_rehearsal_says_that_it_verifies_no_exposure(rolloutctl, playbook, verb):
    """No SDK serves simulated units; without the key nothing is said."""
    few = ("--runs", "2") if verb == "certify" else ()

    said = rolloutctl(verb, playbook(f"verify_exposure: true\n{STEADY}"), *few)
    plain = rolloutctl(verb, playbook(STEADY), *few)

    note = "verify_exposure is left out: no SDK serves the units of a rehearsal"
    assert (note in said.err, note in plain.err) == (True, False)
    assert said.exit_code == plain.exit_code


# -- simulate ---------------------------------------------------------------------


def test_a_fault_planted_at_25_percent_is_rolled_back_with_exit_10(rolloutctl, playbook):
    """The timeline, what it cost, and the exit code that `start` would have."""
    said = rolloutctl("simulate", playbook(STEADY), "--fault", "errors=20% at 25% after 5m")

    assert said.exit_code == ExitCode.JUDGED_BAD
    assert re.search(r"\+00:20:00 +step 2 of 3: canary 25%", said.out)
    assert "rolling back: gate errors failed" in said.out
    assert "expected harm, errors:" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_the_same_seed_is_the_same_document_to_the_byte(rolloutctl, playbook):
    """Another seed is another run."""
    line = ("simulate", playbook(STEADY), "--shape", "bursty", "--output", "json")

    first, again, other = rolloutctl(*line), rolloutctl(*line), rolloutctl(*line, "--seed", "2")

    assert first.exit_code == ExitCode.DONE
    assert first.out == again.out
    assert first.out != other.out
    document = json.loads(first.out)
    assert document["kind"] == "Simulation"
    assert document["exposures"][-1]["exposure"]["weights_bp"]["canary"] == 10_000
    assert document["healthy"]["errors"] == 0.005


def test_simulating_leaves_flags_and_journal_alone(rolloutctl, folder):
    """There is not even a journal afterwards."""
    before = (folder / "flags.json").read_bytes()

    rolloutctl("simulate", "good.yaml", "--answer", "floor=1%")

    assert (folder / "flags.json").read_bytes() == before
    assert not (folder / "journal.db").exists()


def test_what_cannot_be_modelled_is_said(rolloutctl):
    """An expression's answer is assumed, in so many words; stated, nothing is said."""
    assumed = rolloutctl("simulate", "good.yaml")
    stated = rolloutctl("simulate", "good.yaml", "--answer", "floor=1%")

    assert "asks an expression, which cannot be modelled" in assumed.err
    assert "--answer floor=VALUE" in assumed.err
    assert stated.err == ""


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--fault", "latency=3s", "known: errors, p99, cost, traffic"),
        ("--traffic", "none", "requests per time"),
        ("--answer", "errors", "is not GATE=VALUE"),
        ("--hold", "-1h", "a duration"),
        ("--units", "0", "at least 1"),
    ],
)
def test_a_wrong_option_is_exit_2_with_what_to_write(rolloutctl, playbook, option, value, why):
    """And an example."""
    said = rolloutctl("simulate", playbook(STEADY), option, value)

    assert said.exit_code == ExitCode.USAGE
    assert why in said.err
    assert "hint:" in said.err


# -- certify ----------------------------------------------------------------------


def test_a_badly_built_playbook_gets_no_certificate(rolloutctl, playbook):
    """1 % over one minute, 5 requests a second: exit 10, with the gate that errs."""
    said = rolloutctl("certify", playbook(JUMPY), "--traffic", "5/s", "--runs", "16", "--jobs", "1")

    assert said.exit_code == ExitCode.JUDGED_BAD
    assert "BROKEN: claimed at most 5% of healthy rollouts are aborted" in said.out
    assert "errors 16" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_a_certificate_is_a_document_too(rolloutctl, playbook):
    """Rates with their bounds, beside the claim."""
    text = STEADY + "limits: {false_aborts: 2%}\n"
    line = ("certify", playbook(text), "--runs", "4", "--jobs", "1", "--effect", "errors=20%")
    said = rolloutctl(*line, "--output", "json")

    document = json.loads(said.out)
    assert said.exit_code == ExitCode.DONE
    assert (document["kind"], document["claim"]) == ("Certificate", 0.02)
    assert [row["name"] for row in document["healthy_runs"]] == [
        "steady",
        "diurnal",
        "bursty",
        "autocorrelated",
    ]
    (harmed,) = document["harmed_runs"]
    assert harmed["rate"] == 1.0
    assert document["missed"] == []
    assert harmed["mean_delay_s"] < 600
    assert not document["shown"]  # four runs show nothing


#: A harm of which a limit of 5 % never tells.
UNSEEN = ("--runs", "4", "--jobs", "1", "--shape", "steady", "--effect", "errors=2%")


def test_a_harm_that_no_gate_finds_is_told_and_exit_10(rolloutctl, playbook):
    """Without --power too: whoever names a harm wants to know."""
    said = rolloutctl("certify", playbook(STEADY), *UNSEEN)

    assert said.exit_code == ExitCode.JUDGED_BAD
    assert "NOT FOUND: errors=2%: found 0 of 20" in said.out
    assert "at least 50% of each harm must be found" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_a_harm_of_which_nothing_is_demanded_is_only_shown(rolloutctl, playbook):
    """`--power 0%` says so itself."""
    said = rolloutctl("certify", playbook(STEADY), *UNSEEN, "--power", "0%")

    assert said.exit_code == ExitCode.DONE
    assert "no share of the harmed rollouts was demanded" in said.out


@pytest.mark.parametrize(
    ("option", "value"), [("--runs", "0"), ("--jobs", "-1"), ("--power", "most")]
)
def test_a_senseless_certificate_is_exit_2(rolloutctl, playbook, option, value):
    """Before anything is run."""
    said = rolloutctl("certify", playbook(STEADY), option, value)

    assert said.exit_code == ExitCode.USAGE
    assert option in said.err


# -- backtest ---------------------------------------------------------------------


def test_an_incident_in_a_csv_is_found(rolloutctl, playbook, recording, incidents):
    """With its delay; the other rollouts went through: exit 0."""
    said = rolloutctl(
        "backtest", playbook(RECORDED), "--csv", recording, "--incidents", incidents(2, 3)
    )

    assert said.exit_code == ExitCode.DONE
    assert "1 of 1 incidents found; 0 of" in said.out
    assert "bad model" in said.out


def test_a_rollback_where_nothing_was_wrong_is_exit_10(rolloutctl, playbook, recording, incidents):
    """Labelled at another hour: missed there, false here."""
    said = rolloutctl(
        "backtest",
        playbook(RECORDED),
        "--csv",
        recording,
        "--incidents",
        incidents(4, 5),
        "--output",
        "json",
    )

    summary = json.loads(said.out)["summary"]
    assert said.exit_code == ExitCode.JUDGED_BAD
    assert (summary["missed"], summary["false_aborts"]) == (1, 1)


def test_a_sweep_shows_what_each_limit_would_have_done(rolloutctl, playbook, recording, incidents):
    """Too tight, right, too loose."""
    line = ("backtest", playbook(RECORDED), "--csv", recording, "--incidents", incidents(2, 3))
    said = rolloutctl(*line, "--sweep", "errors.fail=> 0.1%,> 5%,> 50%", "--output", "json")

    rows = json.loads(said.out)["rows"]
    assert [row["values"]["errors.fail"] for row in rows] == ["> 0.1%", "> 5%", "> 50%"]
    assert rows[0]["false_aborts"] >= 4
    assert [(row["false_aborts"], row["found"]) for row in rows[1:]] == [(0, 1), (0, 0)]


def test_a_sweep_of_a_key_that_does_not_exist_is_exit_2(rolloutctl, playbook, recording):
    """With what the playbook language says of it."""
    line = ("backtest", playbook(RECORDED), "--csv", recording)

    assert rolloutctl(*line, "--sweep", "errors.limit=1").exit_code == ExitCode.USAGE
    assert rolloutctl(*line, "--sweep", "floor.fail=> 1").exit_code == ExitCode.USAGE


def test_what_was_not_recorded_is_said(rolloutctl, playbook, recording):
    """A gate without series waits for ever; an expression counts as healthy."""
    text = RECORDED.replace(
        "\nsteps:",
        """
  ok: {kind: threshold, source: app, query: 'avg(ok)', fail: "< 0.9"}
  slow:
    kind: threshold
    source: app
    bad: 'slow_total{model="${canary.labels.model}"}'
    total: 'all_total{model="${canary.labels.model}"}'
    window: 5m
    fail: "> 5%"
guardrails: [ok, slow]
steps:""",
    )
    said = rolloutctl("backtest", playbook(text), "--csv", recording)

    assert "no series for gate slow" in said.err
    assert "avg(ok) is not recorded; it is taken for 0.95" in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), ExitCode.USAGE),
        (("--from", "yesterday"), ExitCode.USAGE),
        (("--csv", "nowhere.csv"), ExitCode.INVALID),
        (("--from", "1d", "--source", "other"), ExitCode.USAGE),
        (("--from", "1d", "--to", "2d"), ExitCode.USAGE),
    ],
)
def test_a_recording_that_is_not_there_has_its_exit_code(rolloutctl, playbook, words, code):
    """Before anything is judged."""
    said = rolloutctl("backtest", playbook(RECORDED), *words)

    assert said.exit_code == code
    assert "hint:" in said.err or "cannot be read" in said.err


def test_a_playbook_without_gates_is_rehearsed_too(rolloutctl, playbook):
    """It decides nothing, and goes through."""
    said = rolloutctl("simulate", playbook(HEAD + "steps: [{canary: 5%, hold: 1h}]\n"))

    assert said.exit_code == ExitCode.DONE
    assert "no gate has a number" in said.out


@pytest.mark.parametrize("fault", ["errors=3", "errors=300%"])
def test_a_share_above_everything_is_a_forgotten_percent_sign(rolloutctl, fault):
    """300 % failures would be found by any gate, and prove nothing."""
    playbook = str(Path(__file__).parents[2] / "playbooks/quickstart.yaml")

    said = rolloutctl("simulate", playbook, "--fault", fault)

    assert said.exit_code == 2
    assert "errors is a share, at most 100%" in said.err
    assert "such as errors=3%" in said.err
