"""One process drives, another asks: each verb is seen at once, and both exit as documented."""

import pytest

from e2e.real_command import FLAGS, Place, until
from rolloutctl.clock import monotonic_s

pytestmark = pytest.mark.real

#: The driver polls every 0.2 s and a kill is done within a second; a busy machine gets time.
#: Far below the 10 m of a hold and the 15 s after which a silent driver's lease is free.
SEEN_S = 10.0
STEPS = """
steps:
  - {canary: 5%, hold: 10m}
  - {canary: 25%, hold: 10m}
limits: {deadline: 1h}
"""


@pytest.fixture
def place(tmp_path):
    """A rollout of two long steps."""
    place = Place(tmp_path)
    place.write_playbook(STEPS)
    return place


@pytest.fixture
def driver(place):
    """The attached process that drives it, holding at 5 %."""
    driver = place.spawn("start", place.playbook, "--auto", "--id", "r-1")
    until(lambda: "observed canary 5%" in driver.out, "the first step is in force")
    yield driver
    driver.stop()


@pytest.fixture
def person(place):
    """The same, started by a person at a terminal."""
    person = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    person.see("Only `yes`")
    person.type("yes\n")
    person.see("observed canary 5%")
    yield person
    person.stop()


def test_pause_resume_and_promote_reach_a_terminal_at_once(place, person):
    """Each verb exits 0 and names the driver; the driver acts on it and goes on."""
    paused = place.run("pause", "r-1", "--reason", "look")
    assert paused.returncode == 0, paused.stderr
    assert "drives it" in paused.stderr
    person.see("paused", SEEN_S)

    assert place.run("resume", "r-1").returncode == 0
    person.see("resumed", SEEN_S)

    assert place.run("promote", "r-1").returncode == 0
    person.see("observed canary 25%", SEEN_S)
    assert place.served() == (2_500, 0)
    assert person.process.poll() is None


def test_a_pause_ends_a_run_without_a_person_with_8(place, driver):
    """Nobody could answer there: the weight is held, and it says that nobody watches."""
    assert place.run("pause", "r-1").returncode == 0

    assert driver.end(SEEN_S) == 8
    assert "UNWATCHED" in driver.err
    assert place.served() == (500, 0)
    resumed = place.run("resume", "r-1")
    assert resumed.returncode == 0, resumed.stderr
    assert "UNWATCHED" in resumed.stderr


def test_a_rollback_ends_the_driver_with_14_and_restores_the_file(place, driver):
    """The verb exits 0 when it is confirmed; the attached process says who did it."""
    asked = place.run("rollback", "r-1", "--reason", "enough")

    assert asked.returncode == 0, asked.stderr
    assert driver.end(SEEN_S) == 14
    assert place.flags.read_text() == FLAGS


def test_a_kill_ends_the_driver_with_13_and_may_be_sent_twice(place, driver):
    """The kill waits for nobody; the same command again is confirmed again."""
    began_s = monotonic_s()
    first = place.run("kill", "r-1", "--reason", "bad answers")
    took_s = monotonic_s() - began_s

    assert first.returncode == 0, first.stderr
    assert took_s < SEEN_S
    assert driver.end(SEEN_S) == 13
    assert place.served() == (0, 0)
    assert place.run("kill", "r-1").returncode == 0


def test_a_kill_of_two_targets_reaches_one_when_the_other_is_gone(tmp_path):
    """The reachable target is at zero at once; exit 20 names the other; repaired, it is 0."""
    place = Place(tmp_path)
    gone = tmp_path / "other.json"
    gone.write_bytes(place.flags.read_bytes())
    place.write_playbook(
        f"""  other:
    provider: flagd-file
    file: {gone}
    flag: llm-model
    control: {{is: gpt-4}}
    canary: {{is: claude}}
steps:
  - {{canary: 5%, hold: 10m}}
"""
    )
    started = place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1")
    assert started.returncode == 0, started.stderr
    assert place.run("tick").returncode in {0, 8}
    until(lambda: place.run("tick") and place.served() == (500, 0), "ticked to 5 %")
    text = gone.read_bytes()
    gone.unlink()

    killing = place.spawn("kill", "r-1")
    until(lambda: place.served() == (0, 0), "the other target is killed meanwhile", SEEN_S)
    assert killing.end() == 20
    assert "other.json" in killing.out
    assert "STUCK" in killing.err

    gone.write_bytes(text)
    assert place.run("kill", "r-1").returncode == 0


def test_a_bare_address_is_killed_although_the_store_lies_beneath_a_file(place):
    """The kill switch needs no store at all."""
    place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1")
    (place.folder / "file").touch()

    killed = place.run(
        "kill",
        f"flagd-file://{place.flags}#llm-model",
        "--to",
        "gpt-4",
        environ={"ROLLOUTCTL_STORE": str(place.folder / "file" / "journal.db")},
    )

    assert killed.returncode == 0, killed.stderr
    assert "Traceback" not in killed.stderr
