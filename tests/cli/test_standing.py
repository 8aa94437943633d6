"""What people and pipelines are told of where a rollout stands: the phase decides."""

import json
import os

import pytest

from rolloutctl.cli import wiring
from rolloutctl.runner import requests

AUTO = ("start", "seconds.yaml", "--auto", "--id", "r-1")


@pytest.fixture
def asking(rolloutctl):
    """A rollout whose step asks, driven by nobody."""
    assert rolloutctl(*AUTO).exit_code == 8
    return rolloutctl


@pytest.fixture
def holding(rolloutctl, clock):
    """A rollout in its first hold, its gate passing, driven by nobody."""
    rolloutctl(*AUTO[:3], "--detach", *AUTO[3:])
    rolloutctl("tick")
    clock.advance(1)
    rolloutctl("tick")
    return rolloutctl


@pytest.fixture
def drifted(asking, folder, clock):
    """The same, with its share edited by hand and seen by a tick."""
    flags = folder / "flags.json"
    flags.write_text(flags.read_text().replace("2500", "4000", 1))
    clock.advance(31)
    asking("tick")
    return asking


def status(rolloutctl):
    """The status as machines read it."""
    return json.loads(rolloutctl("status", "r-1", "--output", "json").out)


@pytest.mark.parametrize("verb", [None, "pause"])
def test_a_person_is_asked_for_also_while_a_measurement_is_due(asking, clock, verb):
    """Neither `status` nor `wait --for human` mistakes a due measurement for progress."""
    if verb:
        asking(verb, "r-1")
    clock.advance(3600)

    said = status(asking)

    assert said["needs_human"]
    assert "measuring" not in said["because"]
    assert asking("wait", "r-1", "--for", "human", "--timeout", "1s").exit_code == 0


def test_a_promotion_that_was_asked_for_needs_no_person(asking, clock, folder):
    """Its answer comes by itself, from whoever drives."""
    assert folder
    ledger = wiring.journal("", os.environ)
    rollout = wiring.open_rollout("r-1", ledger, known=wiring.catalog(), at=clock)
    requests.request(ledger, clock, "r-1", lambda state: requests.promote(state, wiring.actor()))
    ledger.close()

    assert rollout.state.phase == "asking"
    assert not status(asking)["needs_human"]


def test_a_running_rollout_says_what_it_waits_for_behind_a_due_measurement(holding, clock):
    """Not which gates and targets would be looked at."""
    clock.advance(1)

    assert "holds for 1s more" in status(holding)["because"]
    clock.advance(10)
    assert "its gates are judged anew" in status(holding)["because"]


def test_a_running_rollout_names_a_gate_without_data(rolloutctl, clock, prometheus):
    """A hold that runs is not all there is to say."""
    rolloutctl(*AUTO[:3], "--detach", *AUTO[3:])
    prometheus.answer = "nothing"
    rolloutctl("tick")
    clock.advance(1)
    rolloutctl("tick")

    assert "gate errors has no data" in status(rolloutctl)["because"]


def test_status_serves_what_was_seen_last_and_names_what_was_left(drifted):
    """A share edited by hand is the share that is served."""
    target = status(drifted)["targets"][0]

    assert target["exposure"]["weights_bp"]["canary"] == 3478
    assert target["intended"]["weights_bp"]["canary"] == 2500
    assert target["edit"]["exposure"] == target["exposure"]
    page = " ".join(drifted("status", "r-1").out.split())
    assert "canary 34.78%, edited by another" in page
    assert "rolloutctl resume r-1 --reapply" in page


def test_what_is_left_unwatched_is_what_is_served_with_the_way_on(drifted):
    """Exit 8 after drift names the edit, that no gate is judged, and every way on."""
    said = drifted(*AUTO)

    unwatched = said.err.partition("UNWATCHED")[2]
    assert said.exit_code == 8, said.out + said.err
    assert "canary 34.78%" in unwatched
    assert "no gate is judged" in unwatched
    for command in ("agent", "resume r-1 --reapply", "rollback r-1", "kill r-1"):
        assert f"rolloutctl {command}" in unwatched


def test_a_rollback_over_an_edit_says_so(drifted):
    """On the way, in the status afterwards, and to machines."""
    said = drifted("rollback", "r-1")

    assert "over an edit by another hand (canary 34.78%)" in said.out
    assert "an edit by another hand was overwritten" in drifted("status", "r-1").out
    edit = status(drifted)["targets"][0]["overwritten_edit"]
    assert edit["exposure"]["weights_bp"]["canary"] == 3478


def test_a_target_that_cannot_be_read_is_in_the_status(asking, folder, clock):
    """With the error and when it was tried."""
    (folder / "flags.json").unlink()
    clock.advance(31)
    asking("tick")

    page = " ".join(asking("status", "r-1").out.split())

    assert "llm could not be read at" in page
    assert "flags.json does not exist" in page
    assert status(asking)["targets"][0]["last_error_at"]


