"""The outage that must not happen: a Service without ready endpoints, in any order of events."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from e2e.real_command import Place, until
from providers.kubernetes_outages import BACK, FORWARD, Outages
from providers.kubernetes_worlds import GatewayWorld, IstioWorld, SideServicesWorld, SwitchWorld
from rolloutctl.core.exposure import split
from rolloutctl.errors import Conflict, RolloutctlError, Unavailable


@pytest.fixture(params=[SwitchWorld, SideServicesWorld], ids=["by labels", "by side services"])
def lab(request, tmp_path):
    """Three blue pods serve, three green ones are ready."""
    world = request.param(tmp_path)
    lab = Outages(world)
    until(lambda: len(lab.hand.slices("chat")) == 3 == len(lab.hand.slices("chat-green")), "up")
    yield lab
    world.close()


def green_has_no_pod(lab):
    lab.hand.scale("chat-green", 0)


def green_has_no_ready_pod(lab):
    lab.vanish("green")


def green_has_fewer_than_blue(lab):
    lab.controllers.set_ready("chat", "chat-green-1", is_up=False)


def green_is_not_what_its_controller_saw(lab):
    lab.controllers.unseen.add("chat-green")
    image = [{"name": "main", "image": "registry.k8s.io/pause:broken"}]
    path = "/spec/template/spec/containers"
    lab.hand.edit("Deployment", "chat-green", [{"op": "replace", "path": path, "value": image}])


UNFIT = [
    green_has_no_pod,
    green_has_no_ready_pod,
    green_has_fewer_than_blue,
    green_is_not_what_its_controller_saw,
]


@pytest.mark.parametrize("event", UNFIT)
def test_nobody_is_sent_to_a_side_that_is_not_fit(lab, event):
    """The Service is not even touched, and the refusal says that time may heal it."""
    event(lab)
    green = lab.pods("green")[1]
    until(lambda: len(lab.hand.slices("chat-green")) == len(green), "its slices follow")
    before = lab.version()

    with pytest.raises(Unavailable) as refused:
        lab.apply(FORWARD)

    assert not refused.value.may_have_landed
    assert refused.value.hint
    assert lab.version() == before
    assert lab.settled() == {"blue"}


@pytest.mark.parametrize("event", [Outages.vanish, lambda lab, _: lab.hand.scale("chat-green", 0)])
def test_pods_that_vanish_between_look_and_patch_send_everybody_back(lab, event):
    """The patch lands, nobody is behind it, and it is taken back at once and said."""
    lab.at_patch(lambda: event(lab, "green"))

    with pytest.raises(Unavailable, match="switched back to app=chat,version=blue") as told:
        lab.apply(FORWARD)

    assert told.value.may_have_landed
    assert lab.selected() == "blue"
    assert lab.settled() == {"blue"}


def test_the_way_back_is_taken_at_once(lab):
    """No pod is waited for while nobody serves: nothing of the call's limit is used up."""
    lab.at_patch(lambda: lab.vanish("green"))

    with pytest.raises(Unavailable):
        lab.apply(FORWARD, timeout_s=30.0)

    writes = [
        (each[0], each[3]["spec"]["selector"]["version"])
        for each in lab.cluster.history
        if each[1] == "services" and each[3]["metadata"]["name"] == "chat"
    ]
    looks = [each for each in lab.server.calls if "endpointslices" in each[1]]
    assert [side for _, side in writes] == ["blue", "green", "blue"]
    assert len(looks) < 20


def test_somebody_who_writes_a_label_does_not_keep_the_service_empty(lab):
    """Its version moved, what we own of it did not: it is still switched back."""

    def label(number):
        operation = {"op": "add", "path": "/metadata/labels", "value": {"n": str(number)}}
        lab.hand.edit("Service", "chat", [operation])

    def vanished():
        lab.vanish("green")
        lab.at_patch(lambda: label(1))

    lab.at_patch(vanished)

    with pytest.raises(Unavailable, match="switched back"):
        lab.apply(FORWARD)

    assert lab.settled() == {"blue"}


