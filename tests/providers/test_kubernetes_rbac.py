"""The Roles of the documentation: each suffices, and a plan names each verb that is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from e2e.real_command import until
from providers.kubernetes_worlds import (
    SECRET,
    GatewayWorld,
    IstioWorld,
    ReplicasWorld,
    SideServicesWorld,
    SwitchWorld,
)
from rolloutctl.clock import SystemClock
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Unauthorized
from rolloutctl.providers.kubernetes.adapter import way_of
from rolloutctl.providers.kubernetes.place import STRATEGIES
from rolloutctl.providers.kubernetes.workloads import KubernetesSource, KubernetesSpec

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = list(yaml.safe_load_all((ROOT / "docs/providers/kubernetes-rbac.yaml").read_text()))
ROLES = {each["metadata"]["name"]: each["rules"] for each in DOCUMENTS if each["kind"] == "Role"}
WAYS = {
    "service-switch": SwitchWorld,
    "gateway": GatewayWorld,
    "istio": IstioWorld,
    "replicas": ReplicasWorld,
}
#: What the comment at the top of the file adds for a cleanup.
CLEANUP = (
    {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]},
)
#: Services of blue alone, which a cleanup would refuse to empty.
IN_THE_WAY = {"service-switch": (), "gateway": ("chat",), "istio": ("chat", "chat-blue")}
DELETION = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}


def role(name):
    """Rules of one Role of the file."""
    return ROLES[f"rolloutctl-{name}"]


def verbs_of(rules):
    """(verb, resource, group) of every right that the rules give."""
    return {
        (verb, resource, group)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def rules_of(verbs):
    """Rules that give exactly these rights."""
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for verb, resource, group in sorted(verbs)
    ]


EVERY_VERB = [(way, right) for way in WAYS for right in sorted(verbs_of(role(way)))]


@pytest.fixture
def make(tmp_path):
    """Makes a world whose account has the given rules; ends it."""
    made = []

    def begin(kind, rules):
        world = kind(tmp_path)
        made.append(world)
        until(lambda: len(world.hand.slices("chat-green")) == count(world, "green"), "up")
        world.server.accounts[SECRET] = list(rules)
        return world

    yield begin
    for world in made:
        world.close()


def count(world, side):
    return world.hand.get("Deployment", f"chat-{side}")["spec"]["replicas"]


def refusals(world):
    found = world.provider.probe(world.target)
    return [each.message for each in found if each.severity is Severity.REFUSE]


def apply(world, exposure):
    world.provider.apply(world.target, exposure, key="k", expect=None, timeout_s=10.0)


def canary_bp(world):
    return world.provider.observe(world.target).exposure.canary_bp


def stop(world, side):
    """The side is scaled down, and its pods are gone."""
    world.hand.scale(f"chat-{side}", 0)
    until(lambda: not world.hand.slices(f"chat-{side}"), f"{side} is gone")


def test_the_file_has_a_role_for_each_strategy_and_binds_one_of_them():
    """Whoever copies it finds what the target's strategy is called."""
    bound = [each["roleRef"]["name"] for each in DOCUMENTS if each["kind"] == "RoleBinding"]

    assert {f"rolloutctl-{each}" for each in STRATEGIES} <= set(ROLES)
    assert set(WAYS) == set(STRATEGIES)
    assert bound
    assert set(bound) <= set(ROLES)


@pytest.mark.parametrize("way", list(WAYS))
def test_a_plan_asks_for_exactly_what_the_role_gives(make, way):
    """Neither is a right asked for that the file does not give, nor given and never asked for."""
    world = make(WAYS[way], role(way))
    spec = world.target.spec

    asked = {(one.verb, one.resource, one.group) for one in way_of(spec).permissions(spec)}

    assert asked == verbs_of(role(way))


@pytest.mark.parametrize("way", list(WAYS))
def test_a_whole_rollout_and_its_way_back_need_no_more_than_the_role(make, way):
    """Plan, look, grow, restore, grow, kill."""
    world = make(WAYS[way], role(way))
    before = world.provider.observe(world.target)

    assert not refusals(world)
    apply(world, split(FULL_BP))
    assert canary_bp(world) == FULL_BP
    world.provider.restore(world.target, before.snapshot, key="k", expect=None, timeout_s=10.0)
    assert canary_bp(world) == 0
    apply(world, split(FULL_BP))
    world.provider.kill(world.target, timeout_s=10.0)
    assert canary_bp(world) == 0


@pytest.mark.parametrize("way", list(WAYS))
def test_a_kill_may_start_a_stopped_control_by_the_same_role(make, way):
    """`deployments/scale` is for this."""
    world = make(WAYS[way], role(way))
    apply(world, split(FULL_BP))
    if way != "replicas":  # there the shares themselves have stopped it
        stop(world, "blue")

    world.provider.kill(world.target, timeout_s=10.0)

    assert canary_bp(world) == 0
    assert count(world, "blue") > 0


@pytest.mark.parametrize(("way", "right"), EVERY_VERB, ids=str)
def test_each_missing_verb_is_named_before_anything_is_written(make, way, right):
    """Verb, resource and namespace, in the plan."""
    world = make(WAYS[way], rules_of(verbs_of(role(way)) - {right}))
    began = len(world.server.calls)
    verb, resource, group = right

    found = refusals(world)

    name = f"{resource}.{group}" if group else resource
    assert f"lab: may not {verb} {name} in chat" in found
    methods = {method for method, path in world.server.calls[began:] if "dryRun" not in path}
    assert methods <= {"GET", "POST"}


