"""Several who write one Service or route: one wins, the others see it; nothing gets lost."""

from __future__ import annotations

import threading
import urllib.error
from itertools import pairwise

import pytest

from e2e.real_command import until
from providers.kubernetes_outages import BACK, FORWARD, Outages
from providers.kubernetes_worlds import GatewayWorld, IstioWorld, SwitchWorld
from rolloutctl.core.exposure import split
from rolloutctl.errors import Conflict, Unavailable
from rolloutctl.providers.kubernetes.api import MANAGER

ROUNDS = 25
WRITERS = 3
#: Rounds of a test that would otherwise never end.
PATIENCE_S = 60.0
WAYS = {"service-switch": SwitchWorld, "gateway": GatewayWorld, "istio": IstioWorld}
PLURAL = {"Service": "services", "HTTPRoute": "httproutes", "VirtualService": "virtualservices"}


@pytest.fixture(params=list(WAYS))
def world(request, tmp_path):
    """One object, two sides with ready pods."""
    world = WAYS[request.param](tmp_path)
    lab = Outages(world)
    until(lambda: len(lab.hand.slices("chat")) == 3, "up")
    yield world
    world.close()


def owned(value):
    """What rolloutctl owns of an object, as text that can be compared."""
    spec = value["spec"]
    if "selector" in spec:
        return spec["selector"]["version"]
    (rules,) = (spec[name] for name in ("rules", "http") if name in spec)
    refs = rules[0].get("backendRefs") or rules[0].get("route")
    return tuple(ref.get("weight") for ref in refs)


def history(world):
    """Every version of the object that there was, oldest first."""
    with world.server.cluster.lock:
        return [
            value
            for _, plural, _, value in world.server.cluster.history
            if plural == PLURAL[world.kind] and value["metadata"]["name"] == "chat"
        ]


def in_threads(*works):
    """Runs them at the same moment and raises what any of them raised."""
    barrier, wrong = threading.Barrier(len(works)), []

    def run(work):
        barrier.wait(10)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's assertion is the test's
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
    if wrong:
        raise wrong[0]


def switching(world, accepted, refused, rounds=ROUNDS):
    """Looks, then writes the other side as seen; remembers each receipt that changed it."""
    provider, target = world.provider, world.target
    for number in range(rounds):
        seen = provider.observe(target)
        is_forward = seen.exposure is None or not seen.exposure.canary_bp
        goal = FORWARD if is_forward else BACK
        try:
            receipt = provider.apply(
                target, goal, key=str(number), expect=seen.version, timeout_s=10.0
            )
        except Conflict:
            refused.append(seen.version)
        except Unavailable as error:
            # Written, and then another one switched it before the slices had followed.
            if "it was written" not in error.message:
                raise
            accepted.append(seen.version)
        else:
            accepted += [seen.version] if receipt.changed else []


def test_of_two_who_saw_the_same_one_wins(world):
    """Each look can be written upon once; every accepted write stands in the history."""
    accepted, refused = [], []

    in_threads(*[lambda: switching(world, accepted, refused)] * WRITERS)

    versions = [owned(each) for each in history(world)]
    switches = sum(one != other for one, other in pairwise(versions))
    assert len(accepted) == switches
    assert refused, "they never met: the test proves nothing"
    assert len(accepted) + len(refused) <= ROUNDS * WRITERS


def count_up(world, done, rounds):
    """A careful editor: adds one to a label by compare-and-set, reading again when refused."""
    while done[0] < rounds:
        value = world.hand.get(world.kind, world.name)
        meta = value["metadata"]
        number = int((meta.get("labels") or {}).get("n", "0"))
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
            {"op": "add", "path": "/metadata/labels", "value": {"n": str(number + 1)}},
        ]
        try:
            world.hand.edit(world.kind, world.name, operations)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 422:
                raise
        else:
            done[0] += 1


def test_an_editor_of_something_else_loses_nothing_and_stops_nobody(world):
    """Labels and weights are written side by side: all of both arrive, none is refused."""
    accepted, refused, done = [], [], [0]

    in_threads(
        lambda: switching(world, accepted, refused),
        lambda: count_up(world, done, ROUNDS),
    )

    versions = history(world)
    labels = [int((each["metadata"].get("labels") or {}).get("n", "0")) for each in versions]
    chosen = [owned(each) for each in versions]
    assert labels[-1] == done[0] == ROUNDS
    assert labels == sorted(labels)
    assert sum(a != b for a, b in pairwise(chosen)) == len(accepted)
    assert len(accepted) == ROUNDS
    assert not refused


def test_an_edit_of_ours_between_look_and_patch_is_a_conflict(world):
    """Nothing is written over it; a new look can be written upon."""
    provider, target = world.provider, world.target
    seen = provider.observe(target)
    at_patch(world, world.edit_outside)

    with pytest.raises(Conflict) as refused:
        provider.apply(target, FORWARD, key="k", expect=seen.version, timeout_s=5.0)

    assert refused.value.hint
    edited = owned(world.hand.get(world.kind, world.name))
    assert edited == owned(history(world)[-1])
    assert all(one["manager"] != MANAGER for one in history(world)[-1]["metadata"]["managedFields"])
    seen = provider.observe(target)
    provider.apply(target, BACK, key="k", expect=seen.version, timeout_s=5.0)
    assert provider.observe(target).exposure == split(0)