def test_a_write_that_landed_is_said_to_have_landed_whatever_the_looks_after_it_meet(lab):
    """The server fails right after the patch: nobody may take our own write for a foreign one."""

    def fail():
        lab.server.fault, lab.server.fault_on = "server-error", frozenset({"GET"})

    lab.at_patch(fail)

    with pytest.raises(Unavailable, match="it was written, but") as told:
        lab.apply(FORWARD)

    lab.server.fault = None
    assert told.value.may_have_landed
    assert lab.settled() == {"green"}


def test_a_kill_meanwhile_is_not_undone(lab):
    """Whoever killed after our patch decided with a fence of its own; we stand back."""

    def kill():
        lab.flap("green", is_up=True)
        lab.apply(FORWARD)  # somebody else, who finds green selected already
        lab.kill()

    def vanished():
        lab.vanish("green")
        lab.at_patch(kill)

    lab.at_patch(vanished)

    with pytest.raises(Unavailable, match="somebody else changed"):
        lab.apply(FORWARD)

    assert lab.settled() == {"blue"}


def test_a_kill_brings_a_stopped_blue_up_before_it_switches(lab):
    """At every moment of its work somebody is ready behind the Service."""
    lab.apply(FORWARD)
    lab.stop("blue")
    lab.controllers.startup_s = 0.1
    began = lab.cluster.latest

    lab.kill()

    assert lab.settled() == {"blue"}
    assert len(lab.pods("blue")[1]) == 3
    assert not _times_empty(lab.cluster, began)


def test_a_kill_leaves_green_where_blue_is_slow(lab):
    """Until blue is up green serves; the next kill finds blue up and switches."""
    lab.apply(FORWARD)
    lab.stop("blue")
    lab.controllers.startup_s = 1.5

    with pytest.raises(Unavailable, match=r"scaled from 0 to 3.*goes on serving") as told:
        lab.kill(timeout_s=1.5)

    assert "kill again" in told.value.hint
    assert lab.settled() == {"green"}
    until(lambda: len(lab.pods("blue")[1]) == 3, "blue is up")
    lab.kill()
    assert lab.settled() == {"blue"}


def test_a_kill_leaves_green_where_blue_is_broken_for_good(lab):
    """However often it is asked: nobody is sent to pods that crash."""
    lab.apply(FORWARD)
    lab.fall("blue")

    for _ in range(3):
        with pytest.raises(Unavailable, match="0 of 2 ready pods that the way back needs"):
            lab.kill(timeout_s=1.2)

    assert lab.selected() == "green"
    assert lab.settled() == {"green"}


def test_a_kill_whose_blue_vanishes_at_the_last_moment_goes_back_to_green(lab):
    """Blue was ready at the look and gone at the patch; green still serves."""
    lab.apply(FORWARD)
    lab.at_patch(lambda: lab.vanish("blue"))

    with pytest.raises(Unavailable, match="switched back to app=chat,version=green"):
        lab.kill()

    assert lab.settled() == {"green"}


def test_a_kill_starts_a_blue_that_is_chosen_and_stopped(lab):
    """Somebody switched by hand to a side of no pods: the kill ends that outage."""
    lab.hand.scale("chat-blue", 0)
    until(lambda: not lab.hand.slices("chat"), "nobody serves")

    lab.kill(timeout_s=5.0)

    assert lab.settled() == {"blue"}


def test_pods_that_flap_never_leave_the_service_to_nobody(lab):
    """Both sides come and go in turn while kills and switches are asked for."""
    lab.apply(FORWARD)
    switched = 0
    for number in range(12):
        down, up = ("blue", "green") if number % 2 else ("green", "blue")
        lab.flap(up, is_up=True)
        lab.at_patch(lambda down=down: lab.vanish(down))
        began = lab.cluster.latest
        with suppress(Unavailable, Conflict):
            lab.kill() if number % 3 else lab.apply(FORWARD)
        lab.server.before = None
        if lab.was_switched(began):
            switched += 1
            assert lab.settled(), f"round {number}: {lab.selected()} is chosen and nobody serves"
    assert switched > 2


