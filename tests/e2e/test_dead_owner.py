"""When is the owner of a lease known to be dead? Real processes, real /proc."""

import subprocess
import sys

from e2e.real_command import until
from rolloutctl.runner import owner

SAY = "from rolloutctl.runner.owner import make_owner; print(make_owner('a@b'), flush=True)"


def _here(who):
    """The owner as if its host were this machine, whatever the machine is called."""
    return owner.owner_is_dead(who, "b")


def test_a_process_that_nobody_has_waited_for_is_dead():
    """In a container without an init, a killed driver stays a zombie; it drives nothing."""
    with subprocess.Popen([sys.executable, "-c", SAY], stdout=subprocess.PIPE, text=True) as child:
        who = child.stdout.readline().strip()

        assert until(lambda: _here(who), "a zombie is known to be dead", 5)


def test_a_living_process_that_cannot_be_seen_counts_as_alive(monkeypatch):
    """With hidepid, /proc tells nothing of other users' processes; the kernel still does."""
    who = owner.make_owner("a@b")
    monkeypatch.setattr(owner, "_start_of", lambda _pid: "")
    monkeypatch.setattr("os.kill", _forbidden)

    assert not _here(who)


def _forbidden(_pid, _number):
    raise PermissionError
