"""kubectl and rolloutctl on one cluster: each sees what the other does, by the server's rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
import yaml

from e2e.real_command import until
from providers.kubernetes_worlds import GatewayWorld, SwitchWorld
from rolloutctl.core.exposure import FULL_BP, split
from rolloutctl.core.observation import Severity
from servers.kube import manifests as m

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        shutil.which("kubectl") is None,
        reason="kubectl is not installed: https://kubernetes.io/docs/tasks/tools/",
    ),
]
PATIENCE_S = 30.0


class Kubectl:
    """The real kubectl, with a home and a kubeconfig of the test's own.

    It sends no token over plain HTTP: who comes without one is this kubectl.
    """

    def __init__(self, world, folder):
        self.folder = folder
        world.server.accounts[""] = None
        self.file = folder / "kubectl.yaml"
        self.file.write_text(yaml.safe_dump(m.kubeconfig(world.server.url)))
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.watches = []

    def run(self, *words, stdin=""):
        return subprocess.run(
            ["kubectl", "--kubeconfig", str(self.file), *words],
            input=stdin,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def say(self, *words, stdin=""):
        """What it prints, where it must succeed."""
        ended = self.run(*words, stdin=stdin)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def watch(self, *words):
        """Starts a watch; returns the file that it writes to."""
        out = self.folder / f"watch-{len(self.watches)}.out"
        command = ["kubectl", "--kubeconfig", str(self.file), "get", "--watch", *words]
        with out.open("wb") as stream:
            self.watches.append(subprocess.Popen(command, stdout=stream, env=self.environ))
        return out

    def close(self):
        for each in self.watches:
            each.kill()
            each.wait()


@pytest.fixture
def make(tmp_path):
    """Makes a world and a kubectl for it; ends both."""
    ends = []

    def begin(kind=SwitchWorld):
        world = kind(tmp_path)
        kubectl = Kubectl(world, tmp_path)
        ends.extend((kubectl, world))
        until(lambda: len(world.hand.slices("chat")) == 3, "up")
        return world, kubectl

    yield begin
    for each in ends:
        each.close()


def test_objects_that_kubectl_creates_come_up_and_are_shown(make):
    """Created by a manifest, looked at by the tables that everybody knows."""
    _, kubectl = make()
    documents = [
        m.deployment("web-blue", {"app": "web", "version": "blue"}, 2),
        m.service("web", {"app": "web", "version": "blue"}),
    ]
    made = kubectl.say("create", "--validate=false", "-f", "-", stdin=yaml.safe_dump_all(documents))

    assert "deployment.apps/web-blue created" in made
    assert "service/web created" in made
    assert "web-blue   2/2" in kubectl.say("get", "deployment", "web-blue")
    assert "app=web,version=blue" in kubectl.say("get", "service", "web", "--output", "wide")
    slices = kubectl.say("get", "endpointslices", "--selector", "kubernetes.io/service-name=web")
    assert slices.split()[8].count(",") == 1


def test_a_watch_shows_a_switch_as_one_event_that_is_never_empty(make):
    """Three green pods instead of three blue ones, in one step."""
    world, kubectl = make()
    shown = kubectl.watch(
        "endpointslices",
        "--selector=kubernetes.io/service-name=chat",
        "--output=jsonpath={.endpoints[*].targetRef.name}{'\\n'}",
    )
    until(lambda: "chat-blue-2" in shown.read_text(), "the watch has begun")

    world.provider.apply(world.target, split(FULL_BP), key="k", expect=None, timeout_s=5.0)

    until(lambda: "chat-green-2" in shown.read_text(), "the watch has seen it")
    assert shown.read_text().splitlines() == [
        "chat-blue-0 chat-blue-1 chat-blue-2",
        "chat-green-0 chat-green-1 chat-green-2",
    ]


def test_a_patch_by_kubectl_is_seen_with_its_name(make):
    """Strategic merge: the other keys of the selector stay. The kill goes over it."""
    world, kubectl = make()

    kubectl.say("patch", "service", "chat", "-p", '{"spec":{"selector":{"version":"green"}}}')

    seen = world.provider.observe(world.target)
    assert seen.exposure == split(FULL_BP)
    assert seen.editor.startswith("kubectl-patch at ")
    assert world.hand.get("Service", "chat")["spec"]["selector"]["app"] == "chat"
    world.provider.kill(world.target, timeout_s=5.0)
    selector = kubectl.say("get", "service", "chat", "-o", "jsonpath={.spec.selector.version}")
    assert selector == "blue"


def test_a_key_that_kubectl_leaves_in_a_selector_is_named(make):
    """Merged keys survive until they are set to null: an endpoint of nobody is refused."""
    world, kubectl = make()
    kubectl.say("patch", "service", "chat", "-p", '{"spec":{"selector":{"track":"canary"}}}')

    found = world.provider.probe(world.target)

    warnings = [each.message for each in found if each.severity is Severity.WARN]
    assert any("green has no ready pod" in each for each in warnings)
    kubectl.say("patch", "service", "chat", "-p", '{"spec":{"selector":{"track":null}}}')
    assert not [
        each.message
        for each in world.provider.probe(world.target)
        if each.severity is Severity.WARN
    ]


def test_kubectl_scales_a_side_and_a_switch_to_it_waits(make):
    """The scale subresource; readiness is what the pods say."""
    world, kubectl = make()

    kubectl.say("scale", "deployment", "chat-green", "--replicas=0")

    assert kubectl.say("get", "pods", "--selector", "version=green", "--no-headers") == ""
    warnings = [
        each.message
        for each in world.provider.probe(world.target)
        if each.severity is Severity.WARN
    ]
    assert any("green has no ready pod" in each for each in warnings)


def test_kubectl_names_rolloutctl_as_the_owner_of_what_it_wrote(make):
    """In managedFields, and by an apply that would take it away."""
    world, kubectl = make()
    world.provider.apply(world.target, split(FULL_BP), key="k", expect=None, timeout_s=5.0)
    value = json.loads(
        kubectl.say("get", "service", "chat", "--show-managed-fields", "--output", "json")
    )

    owners = {
        each["manager"]
        for each in value["metadata"]["managedFields"]
        if "f:selector" in each["fieldsV1"].get("f:spec", {})
    }
    document = yaml.safe_dump(m.service("chat", {"app": "chat", "version": "blue"}))
    applied = kubectl.run("apply", "--server-side", "--validate=false", "-f", "-", stdin=document)

    assert owners == {"rolloutctl"}
    assert applied.returncode == 1
    assert 'conflict with "rolloutctl"' in applied.stderr
    assert ".spec.selector" in applied.stderr
    assert world.provider.observe(world.target).exposure == split(FULL_BP)


@pytest.mark.parametrize(
    ("kind", "patch", "said"),
    [
        ("strategic", '{"spec":{"rules":[]}}', "unknown format|unsupported|application/"),
        ("json", '[{"op":"test","path":"/spec/rules/0/name","value":"x"}]', "rejected our request"),
        (
            "json",
            '[{"op":"add","path":"/spec/rules/0/backendRefs/0/weight","value":-1}]',
            "Invalid value: -1",
        ),
    ],
    ids=["strategic merge of a CRD", "a test that fails", "a negative weight"],
)
def test_the_server_refuses_kubectl_as_a_real_one_does(make, kind, patch, said):
    """415, 422 and 422; and nothing is written."""
    world, kubectl = make(GatewayWorld)
    before = world.content()

    ended = kubectl.run("patch", "httproute", "chat", "--type", kind, "-p", patch)

    assert ended.returncode == 1
    assert any(each in ended.stderr for each in said.split("|")), ended.stderr
    assert world.content() == before


def test_who_may_only_patch_is_refused_by_kubectl_and_not_by_the_server(make):
    """It reads before it patches; a plain PATCH needs the verb alone."""
    world, kubectl = make()
    rule = {"apiGroups": [""], "resources": ["services"], "verbs": ["patch"]}
    world.server.accounts[""] = [rule]

    ended = kubectl.run("patch", "service", "chat", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    operation = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
    edited = m.Hand(world.server.url).edit("Service", "chat", [operation])

    assert ended.returncode == 1
    assert "cannot get resource" in ended.stderr
    assert edited["metadata"]["labels"] == {"a": "b"}
