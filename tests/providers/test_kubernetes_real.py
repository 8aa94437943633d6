"""The conformance suite and the basics of safety on a real cluster.

The cluster need not run anything: it is enough that somebody reports its pods as ready. Each
test has a namespace of its own and deletes it. Routes are tried where their CRDs are installed.
"""

from __future__ import annotations

import os
import urllib.error
from contextlib import contextmanager

import pytest
import yaml

from e2e.real_command import Place, until
from providers.kubernetes_worlds import (
    WORLDS,
    GatewayWorld,
    IstioWorld,
    ReplicasWorld,
    SideServicesWorld,
    SwitchWorld,
)
from rolloutctl.clock import random_suffix
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.errors import Unavailable
from rolloutctl.providers.kubernetes.connection import forget
from rolloutctl.testing.conformance import ProviderConformance
from servers.kube import manifests as m
from servers.kube.http import KubeServer
from servers.kube.proxy import KubeProxy

VARIABLE = "ROLLOUTCTL_TEST_KUBECONFIG"
HOW = (
    f"set {VARIABLE} to a kubeconfig (its current context is used): `kind create cluster` or k3s"
    " make one in a minute"
)
#: Pods of a real cluster pull an image first.
PODS_S = 120.0
CALL_S = 20.0
GROUPS = {GatewayWorld: "gateway.networking.k8s.io", IstioWorld: "networking.istio.io"}


def sources():
    """The stand-in proves the suite itself; a cluster is only asked for where it is named."""
    real = pytest.mark.skipif(not os.environ.get(VARIABLE), reason=HOW)
    return ["stand-in", pytest.param("cluster", marks=[pytest.mark.real, real])]


@contextmanager
def kubeconfig_of(source, folder):
    """(file, context) of the cluster."""
    if source == "cluster":
        file = os.path.expanduser(os.environ[VARIABLE])  # noqa: PTH111 - may be a list of files
        with open(file.split(os.pathsep)[0], encoding="utf-8") as stream:  # noqa: PTH123 - same
            yield file, yaml.safe_load(stream)["current-context"]
        return
    server = KubeServer()
    file = folder / "stand-in.yaml"
    file.write_text(yaml.safe_dump(m.kubeconfig(server.url, context="stand-in")))
    yield str(file), "stand-in"
    server.close()


@contextmanager
def world_of(kind, source, folder):
    """A world of that kind in a namespace of its own, its pods ready."""
    with kubeconfig_of(source, folder) as (file, context):
        server = KubeProxy(file, context)
        namespace = f"rolloutctl-test-{random_suffix()}"
        hand = m.Hand(server.url)
        try:
            for base, group in GROUPS.items():
                if issubclass(kind, base):
                    _skip_without(hand, group)
            value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            hand.ask("POST", "/api/v1/namespaces", value)
            try:
                world = kind(folder, server=server, namespace=namespace)
                _await_pods(world)
                yield world
            finally:
                server.fault = server.before = None
                m.Hand(server.url, token="somebody").ask(
                    "DELETE", f"/api/v1/namespaces/{namespace}"
                )
        finally:
            server.close()
            forget()


def _skip_without(hand, group):
    try:
        hand.ask("GET", f"/apis/{group}/v1")
    except urllib.error.HTTPError as error:
        error.close()
        pytest.skip(f"this cluster has no {group}/v1: install its CRDs")


def _await_pods(world):
    """As many endpoints as the Deployments want, in every Service of a side."""
    for side in ("blue", "green"):
        wanted = world.hand.get("Deployment", f"chat-{side}")["spec"]["replicas"]
        await_endpoints(world, f"chat-{side}", wanted)


def await_endpoints(world, service, count):
    until(
        lambda: len(world.hand.slices(service)) == count,
        f"{count} ready endpoints of {service}",
        PODS_S,
    )


@pytest.mark.real
@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=HOW)
class TestOnACluster(ProviderConformance):
    """The whole suite, through a door that injects its faults."""

    @pytest.fixture(params=list(WORLDS))
    def world(self, request, tmp_path):
        with world_of(WORLDS[request.param], "cluster", tmp_path) as world:
            yield world


class TestThroughTheDoor(ProviderConformance):
    """The same on the stand-in: what runs on a cluster does not rot until somebody has one."""

    @pytest.fixture
    def world(self, tmp_path):
        with world_of(GatewayWorld, "stand-in", tmp_path) as world:
            yield world


@pytest.fixture(params=[SwitchWorld, SideServicesWorld], ids=["by labels", "by side services"])
def behind_service(request, source, tmp_path):
    """Blue serves, green is ready."""
    with world_of(request.param, source, tmp_path) as world:
        yield world