def test_a_side_of_two_slices_is_confirmed_when_both_have_followed(lab):
    """With 120 pods a side the slices follow one after the other; no mixed answer is taken."""
    for name in ("chat-blue", "chat-green"):
        lab.hand.scale(name, 120)
    until(lambda: len(lab.hand.slices("chat")) == 120 == len(lab.hand.slices("chat-green")), "up")
    lab.controllers.slice_lag_s = 0.1
    began = lab.cluster.latest

    lab.apply(FORWARD, timeout_s=10.0)

    assert lab.served() == {"green"}
    assert len(lab.hand.slices("chat")) == 120
    assert _was_mixed(lab.cluster, began)
    assert not _times_empty(lab.cluster, began)
    lab.kill(timeout_s=10.0)
    assert lab.served() == {"blue"}
    assert len(lab.hand.slices("chat")) == 120


def _slices(cluster, since):
    """Sides that the Service's slices named, after each event since then."""
    pieces = {}
    with cluster.lock:
        for version, plural, _, value in cluster.history:
            labels = value["metadata"].get("labels") or {}
            if plural == "endpointslices" and labels["kubernetes.io/service-name"] == "chat":
                pieces[value["metadata"]["name"]] = [
                    one["targetRef"]["name"].split("-")[1]
                    for one in value["endpoints"] or ()
                    if one["conditions"]["ready"]
                ]
                if version > since:
                    yield {side for piece in pieces.values() for side in piece}


def _times_empty(cluster, since):
    return [each for each in _slices(cluster, since) if not each]


def _was_mixed(cluster, since):
    return any(len(each) == 2 for each in _slices(cluster, since))


# -- any order of events --------------------------------------------------------


def _grow(lab, side, dice):
    lab.hand.scale(f"chat-{side}", dice.choice([1, 2, 3, 4]))


def _stop(lab, side, _):
    lab.hand.scale(f"chat-{side}", 0)


def _one_falls(lab, side, dice):
    names = sorted(lab.pods(side)[0])
    if names:
        lab.controllers.set_ready("chat", dice.choice(names), is_up=False)


def _all_fall(lab, side, _):
    lab.vanish(side)


def _all_rise(lab, side, _):
    lab.flap(side, is_up=True)


def _label(lab, _, dice):
    value = {"op": "add", "path": "/metadata/labels", "value": {"n": str(dice.random())}}
    lab.hand.edit("Service", "chat", [value])


EVENTS = [_grow, _stop, _one_falls, _all_fall, _all_rise, _label]
WRITES = [
    lambda lab: lab.apply(FORWARD, timeout_s=1.1),
    lambda lab: lab.apply(BACK, timeout_s=1.1),
    lambda lab: lab.kill(timeout_s=1.1),
]
STEPS = 12


@pytest.mark.parametrize("seed", range(10))
def test_no_order_of_events_leaves_a_service_to_nobody(seed, tmp_path):
    """Whatever befalls either side before or during a write of ours.

    If any side has ready pods once the write has ended, the write did not leave the Service
    to the other one.
    """
    dice = random.Random(seed)  # noqa: S311 - a seeded test
    world = dice.choice([SwitchWorld, SideServicesWorld])(tmp_path)
    lab, told = Outages(world), []
    try:
        for _ in range(STEPS):
            _one_step(lab, dice, told)
    finally:
        world.close()


def _one_step(lab, dice, told):
    for _ in range(dice.randrange(3)):
        _happen(lab, dice, told)
    if dice.random() < 0.6:
        lab.at_patch(lambda: _happen(lab, dice, told))
    began = lab.cluster.latest
    write = dice.randrange(len(WRITES))
    try:
        WRITES[write](lab)
    except RolloutctlError as error:
        told.append((write, str(error)))
    else:
        told.append((write, "done"))
    lab.server.before = None
    is_anybody_up = any(lab.pods(side)[1] for side in ("blue", "green"))
    if is_anybody_up and lab.was_switched(began):
        assert lab.settled(), told


