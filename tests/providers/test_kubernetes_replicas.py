"""Shares by pods: nobody is taken away before whoever stays is ready, whatever happens."""

from __future__ import annotations

import pytest

from e2e.real_command import until
from providers.kubernetes_outages import FORWARD, Outages
from providers.kubernetes_worlds import ReplicasWorld
from rolloutctl.core.exposure import split
from rolloutctl.errors import Conflict, Unavailable

CALL_S = 3.0


class Pods(Outages):
    """The same events, where the counts of two Deployments are the share."""

    def counts(self):
        return tuple(
            self.hand.get("Deployment", f"chat-{side}")["spec"]["replicas"]
            for side in ("blue", "green")
        )

    def scaled(self, blue, green):
        """Both counts by hand, their pods up."""
        for side, count in (("blue", blue), ("green", green)):
            self.hand.scale(f"chat-{side}", count)
            until(lambda side=side, count=count: len(self.pods(side)[1]) == count, "up")

    def at_scaling(self, side, event):
        """The event happens once, when our patch of that side's count arrives."""

        def before(method, path):
            if method == "PATCH" and f"/deployments/chat-{side}?" in path:
                self.server.before = None
                event()

        self.server.before = before

    def restore(self, snapshot, timeout_s=CALL_S):
        return self.world.provider.restore(
            self.world.target, snapshot, key="k", expect=None, timeout_s=timeout_s
        )


@pytest.fixture
def lab(tmp_path):
    """Four blue pods behind the Service, no green one."""
    world = ReplicasWorld(tmp_path)
    lab = Pods(world)
    lab.scaled(4, 0)
    yield lab
    world.close()


def test_nobody_is_taken_away_for_pods_that_stay_and_are_not_ready(lab):
    """The canary has its count already, by another hand, and none of its pods is ready."""
    lab.scaled(4, 4)
    lab.vanish("green")

    with pytest.raises(Unavailable, match="4 pods were not ready in time") as told:
        lab.apply(FORWARD, timeout_s=CALL_S)

    assert not told.value.may_have_landed
    assert lab.counts() == (4, 4)
    assert len(lab.pods("blue")[1]) == 4


def test_pods_that_do_not_start_are_taken_back(lab):
    """Neither side is other than before."""
    lab.controllers.broken.add("chat-green")

    with pytest.raises(Unavailable, match="left at 0"):
        lab.apply(split(5_000), timeout_s=CALL_S)

    assert lab.counts() == (4, 0)


def test_pods_that_vanish_at_the_last_moment_bring_the_others_back(lab):
    """Green was ready at the look and gone when blue was scaled down."""
    lab.at_scaling("blue", lambda: lab.vanish("green"))

    with pytest.raises(Unavailable, match="scaled back to 4") as told:
        lab.apply(FORWARD, timeout_s=CALL_S)

    assert told.value.may_have_landed
    assert lab.counts()[0] == 4
    until(lambda: len(lab.pods("blue")[1]) == 4, "blue is back")


def test_one_broken_pod_of_the_control_does_not_keep_everybody_at_the_canary(lab):
    """The way back needs half of what serves, as the kill does."""
    before = lab.world.provider.observe(lab.world.target).snapshot
    lab.apply(split(5_000), timeout_s=CALL_S)
    lab.controllers.set_ready("chat", "chat-blue-0", is_up=False)

    lab.restore(before)

    assert lab.counts() == (4, 0)
    assert len(lab.pods("blue")[1]) == 3


def test_a_write_that_landed_in_part_is_said_to_have(lab):
    """The server fails after the canary grew: what it did must be read, not guessed."""

    def fail():
        lab.server.fault, lab.server.fault_on = "server-error", frozenset({"GET"})

    lab.at_scaling("green", fail)

    with pytest.raises(Unavailable) as told:
        lab.apply(split(5_000), timeout_s=CALL_S)

    lab.server.fault = None
    assert told.value.may_have_landed
    assert lab.counts() == (4, 2)


def test_a_kill_between_growing_and_shrinking_is_in_force(lab):
    """The older write stops where it is and does not take the control away."""
    lab.at_scaling("blue", lambda: lab.kill(timeout_s=CALL_S))

    with pytest.raises((Unavailable, Conflict)) as told:
        lab.apply(FORWARD, timeout_s=CALL_S)

    assert "killed by somebody else" in told.value.message
    assert lab.counts() == (4, 0)
    assert len(lab.pods("blue")[1]) == 4


def test_a_kill_leaves_the_canary_until_the_control_is_up(lab):
    """Slow pods: green serves meanwhile, and the next kill ends it."""
    lab.apply(FORWARD, timeout_s=CALL_S)
    lab.controllers.startup_s = 4.0

    with pytest.raises(Unavailable, match="goes on serving"):
        lab.kill(timeout_s=2.5)

    assert lab.counts() == (4, 4)
    assert len(lab.pods("green")[1]) == 4
    until(lambda: len(lab.pods("blue")[1]) == 4, "blue is up")
    lab.kill(timeout_s=CALL_S)
    assert lab.counts() == (4, 0)
