"""Rollouts to report on: run by the real engine on fakes, and with words that would do harm."""

from __future__ import annotations

from rolloutctl.core import events as ev
from rolloutctl.core.machine import fold
from rolloutctl.core.state import Phase
from rolloutctl.runner import requests
from rolloutctl.testing import Fault
from rolloutctl.ui.report.gather import report_of
from worlds.fleet import Fleet
from worlds.rollouts import playbook

HOSTILE = '</style><script>window.hurt=1</script><img src=x onerror="window.hurt=1">|`*[x](y)'
PERSON = ev.Actor(name=f"ana{HOSTILE}", terminal="pts/7")


def _asked(fleet, request):
    requests.request(fleet.journal, fleet.clock, "r-0", request)


def told(fleet, *, chain=""):
    """The report of the fleet's first rollout as it stands."""
    records = fleet.journal.read("r-0")
    state = fold("r-0", records)
    return report_of(state, records, chain=chain, now=fleet.clock.now())


def succeeded():
    fleet = Fleet(1)
    fleet.run(1000)
    return fleet


def rolled_back():
    """Goes bad while half of the users have it."""
    fleet = Fleet(1)
    began = fleet.clock.now()
    fleet.source.answers["success"] = lambda at: 0.5 if (at - began).total_seconds() > 120 else 0.99
    fleet.run(1000)
    return fleet


def killed():
    fleet = Fleet(1)
    fleet.run(60)
    _asked(fleet, lambda _: ev.KillRequested(actor=PERSON, reason=HOSTILE))
    fleet.run(60)
    return fleet


def paused():
    fleet = Fleet(1)
    fleet.run(60)
    _asked(fleet, lambda state: requests.pause(state, PERSON, HOSTILE))
    fleet.run(300)
    return fleet


def asking():
    fleet = Fleet(1, book=playbook(confirm=True))
    fleet.run(300)
    return fleet


def stuck():
    """A rollback that the service refuses."""
    fleet = Fleet(1)
    fleet.run(60)
    fleet.worlds["r-0"].fault = lambda operation, _: (
        Fault.SERVER_ERROR if operation != "observe" else None
    )
    _asked(fleet, lambda state: requests.rollback(state, PERSON, HOSTILE))
    fleet.run(1500)
    return fleet


WORLDS = {
    Phase.SUCCEEDED: succeeded,
    Phase.ROLLED_BACK: rolled_back,
    Phase.KILLED: killed,
    Phase.PAUSED: paused,
    Phase.ASKING: asking,
    Phase.STUCK: stuck,
}


def long_one():
    """A rollout with thousands of judgements, and pauses in between."""
    fleet = Fleet(1)
    fleet.run(100)
    for _ in range(40):
        _asked(fleet, lambda state: requests.pause(state, PERSON, "looking"))
        fleet.run(1, poll_s=0.25)
        _asked(fleet, lambda state: requests.resume(state, PERSON))
        fleet.run(1, poll_s=0.25)
    return fleet
