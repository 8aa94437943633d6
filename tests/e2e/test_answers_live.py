"""One process drives and asks, others answer or wait for it, as a team or a pipeline does."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from e2e.real_command import FLAGS, Place, until

pytestmark = pytest.mark.real

STEPS = """
steps:
  - {canary: 5%, hold: 1s, confirm: true}
  - {canary: 25%, hold: 10m}
limits: {deadline: 1h}
"""


@pytest.fixture
def place(tmp_path):
    """A rollout whose first step asks before it is left."""
    place = Place(tmp_path)
    place.write_playbook(STEPS)
    return place


@pytest.fixture
def person(place):
    """The rollout, driven at a terminal from the start."""
    person = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    person.see("Only `yes`")
    person.type("yes\n")
    person.see("observed canary 5%")
    yield person
    person.stop()


@pytest.fixture
def waiting(place, person):  # noqa: ARG001 - the person is there before and after
    """Starts a `wait` for the rollout; ended with the test, however it stands."""
    started = []

    def wait(*arguments):
        started.append(place.spawn("wait", "r-1", "--output", "json", *arguments))
        return started[-1]

    yield wait
    for one in started:
        one.stop()


def test_an_approval_from_elsewhere_withdraws_the_question_and_goes_on(place, person):
    """The verb exits 0, the terminal says that no answer is needed, the next step comes."""
    person.see("promote / hold / rollback")

    approved = place.run("approve", "r-1", "--reason", "looks good")

    assert approved.returncode == 0, approved.stderr
    person.see("no answer is needed here")
    person.see("observed canary 25%")
    assert place.served() == (2_500, 0)
    assert person.process.poll() is None


def test_a_rejection_from_elsewhere_restores_the_file_and_ends_the_terminal(place, person):
    """The verb exits 0 once the way back is confirmed; the driver ends with 14."""
    person.see("promote / hold / rollback")

    rejected = place.run("reject", "r-1", "--reason", "answers got longer")

    assert rejected.returncode == 0, rejected.stderr
    assert place.flags.read_text() == FLAGS
    assert person.end() == 14, person.said
    assert "answers got longer" in person.said


def test_an_answer_to_no_question_exits_6_and_changes_nothing(place, person):
    """Both verbs say that nothing is asked; the driver holds on."""
    person.see("promote / hold / rollback")
    assert place.run("approve", "r-1").returncode == 0
    person.see("observed canary 25%")

    for verb in ("approve", "reject"):
        said = place.run(verb, "r-1")
        assert said.returncode == 6, said.stderr

    assert place.served() == (2_500, 0)
    assert person.process.poll() is None


def test_a_wait_for_a_human_ends_with_0_when_the_driver_asks(place, person, waiting):
    """A pipeline learns that somebody must answer; the rollout goes on standing."""
    waited = waiting("--for", "human")

    assert waited.end() == 0, waited.err
    person.see("promote / hold / rollback")
    assert json.loads(waited.out)["phase"] == "asking"
    assert place.served() == (500, 0)


@pytest.mark.parametrize(("verb", "code"), [("rollback", 14), ("kill", 13)])
def test_a_wait_for_the_end_ends_with_the_rollouts_own_code(place, waiting, verb, code):
    """Whoever waits learns what the driver learns."""
    waited = waiting()
    # What it has loaded shows that it runs: its journal is open.
    until(lambda: _has_open(waited.process.pid, place.journal), "it looks at the journal")
    assert waited.process.poll() is None

    assert place.run(verb, "r-1").returncode == 0

    assert waited.end() == code, waited.err
    assert place.served() == (0, 0)


def test_a_wait_that_runs_out_of_time_ends_with_8_and_leaves_the_driver_alone(place, person):
    """8 is not the end: the message says how the rollout stands."""
    said = place.run("wait", "r-1", "--timeout", "100ms")

    assert said.returncode == 8, said.stderr
    assert "after 100ms" in said.stderr
    assert "UNWATCHED" not in said.stderr
    assert person.process.poll() is None
    assert place.served() == (500, 0)


def _has_open(pid, path):
    """True if the process has the file open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            found.append(link.readlink())
    return path in found
