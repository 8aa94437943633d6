"""Whose process is gone loses its lease at once; whoever may live keeps it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rolloutctl.core.state import Phase
from rolloutctl.errors import LeaseHeld
from rolloutctl.runner.owner import make_owner, owner_is_dead, take_over
from worlds.fleet import Fleet


def test_an_owner_that_ran_here_and_is_gone_is_dead():
    """A process that has ended; this one lives."""
    code = "from rolloutctl.runner.owner import make_owner; import os; "
    code += "print(make_owner('ana@' + os.uname().nodename))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mine = make_owner(f"ana@{os.uname().nodename}")

    assert owner_is_dead(ran.stdout.strip())
    assert not owner_is_dead(mine)


@pytest.mark.parametrize("owner", ["somebody", "ana@elsewhere:1:2:3:4", "a:b:c:d:e", ""])
def test_an_owner_that_cannot_be_judged_is_alive(owner):
    """Another host, another format: its lease runs out by itself."""
    assert not owner_is_dead(owner)


def dead_owner():
    """An owner on this host whose process never ran: another start time."""
    mine = make_owner(f"ana@{os.uname().nodename}").split(":")
    mine[2] = "1"
    return ":".join(mine)


def test_a_dead_owners_lease_is_taken_at_once_a_live_ones_is_not():
    """Nobody waits for the time to live of a process that is gone."""
    fleet = Fleet(2)
    now = fleet.clock.now()
    fleet.journal.acquire_lease("r-0", dead_owner(), now=now, ttl_s=10_000)
    fleet.journal.acquire_lease("r-1", "other", now=now, ttl_s=10_000)
    rows = {row.rollout_id: row for row in fleet.journal.rollouts()}

    take_over(fleet.open(rows["r-0"]), "me")

    assert fleet.owners("r-0")[-1] == "me"
    with pytest.raises(LeaseHeld):
        take_over(fleet.open(rows["r-1"]), "me")


def test_an_agent_takes_over_from_a_dead_one():
    """On the same machine, at its next look."""
    fleet = Fleet(1)
    fleet.journal.acquire_lease("r-0", dead_owner(), now=fleet.clock.now(), ttl_s=10_000)

    fleet.run(1000)

    assert fleet.phases() == {"r-0": Phase.SUCCEEDED}