def narrowed(rules, resource):
    """The same, for the one object of that resource alone."""
    return [
        rule | ({"resourceNames": ["chat"]} if resource in rule["resources"] else {})
        for rule in rules
    ]


@pytest.mark.parametrize(
    ("way", "resource"),
    [
        ("service-switch", "services"),
        ("gateway", "httproutes"),
        ("istio", "virtualservices"),
    ],
)
def test_a_role_may_be_narrowed_to_the_object_of_the_target(make, way, resource):
    """`resourceNames` is understood by the plan and enough for the writes."""
    world = make(WAYS[way], narrowed(role(way), resource))

    assert not refusals(world)
    apply(world, split(FULL_BP))
    world.provider.kill(world.target, timeout_s=10.0)
    assert canary_bp(world) == 0


def test_a_kill_by_itself_needs_patch_get_and_the_slices(make):
    """Where each side has a Service; nobody on call may list pods or scale anything."""
    world = make(SideServicesWorld, role("service-switch"))
    apply(world, split(FULL_BP))
    world.server.accounts[SECRET] = role("kill")

    world.provider.kill(world.target, timeout_s=10.0)

    assert canary_bp(world) == 0
    assert world.hand.slices("chat") == ["chat-blue-0", "chat-blue-1", "chat-blue-2"]


def test_a_kill_of_a_route_by_itself_needs_no_more(make):
    """The route instead of the Service."""
    route = {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes"],
        "verbs": ["get", "patch"],
    }
    services = {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]}
    world = make(GatewayWorld, role("gateway"))
    apply(world, split(2_500, shadow_bp=1_000))
    world.server.accounts[SECRET] = [route, services, slices]

    world.provider.kill(world.target, timeout_s=10.0)

    assert world.provider.observe(world.target).exposure == split(0)


def test_a_kill_that_may_not_start_a_stopped_control_says_which_right_it_lacks(make):
    """And green goes on serving: nobody is sent to pods that are not there."""
    world = make(SideServicesWorld, role("service-switch"))
    apply(world, split(FULL_BP))
    stop(world, "blue")
    world.server.accounts[SECRET] = role("kill")

    with pytest.raises(Unauthorized, match="cannot list resource") as refused:
        world.provider.kill(world.target, timeout_s=5.0)

    assert "Role" in refused.value.hint
    assert canary_bp(world) == FULL_BP


@pytest.mark.parametrize("way", ["service-switch", "gateway", "istio"])
def test_a_cleanup_and_the_kill_after_it_need_what_the_file_adds(make, way):
    """The kill has to make a cleanup that may still be under way worthless."""
    kind = SideServicesWorld if way == "service-switch" else WAYS[way]
    world = make(kind, [*role(way), *CLEANUP])
    apply(world, split(FULL_BP))
    for name in IN_THE_WAY[way]:
        world.hand.ask("DELETE", world.hand.path("Service", name))

    world.provider.clean_up(world.target, "control", "scale-to-zero", timeout_s=10.0)
    assert count(world, "blue") == 0
    world.provider.kill(world.target, timeout_s=10.0)

    assert canary_bp(world) == 0
    assert count(world, "blue") == 3


def test_a_kill_after_a_cleanup_that_lacks_the_right_says_so_and_leaves_green(make):
    """Named with its verb, and nobody is sent to pods that somebody may be taking away."""
    world = make(SideServicesWorld, [*role("service-switch"), *CLEANUP])
    apply(world, split(FULL_BP))
    world.provider.clean_up(world.target, "control", "scale-to-zero", timeout_s=10.0)
    world.server.accounts[SECRET] = role("service-switch")

    with pytest.raises(Unauthorized, match=r'cannot patch resource "deployments"'):
        world.provider.kill(world.target, timeout_s=5.0)

    assert canary_bp(world) == FULL_BP


def test_a_cleanup_that_deletes_needs_one_verb_more(make):
    """Without it nothing is deleted; with it the Deployment is gone."""
    world = make(SideServicesWorld, [*role("service-switch"), *CLEANUP])
    apply(world, split(FULL_BP))
    with pytest.raises(Unauthorized, match="cannot delete"):
        world.provider.clean_up(world.target, "control", "delete", timeout_s=10.0)
    assert count(world, "blue") == 3
    world.server.accounts[SECRET] = [*role("service-switch"), *CLEANUP, DELETION]

    said = world.provider.clean_up(world.target, "control", "delete", timeout_s=10.0)

    assert said == "Deployment chat-blue deleted"


def test_a_health_check_needs_one_right_more_and_the_plan_says_so(make):
    """`pods/proxy`, where `health_path` is set."""
    world = make(SwitchWorld, role("service-switch"))
    spec = replace(world.target.spec, health_path="/health")
    world.target = replace(world.target, spec=spec)

    assert "lab: may not get pods/proxy in chat" in refusals(world)
    proxy = {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}
    world.server.accounts[SECRET] = [*role("service-switch"), proxy]
    assert not refusals(world)
    apply(world, split(FULL_BP))
    assert canary_bp(world) == FULL_BP


def test_the_gate_needs_no_more_than_its_role(make):
    """A source of its own, which may be another account."""
    world = make(SwitchWorld, role("gate-k8s-ready"))
    spec = KubernetesSpec(context="lab", namespace="chat", kubeconfig=world.target.spec.kubeconfig)

    found = KubernetesSource(spec).query(
        Query(kind=QueryKind.WORKLOAD, text="chat-green"), SystemClock().now()
    )

    assert found.state is DataState.OK
