"""What a first-time user types and does at a real terminal, and what is answered."""

import pytest

from e2e.real_command import FLAGS, Place

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path):
    """A rollout of two long steps."""
    place = Place(tmp_path)
    place.write_playbook("""
steps:
  - {canary: 5%, hold: 10m}
  - {canary: 25%, hold: 10m}
limits: {deadline: 1h}
""")
    return place


@pytest.fixture
def person(place):
    """Somebody who has just seen the plan."""
    person = place.at_a_terminal("start", place.playbook, "--id", "r-1")
    person.see("Only `yes`")
    yield person
    person.stop()


def test_a_y_at_the_start_is_asked_again(place, person):
    """Nothing is written on it, and nothing is over; a `yes` starts."""
    person.type("y\n")
    person.see("type `yes` in full to go on")
    assert place.flags.read_text() == FLAGS

    person.type("yes\n")

    person.see("observed canary 5%")


def test_a_no_at_the_start_ends_it(place, person):
    """Exit 130, nothing touched."""
    person.type("n\n")

    assert person.end() == 130
    assert place.flags.read_text() == FLAGS


def test_a_driver_that_was_killed_is_told_at_once_with_the_command_that_goes_on(place, person):
    """Its lease still runs; nobody waits for that."""
    person.type("yes\n")
    person.see("observed canary 5%")
    person.process.kill()
    person.process.wait()

    page = " ".join(place.run("status", "r-1").stdout.split())

    assert "driver: nobody: UNWATCHED; " in page
    assert f"(pid {person.process.pid}) died, its lease ends at" in page
    assert "rolloutctl agent drives it" in page
