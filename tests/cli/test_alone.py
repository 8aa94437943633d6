"""Verbs where nobody drives: what is said before the write, waited for, and refused at once."""

import os
import subprocess
import sys

import pytest

from rolloutctl.cli import wiring
from rolloutctl.runner.owner import make_owner
from rolloutctl.ui.console import Console

HOLDS = """apiVersion: rolloutctl/v1
kind: Playbook
name: holds
targets:
  llm:
    provider: flagd-file
    file: ${env.FOLDER}/flags.json
    flag: llm-model
    control: {is: gpt-4}
    canary: {is: claude-3-5-sonnet}
sources:
  prometheus: {url: "${env.PROMETHEUS_URL}"}
defaults: {on_no_data: wait, on_error: wait, on_inconclusive: wait, interval: 10s}
gates:
  errors:
    {kind: threshold, source: prometheus, query: share, fail: "> 5%", consecutive_successes: 2}
steps:
  - {canary: 5%, hold: 10m, gates: [errors]}
  - {canary: 100%, hold: 10m, gates: [errors]}
limits: {deadline: 1h}
"""
SAY = (
    "from rolloutctl.cli.wiring import actor; from rolloutctl.runner.owner import make_owner; "
    "print(make_owner(actor().name))"
)
ALONE = "nobody drives r-1"
LEASE_S = 15.0


