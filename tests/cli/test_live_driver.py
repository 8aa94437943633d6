import os
import subprocess
import sys

import pytest

from rolloutctl.cli import wiring
from rolloutctl.cli.driving import take_lease
from rolloutctl.core.events import Actor
from rolloutctl.core.state import Phase
from rolloutctl.errors import LeaseHeld
from rolloutctl.runner.owner import make_owner, owner_is_dead

ACTOR = Actor(name="operator@host")


@pytest.fixture
def driven(rolloutctl, clock):
    """A rollout under way whose lease is held by this living process."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    ledger = wiring.journal("", os.environ)
    rollout = wiring.open_rollout("r-1", ledger, known=wiring.catalog(), at=clock)
    take_lease(rollout, wiring.actor())
    yield rollout
    ledger.close()


def dead_process():
    """The owner that a process made which runs no more."""
    code = "from rolloutctl.runner.owner import make_owner; print(make_owner('a@host'))"
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_this_process_is_not_known_to_be_dead():
    """A lease is not stolen from who still drives."""
    assert not owner_is_dead(make_owner("a@host"), "host")


def test_a_process_that_ended_here_is_known_to_be_dead():
    """After kill -9 the next start need not wait for the lease to run out."""
    assert owner_is_dead(dead_process(), "host")


@pytest.mark.parametrize("owner", ["", "somebody", "a@host:x:1:2:3", "a@host:1::ns:r"])
def test_an_owner_that_cannot_be_read_counts_as_alive(owner):
    """When in doubt nobody's lease is stolen."""
    assert not owner_is_dead(owner, "host")


def test_a_process_on_another_machine_counts_as_alive():
    """Process ids of other machines say nothing here."""
    assert not owner_is_dead(dead_process(), "elsewhere")


def test_a_pause_reaches_the_live_driver_and_nothing_is_unwatched(driven, rolloutctl):
    """The verb leaves driving to who drives, and does not cry wolf."""
    said = rolloutctl("pause", "r-1")

    driven.refresh()
    assert said.exit_code == 0
    assert "drives it" in said.err
    assert "UNWATCHED" not in said.err
    assert driven.state.phase is Phase.PAUSED


def test_a_second_start_of_a_driven_rollout_is_a_conflict(driven, rolloutctl):
    """Two terminals never drive one rollout."""
    said = rolloutctl("start", "seconds.yaml", "--auto", "--id", "r-1")

    assert said.exit_code == 6
    assert driven.lease is not None


def test_a_tick_leaves_a_driven_rollout_alone(driven, rolloutctl):
    """Cron beside an agent does no harm and reports no failure."""
    said = rolloutctl("tick")

    assert said.exit_code == 0
    assert driven.lease is not None


def test_a_driver_that_stopped_answering_is_replaced(driven, rolloutctl, clock):
    """A hanging driver loses its lease; the verb drives the request itself, and says so."""
    began = clock.now()

    said = rolloutctl("promote", "r-1")

    driven.refresh()
    assert said.exit_code == 0
    assert driven.state.steps_left == 1
    assert 15 <= (clock.now() - began).total_seconds() < 60
    assert "UNWATCHED" in said.err


def test_a_kill_needs_no_lease(driven, rolloutctl):
    """Another process in the middle of a step does not hold up the kill switch."""
    said = rolloutctl("kill", "r-1")

    driven.refresh()
    assert said.exit_code == 0
    assert driven.state.phase is Phase.KILLED


def test_a_live_lease_is_not_taken(driven, clock, folder):
    """Only a dead owner's lease is stolen."""
    assert folder.exists()
    ledger = wiring.journal("", os.environ)
    other = wiring.open_rollout("r-1", ledger, known=wiring.catalog(), at=clock)

    with pytest.raises(LeaseHeld):
        take_lease(other, wiring.actor())

    ledger.close()
    assert driven.lease is not None
