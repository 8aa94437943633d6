"""Taking the old side away: never what serves, and in no order with a kill an outage."""

from __future__ import annotations

import pytest

from providers.kubernetes_worlds import GatewayWorld, ReplicasWorld, SideServicesWorld, SwitchWorld
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Conflict, Rejected, Unavailable
from rolloutctl.providers.kubernetes import Kubernetes
from servers.prometheus import wait_until

TIMEOUT_S = 5.0
BLUE_PODS = ["chat-blue-0", "chat-blue-1", "chat-blue-2"]


@pytest.fixture
def make(tmp_path):
    """Makes a world whose canary serves everybody."""
    made = []

    def begin(kind, *, bp=FULL_BP):
        world = kind(tmp_path)
        made.append(world)
        if bp:
            world.provider.apply(world.target, split(bp), key="k", expect=None, timeout_s=TIMEOUT_S)
        return world

    yield begin
    for world in made:
        world.close()


def clean(world, action="scale-to-zero"):
    return Kubernetes().clean_up(world.target, "control", action, timeout_s=TIMEOUT_S)


def replicas(world, name="chat-blue"):
    return world.hand.get("Deployment", name)["spec"]["replicas"]


def kill(world):
    return Kubernetes().kill(world.target, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("kind", [SideServicesWorld, GatewayWorld])
def test_the_old_side_is_scaled_down_and_a_kill_brings_it_back(make, kind):
    """As many pods as there were, and then everybody to them."""
    world = make(kind)
    if kind is GatewayWorld:
        # Else a Service beside the route would stand empty, and it is refused.
        everyone = [{"op": "replace", "path": "/spec/selector", "value": {"app": "chat"}}]
        world.hand.edit("Service", "chat", everyone)
        wait_until(lambda: len(world.hand.slices("chat")) > 3, what="chat chooses both")

    said = clean(world)

    assert said == "Deployment chat-blue scaled from 3 to 0"
    assert replicas(world) == 0
    kill(world)
    assert replicas(world) == 3
    assert world.provider.observe(world.target).exposure == split(0)
    assert world.hand.slices("chat-blue") == BLUE_PODS


def test_a_restore_brings_it_back_too(make, tmp_path):
    """The way back of a rollout that failed after its cleanup."""
    del tmp_path
    world = make(SideServicesWorld, bp=0)
    before = world.provider.observe(world.target)
    world.provider.apply(world.target, split(FULL_BP), key="k", expect=None, timeout_s=TIMEOUT_S)
    clean(world)

    world.provider.restore(world.target, before.snapshot, key="r", expect=None, timeout_s=TIMEOUT_S)

    assert world.hand.slices("chat") == BLUE_PODS
    assert "rolloutctl/cleaned" not in world.hand.get("Service", "chat")["metadata"]["annotations"]


@pytest.mark.parametrize("kind", [SideServicesWorld, GatewayWorld, ReplicasWorld])
def test_nothing_is_taken_away_while_anybody_is_sent_there(make, kind):
    """Not at the start, and not at a half."""
    world = make(kind, bp=0)

    with pytest.raises(Rejected, match="not everybody is sent to the canary"):
        clean(world)

    assert replicas(world) > 0


def test_another_service_that_would_stand_empty_is_named(make):
    """Somebody else may still call blue by its own Service."""
    world = make(SwitchWorld)

    with pytest.raises(Rejected, match="Service chat-blue would stand empty") as caught:
        clean(world)

    assert "side_services" in caught.value.hint
    assert replicas(world) == 3


def test_a_deletion_deletes_and_a_kill_says_that_nothing_is_left(make):
    """Then green goes on serving."""
    world = make(SideServicesWorld)

    assert clean(world, "delete") == "Deployment chat-blue deleted"

    with pytest.raises(Unavailable, match="what serves now goes on serving"):
        Kubernetes().kill(world.target, timeout_s=1.5)
    assert world.hand.slices("chat") == ["chat-green-0", "chat-green-1", "chat-green-2"]


def test_cleaning_up_twice_is_cleaning_up_once(make):
    """After a crash it is done again."""
    world = make(SideServicesWorld)
    clean(world)

    assert clean(world) == "Deployment chat-blue had no replicas"
    kill(world)
    assert replicas(world) == 3


@pytest.mark.parametrize("moment", ["before the note", "between note and scale"])
def test_a_kill_in_the_middle_of_a_cleanup_leaves_its_pods_alone(make, moment):
    """Whichever comes first, the other is refused: blue serves, with all its pods."""
    world = make(SideServicesWorld)
    place = "services/chat" if moment == "before the note" else "deployments/chat-blue"
    done = []

    def meanwhile(method, path):
        if method == "PATCH" and place in path and not done:
            done.append(path)
            kill(world)

    world.server.before = meanwhile

    with pytest.raises(Conflict, match="changed during the cleanup"):
        clean(world)

    world.server.before = None
    wait_until(lambda: world.hand.slices("chat") == BLUE_PODS, what="blue serves")
    assert replicas(world) == 3


def test_a_kill_says_what_it_started(make):
    """Whoever reads the account must know why there are more pods now."""
    world = make(SideServicesWorld)
    world.hand.scale("chat-blue", 0)
    wait_until(lambda: not world.hand.slices("chat-blue"), what="blue is gone")

    changed = kill(world).changed

    assert "Deployment chat-blue scaled from 0 to 3" in changed
    assert "version green -> blue" in changed


def test_the_control_of_two_deployments_has_no_pods_left(make):
    """With `replicas` the shares themselves scale it down."""
    world = make(ReplicasWorld)

    assert clean(world) == "Deployment chat-blue had no replicas"
    assert clean(world, "delete") == "Deployment chat-blue deleted"