@pytest.fixture
def holding(rolloutctl, folder, clock):
    """At 5 %, driven by nobody, for longer than any gate remembers."""
    (folder / "holds.yaml").write_text(HOLDS)
    rolloutctl("start", "holds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    clock.advance(120)
    return rolloutctl


@pytest.fixture
def answering(monkeypatch):
    """Puts a person at the terminal who answers with these lines, then closes it."""

    def answer(*lines):
        left = [f"{line}\n" for line in lines]
        monkeypatch.setattr(Console, "can_ask", True)
        monkeypatch.setattr(Console, "answer", lambda _self: left.pop(0) if left else "")

    return answer


def test_what_will_be_unwatched_is_said_before_it_is_written(holding):
    """SAFETY: a warning after the canary was widened comes too late."""
    said = holding("promote", "r-1")

    assert said.exit_code == 0, said.err
    assert said.err.startswith(
        "nobody drives r-1: if it is promoted, this command begins step 2 of 2 (canary 100%)"
    )
    assert said.err.index(ALONE) < said.err.index("UNWATCHED")


@pytest.mark.parametrize("answers", [("no",), (), ("what", "y", "maybe")])
def test_at_a_terminal_only_a_yes_promotes_what_nobody_watches(holding, answering, folder, answers):
    """Nothing is recorded and nothing written without it."""
    before = (folder / "flags.json").read_text()
    answering(*answers)

    said = holding("promote", "r-1")

    assert said.exit_code == 130
    assert "nothing was touched" in said.err
    assert (folder / "flags.json").read_text() == before
    assert "promote asked" not in holding("explain", "r-1", "--all").out


def test_a_letter_is_asked_again_and_a_yes_promotes(holding, answering):
    """`y` is no refusal."""
    answering("y", "yes")

    said = holding("promote", "r-1")

    assert said.exit_code == 0, said.err
    assert "'y' is neither; type `yes` in full" in said.err


def test_the_last_step_is_left_without_a_warning(holding):
    """Nothing more is served after it."""
    holding("promote", "r-1")

    assert ALONE not in holding("promote", "r-1").err


def test_gates_that_time_alone_settles_are_waited_for(holding, clock):
    """Two passes in a row take two looks: 10 s, well within the timeout."""
    began = clock.now()

    said = holding("promote", "r-1", "--timeout", "20s")

    assert said.exit_code == 0, said.err
    assert "its gates are undecided; they are judged again at" in said.err
    assert 10 <= (clock.now() - began).total_seconds() <= 20


def test_gates_that_settle_behind_the_timeout_are_not_waited_for(holding, clock):
    """The refusal comes at once, with the gate that does not pass."""
    began = clock.now()

    said = holding("promote", "r-1", "--timeout", "5s")

    assert said.exit_code == 6
    assert "1 of 2 passes in a row" in said.err
    assert (clock.now() - began).total_seconds() < 5


def test_an_interrupt_while_gates_are_waited_for_asks_for_nothing(holding, interrupt_after):
    """Exit 130; the request is not in the journal."""
    interrupt_after(3)

    said = holding("promote", "r-1")

    assert said.exit_code == 130
    assert "interrupted: nothing was asked for" in said.err
    assert "promote asked" not in holding("explain", "r-1", "--all").out


def test_a_gate_that_fails_while_it_is_waited_for_takes_the_rollout_back(holding, prometheus):
    """What came first counts, with its own exit code."""
    prometheus.answer = "0.5"

    said = holding("promote", "r-1")

    assert said.exit_code == 10, said.err
    assert "promote asked" not in said.out


def test_a_pause_that_comes_first_is_a_conflict(holding, folder):
    """The edit of another hand is seen before the promotion is asked for."""
    flags = folder / "flags.json"
    flags.write_text(flags.read_text().replace("500", "4000", 1))

    said = holding("promote", "r-1")

    assert said.exit_code == 6
    assert "nothing was asked for: it is paused now: drift on llm" in said.err


def test_a_paused_rollout_is_not_promoted_and_says_what_comes_first(holding, clock):
    """At once, with both ways on; the journal is left alone."""
    holding("pause", "r-1")
    began = clock.now()

    said = holding("promote", "r-1")

    assert said.exit_code == 6
    assert "promote: rollout r-1 is paused (paused by " in said.err
    assert "rolloutctl resume r-1, then rolloutctl promote r-1" in said.err
    assert clock.now() == began
    assert "promote asked" not in holding("explain", "r-1", "--all").out


def test_a_second_pause_says_that_nothing_was_recorded(holding, clock, folder):
    """Also where drift paused it: what ends that pause is named."""
    flags = folder / "flags.json"
    flags.write_text(flags.read_text().replace("500", "4000", 1))
    holding("tick")
    clock.advance(5)

    said = holding("pause", "r-1", "--reason", "freeze")

    assert said.exit_code == 0
    assert "paused: drift on llm" in said.err
    assert "it was paused already since 00:02:" in said.err
    assert "nothing was recorded" in said.err
    assert "once the edit was put back by hand, or is written over" in said.err
    refused = holding("promote", "r-1")
    assert (
        "or write over it: rolloutctl resume r-1 --reapply, then rolloutctl promote r-1"
        in refused.err
    )


@pytest.mark.parametrize("verb", ["approve", "resume"])
def test_other_verbs_that_may_widen_say_so_first_too(rolloutctl, clock, verb):
    """Without a question: they answer one, or undo a pause."""
    rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")
    if verb == "resume":
        rolloutctl("pause", "r-1")
    clock.advance(1)

    said = rolloutctl(verb, "r-1")

    assert said.exit_code == 0, said.err
    assert said.err.startswith(f"{ALONE}: this command does what is due now")


def test_a_driver_that_died_is_nobody_and_its_lease_is_named(holding, clock):
    """`status`, `list` and `wait` do not wait for the lease to run out."""
    ended = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    ledger = wiring.journal("", os.environ)
    ledger.acquire_lease("r-1", ended.stdout.strip(), now=clock.now(), ttl_s=LEASE_S, steal=False)
    ledger.close()

    page = " ".join(holding("status", "r-1").out.split())

    assert "driver: nobody: UNWATCHED; " in page
    assert "died, its lease ends at 00:02:15" in page.replace("00:02:16", "00:02:15")
    assert "rolloutctl agent drives it" in page
    assert "UNWATCHED" in holding("list").out
    assert "UNWATCHED" in holding("wait", "r-1", "--timeout", "1s").err
    assert '"driver": "",' in holding("status", "r-1", "--output", "json").out


def test_what_a_target_serves_is_dated_where_nobody_looks(holding, clock, monkeypatch):
    """An outside kill since then would not be known."""
    monkeypatch.setenv("COLUMNS", "160")
    holding("kill", "r-1")
    clock.advance(12 * 60 + 5)

    assert "control only (killed), as of 12m ago" in holding("status", "r-1").out


def test_what_will_be_killed_is_said_once(holding, folder):
    """The address, and the rollout that drives it."""
    address = f"flagd-file://{folder}/flags.json#llm-model"

    said = holding("kill", address, "--to", "gpt-4")

    assert said.exit_code == 0, said.err
    assert said.err.count("killing flagd-file://") == 1


def test_the_page_of_a_driven_rollout_says_what_happens_next_and_when(holding, clock):
    """A person who is not asked for anything wants to know what comes by itself."""
    ledger = wiring.journal("", os.environ)
    owner = make_owner(wiring.actor().name)
    ledger.acquire_lease("r-1", owner, now=clock.now(), ttl_s=LEASE_S, steal=False)
    ledger.close()

    page = " ".join(holding("status", "r-1").out.split())

    assert "next: at 00:10:00 (in 8m) the gates are judged anew, then step 2 of 2" in page


def test_a_line_of_the_list_says_that_a_target_was_edited_not_how(holding, folder):
    """The page of the rollout has the rest."""
    flags = folder / "flags.json"
    flags.write_text(flags.read_text().replace("500", "4000", 1))
    holding("tick")

    listed = " ".join(holding("list").out.split())

    assert "edited by another" in listed
    assert "this rollout left" not in listed


@pytest.fixture
def over(holding, clock):
    """Killed; ten minutes later nobody has looked at its target."""
    holding("kill", "r-1")
    clock.advance(600)
    return holding


def test_status_looks_at_the_target_if_it_is_asked_to(over, folder, monkeypatch):
    """Another hand that opened it again since the end is seen; nothing is recorded."""
    monkeypatch.setenv("COLUMNS", "200")
    flags = folder / "flags.json"
    before = over("explain", "r-1", "--output", "json").out
    assert "rolloutctl status r-1 --look" in over("status", "r-1").err

    same = over("status", "r-1", "--look")
    opened = flags.read_text().replace('"claude-3-5-sonnet", 0', '"claude-3-5-sonnet", 4000')
    flags.write_text(opened)
    other = over("status", "r-1", "--look")

    assert "control only (killed), as of now" in same.out
    assert "edited by another hand" in other.out
    assert "this rollout left canary 0%" in other.out
    assert over("explain", "r-1", "--output", "json").out == before


def test_a_target_that_cannot_be_read_now_is_named(over, folder, monkeypatch):
    """Exit 5; what is on record keeps its age."""
    monkeypatch.setenv("COLUMNS", "200")
    (folder / "flags.json").unlink()

    said = over("status", "r-1", "--look")

    assert said.exit_code == 5
    assert "llm could not be read now: " in said.err
    assert "control only (killed), as of 10m ago" in said.out


def test_an_override_waits_for_no_gate_that_it_goes_past(holding, clock):
    """Whoever overrides is in a hurry."""
    began = clock.now()

    said = holding("promote", "r-1", "--override", "--reason", "hotfix")

    assert said.exit_code == 0, said.err
    assert (clock.now() - began).total_seconds() < 5


def test_writing_over_an_edit_says_that_the_hold_begins_anew(holding, folder):
    """Nobody should wonder why the step takes longer."""
    flags = folder / "flags.json"
    flags.write_text(flags.read_text().replace("500", "4000", 1))
    holding("tick")

    said = holding("resume", "r-1", "--reapply")

    assert "the hold begins anew with that write" in said.err
    assert "hold ends in 10m" in holding("status", "r-1").out