def _happen(lab, dice, told):
    event, side = dice.choice(EVENTS), dice.choice(["blue", "green"])
    told.append((event.__name__, side))
    event(lab, side, dice)


# -- the whole command ----------------------------------------------------------


@pytest.mark.real
def test_a_kill_that_cannot_bring_blue_up_says_so_and_ends(tmp_path):
    """Exit 20 within its limit, with what serves, why, and what to do."""
    world = SwitchWorld(tmp_path)
    lab, place = Outages(world), Place(tmp_path)
    lab.apply(FORWARD)
    lab.hand.scale("chat-blue", 0)
    lab.controllers.broken.add("chat-blue")
    address = f"kubernetes://lab/chat/service-switch/chat?kubeconfig={world.target.spec.kubeconfig}"

    killed = place.run("kill", address, "--to", "blue")
    world_serves = lab.settled()
    world.close()

    said = " ".join((killed.stdout + killed.stderr).split())
    assert killed.returncode == 20, said
    assert "0 of 2 ready pods" in said
    assert "goes on serving" in said
    assert "Traceback" not in said
    assert world_serves == {"green"}


def test_the_lab_itself_would_show_an_empty_service(lab):
    """A plain patch by hand empties the Service: the checks above can fail."""
    lab.vanish("green")
    place = "/spec/selector/version"
    lab.hand.edit("Service", "chat", [{"op": "replace", "path": place, "value": "green"}])

    assert lab.settled() == set()


# -- routes ---------------------------------------------------------------------


@pytest.fixture(params=[GatewayWorld, IstioWorld], ids=["gateway", "istio"])
def route(request, tmp_path):
    """Blue's Service has all the weight, green's pods are ready."""
    world = request.param(tmp_path)
    route = Outages(world)
    until(lambda: len(world.hand.slices("chat-green")) == 3, "up")
    yield route
    world.close()


def at_route_patch(route, event):
    """The event happens once, between our last look at the world and our patch of the route."""

    def before(method, path):
        if method == "PATCH" and path.partition("?")[0].endswith("/chat"):
            route.server.before = None
            event()

    route.server.before = before


@pytest.mark.parametrize("exposure", [FORWARD, split(2_500), split(0, shadow_bp=1_000)], ids=str)
def test_a_share_of_a_route_for_pods_that_vanished_is_taken_back(route, exposure):
    """Weights and mirror are field for field what they were."""
    before = route.world.content()
    at_route_patch(route, lambda: route.fall("green"))

    with pytest.raises(Unavailable, match="no ready pod any more: it was taken back") as told:
        route.apply(exposure)

    assert told.value.may_have_landed
    assert route.world.content() == before


def test_a_busy_status_does_not_keep_a_share_of_nobody(route):
    """The route's version moves by its gateway's reports; what we own did not."""
    before = route.world.content()
    path = route.hand.path(route.world.kind, "chat", "status")

    def report():
        status = [{"op": "add", "path": "/status", "value": {"parents": [], "n": 1}}]
        route.hand.ask("PATCH", path, status, "application/json-patch+json")

    def vanished():
        route.fall("green")
        at_route_patch(route, report)

    at_route_patch(route, vanished)

    with pytest.raises(Unavailable, match="taken back"):
        route.apply(FORWARD)

    assert route.world.content() == before


def test_a_share_of_a_route_is_left_where_nobody_is_ready_any_more(route):
    """Nothing is gained by going from one empty side to another; it is said."""

    def everybody():
        route.fall("green")
        route.fall("blue")

    at_route_patch(route, everybody)

    with pytest.raises(Unavailable, match=r"nor has .*, which served before"):
        route.apply(FORWARD)

    assert route.world.provider.observe(route.world.target).exposure == FORWARD