def test_whoever_states_no_version_writes_after_the_edit(world):
    """Without `expect` the edit is read, and written over knowingly: in that order."""
    at_patch(world, world.edit_outside)

    world.provider.apply(world.target, split(0), key="k", expect=None, timeout_s=5.0)
    world.server.before = None
    world.provider.kill(world.target, timeout_s=5.0)

    assert world.provider.observe(world.target).exposure == split(0)


def at_patch(world, event):
    """The event happens once, just before our patch arrives."""

    def before(method, path):
        if method == "PATCH" and path.partition("?")[0].endswith("/chat"):
            world.server.before = None
            event()

    world.server.before = before


@pytest.fixture
def churn(world):
    """A controller that reports a status without pause, and how often it has."""
    ended, count = threading.Event(), [0]
    path = world.hand.path(world.kind, world.name, "status")
    content_type = "application/json-patch+json"

    def report():
        while not ended.is_set():
            count[0] += 1
            status = {"churn": {"n": count[0]}}
            body = [{"op": "add", "path": "/status", "value": status}]
            world.hand.ask("PATCH", path, body, content_type)

    world.server.cluster.controllers.has_gateway = False
    threads = [threading.Thread(target=report, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: count[0] > 5, "it reports")
    yield count
    ended.set()
    for thread in threads:
        thread.join(10)


def test_a_busy_status_neither_starves_a_write_nor_looks_like_an_edit(world, churn):
    """Each write arrives, by the version that was seen before it; each kill too."""
    provider, target = world.provider, world.target
    before = churn[0]

    for number in range(6):
        seen = provider.observe(target)
        goal = BACK if number % 2 else FORWARD
        provider.apply(target, goal, key="k", expect=seen.version, timeout_s=20.0)
    provider.kill(target, timeout_s=20.0)

    assert churn[0] > before + 10
    assert provider.observe(target).exposure == split(0)


def test_kills_at_the_same_moment_all_succeed(world):
    """Nobody who kills is told to come again because others kill too."""
    world.provider.apply(world.target, FORWARD, key="k", expect=None, timeout_s=10.0)

    in_threads(*[lambda: world.provider.kill(world.target, timeout_s=10.0)] * 6)

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_kill_makes_every_older_look_worthless(world):
    """Also where it changes nothing else: who looked before it writes nothing after it."""
    provider, target = world.provider, world.target
    seen = provider.observe(target)

    provider.kill(target, timeout_s=10.0)

    with pytest.raises(Conflict):
        provider.apply(target, FORWARD, key="k", expect=seen.version, timeout_s=10.0)
    assert provider.observe(target).exposure == split(0)


@pytest.mark.parametrize("write", ["apply", "kill"])
def test_what_counts_is_tested_where_the_version_moves_each_time(world, write):
    """A status before each of our patches: the write arrives, by tests of what it stands on."""
    path = world.hand.path(world.kind, world.name, "status")
    count = [0]

    def before(method, called):
        if method == "PATCH" and called.partition("?")[0].endswith("/chat"):
            world.server.before = None
            count[0] += 1
            status = [{"op": "add", "path": "/status", "value": {"n": count[0]}}]
            world.hand.ask("PATCH", path, status, "application/json-patch+json")
            world.server.before = before

    world.provider.apply(world.target, FORWARD, key="k", expect=None, timeout_s=10.0)
    world.server.cluster.controllers.has_gateway = False
    world.server.before = before

    if write == "kill":
        world.provider.kill(world.target, timeout_s=10.0)
    else:
        world.provider.apply(world.target, BACK, key="k", expect=None, timeout_s=10.0)

    world.server.before = None
    assert count[0] == 5
    assert world.provider.observe(world.target).exposure == split(0)


@pytest.mark.parametrize("event", ["edit", "kill"])
def test_what_counts_is_not_written_over_even_then(world, event):
    """A status each time, and at the fifth patch somebody who edits or kills: a conflict."""
    path = world.hand.path(world.kind, world.name, "status")
    count = [0]

    def before(method, called):
        if method == "PATCH" and called.partition("?")[0].endswith("/chat"):
            world.server.before = None
            count[0] += 1
            status = [{"op": "add", "path": "/status", "value": {"n": count[0]}}]
            world.hand.ask("PATCH", path, status, "application/json-patch+json")
            if count[0] == 5:
                world.edit_outside() if event == "edit" else world.provider.kill(
                    world.target, timeout_s=10.0
                )
                return
            world.server.before = before

    world.server.cluster.controllers.has_gateway = False
    seen = world.provider.observe(world.target)
    world.server.before = before

    with pytest.raises(Conflict):
        world.provider.apply(world.target, FORWARD, key="k", expect=seen.version, timeout_s=10.0)

    assert count[0] == 5
    assert owned(world.hand.get(world.kind, world.name)) != (0, 100)