def apply(world, exposure):
    world.provider.apply(world.target, exposure, key="k", expect=None, timeout_s=CALL_S)


def sides(world, service="chat"):
    """Sides that a Service's slices name."""
    return {name.split("-")[1] for name in world.hand.slices(service)}


def at_patch(world, event):
    """The event happens once, between our last look and our patch of the Service."""

    def before(method, path):
        if method == "PATCH" and path.partition("?")[0].endswith("/services/chat"):
            world.server.before = None
            event()

    world.server.before = before


def stop(world, side):
    world.hand.scale(f"chat-{side}", 0)
    await_endpoints(world, f"chat-{side}", 0)


on_each = pytest.mark.parametrize("source", sources())


@on_each
def test_a_switch_and_a_kill_reach_every_endpoint(behind_service):
    """When the write has returned the slices name one side alone, and all of it."""
    apply(behind_service, split(FULL_BP))
    assert sides(behind_service) == {"green"}
    assert len(behind_service.hand.slices("chat")) == 3

    behind_service.provider.kill(behind_service.target, timeout_s=CALL_S)

    assert sides(behind_service) == {"blue"}
    assert len(behind_service.hand.slices("chat")) == 3


@on_each
def test_nobody_is_sent_to_pods_that_are_not_there(behind_service):
    """The Service is not touched."""
    stop(behind_service, "green")
    before = behind_service.hand.get("Service", "chat")["metadata"]["resourceVersion"]

    with pytest.raises(Unavailable, match="gets no traffic: 0 of 3 pods ready"):
        apply(behind_service, split(FULL_BP))

    after = behind_service.hand.get("Service", "chat")["metadata"]["resourceVersion"]
    assert after == before
    assert sides(behind_service) == {"blue"}


@on_each
def test_pods_that_vanish_between_look_and_patch_send_everybody_back(behind_service):
    """Back to blue, and said."""
    at_patch(behind_service, lambda: stop(behind_service, "green"))

    with pytest.raises(Unavailable, match="switched back") as told:
        apply(behind_service, split(FULL_BP))

    assert told.value.may_have_landed
    await_endpoints(behind_service, "chat", 3)
    assert sides(behind_service) == {"blue"}


@on_each
def test_a_kill_brings_a_stopped_blue_up_before_it_switches(behind_service):
    """By the pods that the cluster itself starts."""
    apply(behind_service, split(FULL_BP))
    stop(behind_service, "blue")

    until(lambda: _is_killed(behind_service), "blue is up and chosen", PODS_S)

    await_endpoints(behind_service, "chat-blue", 3)
    assert sides(behind_service) == {"blue"}


def _is_killed(world):
    try:
        world.provider.kill(world.target, timeout_s=CALL_S)
    except Unavailable:
        assert sides(world) == {"green"}, "green goes on serving until blue is up"
        return False
    return True


@on_each
def test_a_patch_of_somebody_else_is_in_the_history_as_theirs(behind_service):
    """The server's own field managers name who switched last."""
    behind_service.edit_outside()

    seen = behind_service.provider.observe(behind_service.target)

    assert seen.editor.startswith("kubectl-edit at ")


@on_each
@pytest.mark.parametrize("kind", [GatewayWorld, IstioWorld, ReplicasWorld])
def test_a_share_and_a_kill_are_what_the_server_keeps(kind, source, tmp_path):
    """Other rules, filters and backends are as they were."""
    with world_of(kind, source, tmp_path) as world:
        before = world.content()
        snapshot = world.provider.observe(world.target).snapshot

        apply(world, split(5_000))
        assert world.provider.observe(world.target).exposure == split(5_000)
        world.provider.restore(world.target, snapshot, key="k", expect=None, timeout_s=CALL_S)
        assert world.content() == before
        apply(world, split(5_000))
        until(lambda: _is_killed_at_all(world), "control serves everybody", PODS_S)

        assert world.provider.observe(world.target).exposure == split(0)


def _is_killed_at_all(world):
    try:
        world.provider.kill(world.target, timeout_s=CALL_S)
    except Unavailable:
        return False
    return True


@on_each
@pytest.mark.real
def test_the_kill_command_confirms_within_its_limit(behind_service, tmp_path):
    """The whole process, from a shell that knows the address only."""
    apply(behind_service, split(FULL_BP))
    address = behind_service.provider.address(behind_service.target)

    killed = Place(tmp_path).run("kill", address, "--to", "blue")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert sides(behind_service) == {"blue"}