def test_an_ended_rollout_has_no_hold_and_its_gates_last_words(rolloutctl):
    """Nothing is counted down, and no gate is "not judged in this step yet"."""
    rolloutctl("start", "seconds.yaml", "--auto", "--approve-all", "--id", "r-1")

    said = rolloutctl("status")

    assert "no open rollout; the last one:" in said.err
    assert "r-1 (seconds)" in said.out
    assert "hold" not in said.out
    assert "errors  pass" in said.out


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("status",),
        ("status", "r-1"),
        ("wait", "r-1"),
        ("explain", "r-1"),
        ("pause", "r-1"),
    ],
)
def test_a_journal_that_was_named_and_is_not_there_is_not_an_empty_one(rolloutctl, command):
    """A mistyped path must not say that nothing is exposed; and nothing is made there."""
    said = rolloutctl(*command, "--store", "typo.db")

    assert said.exit_code == 3
    assert "no journal at $PWD/typo.db" in said.err
    assert "--store" in said.err
    assert rolloutctl(*command, "--store", "typo.db").exit_code == 3


@pytest.mark.parametrize("command", ["list", "status"])
def test_before_the_first_start_nothing_has_been_started(rolloutctl, monkeypatch, folder, command):
    """Where nobody said which journal, none is an empty one; where it would lie is told."""
    monkeypatch.delenv("ROLLOUTCTL_STORE")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))

    said = rolloutctl(command)

    assert said.exit_code == 0
    assert "nothing has been started yet (journal: $PWD/state/rolloutctl/journal.db)" in said.err
    assert not (folder / "state").exists()


def test_hints_carry_the_store_that_was_given(rolloutctl, folder):
    """What is printed can be copied into another terminal."""
    said = rolloutctl(*AUTO, "--store", str(folder / "mine.db"))

    assert "rolloutctl approve --store $PWD/mine.db r-1" in said.err
    assert "rolloutctl status --store $PWD/mine.db r-1" in said.err
    assert "--store" not in rolloutctl("start", "nowhere.yaml", "--dry-run").err


def test_a_promotion_is_waited_for_no_longer_than_asked(holding, clock, prometheus):
    """A source that hangs keeps the request, not the terminal."""
    clock.advance(1)

    class Hanging(type(prometheus)):
        """Every answer takes half a minute and is an error."""

        @property
        def answer(self):
            """The clock goes on meanwhile."""
            clock.advance(30)
            return "HTTP 503"

    vars(prometheus).pop("answer", None)
    prometheus.__class__ = Hanging

    said = holding("promote", "r-1", "--timeout", "25s")

    assert said.exit_code == 8, said.out + said.err
    assert "judging anew: errors; waiting at most 25s" in said.err
    assert "not answered within 25s" in said.err
    assert "rolloutctl pause r-1 withdraws it" in said.err
    assert holding("pause", "r-1").exit_code == 0


def test_a_pause_says_that_time_runs_on(rolloutctl):
    """The hold is no stopwatch: the gates are judged anew before the step is left."""
    rolloutctl(*AUTO[:3], "--detach", *AUTO[3:])
    rolloutctl("tick")

    said = rolloutctl("pause", "r-1")

    assert "time runs on (its hold: until " in said.err


def test_explain_is_a_story_and_json_is_complete(rolloutctl):
    """Queries and every judgement are for `--all` and for machines."""
    rolloutctl("start", "seconds.yaml", "--auto", "--approve-all", "--id", "r-1")

    story = rolloutctl("explain", "r-1")
    whole = rolloutctl("explain", "r-1", "--all")
    machines = rolloutctl("explain", "r-1", "--output", "json")
    again = rolloutctl("explain", "r-1", "--all", "--output", "json")

    assert "asked share_of_errors" not in story.out
    assert "pass 3 times since" in story.out
    assert "rolloutctl explain r-1 --all" in story.err
    assert "asked share_of_errors -> 0" in whole.out
    assert "numbers observed 0, limit 0.05" in whole.out
    assert machines.out == again.out
    assert len(json.loads(machines.out)["events"]) >= len(story.out.splitlines())


def test_who_holds_the_lease_is_named_as_people_read_it(rolloutctl, folder, clock):
    """No fencing numbers, no microseconds."""
    assert folder
    rolloutctl(*AUTO[:3], "--detach", *AUTO[3:])
    ledger = wiring.journal("", os.environ)
    now = clock.now()
    ledger.acquire_lease("r-1", "ana@host:7:123:ns:abc", now=now, ttl_s=60)

    said = rolloutctl(*AUTO)
    ledger.close()

    assert said.exit_code == 6
    assert "r-1 is driven by ana@host (pid 7) until " in said.err
    assert "UTC\n" in said.err
