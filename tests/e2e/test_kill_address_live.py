"""One process drives, another kills a bare address: the driver ends and never writes again."""

import signal

import pytest

from e2e.real_command import FLAGS, PLAYBOOK, Place, served, until
from rolloutctl.clock import SystemClock
from rolloutctl.core.events import Intended, KillRequested
from rolloutctl.store.sqlite import SqliteJournal

pytestmark = pytest.mark.real

#: Longer than the hold of the shadow step: a driver that goes on serves the canary by then.
HOLD_S = 4.0
STEPS = """
  tone:
    provider: flagd-file
    file: {folder}/tone.json
    flag: llm-model
    control: {{is: gpt-4}}
    canary: {{is: claude}}
    shadow: {{flag: llm-shadow}}
steps:
  - {{shadow: 10%, hold: 4s}}
  - {{canary: 5%, hold: 10m}}
limits: {{deadline: 1h}}
"""


@pytest.fixture
def place(tmp_path):
    """Two targets in two files; the first step only mirrors."""
    place = Place(tmp_path)
    (tmp_path / "tone.json").write_text(FLAGS)
    place.playbook.write_text(PLAYBOOK.format(folder=tmp_path, steps=STEPS.format(folder=tmp_path)))
    return place


@pytest.fixture
def driver(place):
    """The process that drives it, in the shadow step: no canary is served yet."""
    driver = place.spawn("start", place.playbook, "--auto", "--id", "r-1")
    until(lambda: driver.out.count("observed canary 0%, shadow 10%") == 2, "both mirror")
    assert place.served() == tone(place) == (0, 1_000)
    yield driver
    driver.stop()


def kill(place):
    """Kills one of the two addresses, as somebody does who knows of no rollout."""
    address = f"flagd-file://{place.flags}#llm-model"
    return place.run("kill", address, "--to", "gpt-4", "--reason", "support tickets")


def tone(place):
    """(canary, shadow) of the other target."""
    return served(place.folder / "tone.json")


def events(place):
    """What the journal has of the rollout."""
    journal = SqliteJournal(place.journal, read_only=True)
    recorded = [record.event for record in journal.read("r-1")]
    journal.close()
    return recorded


def test_the_driver_of_a_killed_address_ends_with_13_and_writes_nothing_more(place, driver):
    """Both targets of the rollout are at control, shadow included, and stay there."""
    killed = kill(place)

    assert killed.returncode == 0, killed.stderr
    assert killed.stdout.count("killed ") == 2
    assert driver.end() == 13, driver.err
    SystemClock().sleep(HOLD_S)
    assert place.served() == (0, 0)
    assert tone(place) == (0, 0)
    kinds = [type(event) for event in events(place)]
    assert Intended not in kinds[kinds.index(KillRequested) :]


def test_a_driver_that_slept_through_the_kill_writes_nothing_when_it_wakes(place, driver):
    """Stopped before the kill and continued after its hold was over: the fence was there."""
    driver.process.send_signal(signal.SIGSTOP)
    killed = kill(place)
    SystemClock().sleep(HOLD_S)
    driver.process.send_signal(signal.SIGCONT)

    assert killed.returncode == 0, killed.stderr
    assert driver.end() == 13, driver.err
    assert place.served() == (0, 0)
    assert "support tickets" in place.run("status", "r-1").stdout


def test_another_target_that_cannot_be_killed_makes_the_kill_of_an_address_20(place, driver):
    """The address is at zero, the rollout is not killed: an operator must hear of it."""
    (place.folder / "tone.json").unlink()

    killed = kill(place)

    assert killed.returncode == 20, killed.stdout
    assert "rolloutctl kill r-1" in killed.stderr
    assert place.served() == (0, 0)
    driver.stop()


def test_a_turned_link_does_not_hide_the_rollout_that_writes_through_it(place, driver):
    """The address is that of the new file; the journal has the old one, the driver follows."""
    other = place.folder / "next.json"
    other.write_bytes(place.flags.read_bytes())
    place.flags.unlink()
    place.flags.symlink_to(other)

    killed = kill(place)

    assert killed.returncode == 0, killed.stderr
    assert "driven by the open rollout r-1" in killed.stderr
    assert driver.end() == 13, driver.err
    assert place.served() == (0, 0)
