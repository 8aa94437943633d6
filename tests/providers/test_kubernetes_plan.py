"""What a plan says of a cluster before anything is written, and how a cluster is found."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml

from providers.kubernetes_worlds import (
    SECRET,
    GatewayWorld,
    IstioWorld,
    ReplicasWorld,
    SideServicesWorld,
    SwitchWorld,
)
from rolloutctl.core.measurement import DataState, Query, QueryKind
from rolloutctl.core.observation import Severity
from rolloutctl.errors import Rejected, RolloutctlError, Unauthorized, UsageError
from rolloutctl.providers.kubernetes import Kubernetes, TargetSpec
from rolloutctl.providers.kubernetes.connection import forget
from rolloutctl.providers.kubernetes.place import spec_problems
from rolloutctl.providers.kubernetes.workloads import KubernetesSource, KubernetesSpec
from servers.kube import manifests as m


@pytest.fixture
def make(tmp_path):
    """Makes a world; ends it."""
    made = []

    def begin(kind):
        made.append(kind(tmp_path))
        return made[-1]

    yield begin
    for world in made:
        world.close()


def findings(world, severity):
    return [
        (one.message, one.hint)
        for one in world.provider.probe(world.target)
        if one.severity is severity
    ]


def refusals(world):
    return findings(world, Severity.REFUSE)


def warnings(world):
    return findings(world, Severity.WARN)


# -- plan -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SwitchWorld, GatewayWorld, IstioWorld, ReplicasWorld])
def test_what_an_account_may_not_do_is_named_before_the_first_write(make, kind):
    """By verb, resource and namespace; nothing else stops the plan."""
    world = make(kind)
    group = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}
    world.server.accounts[SECRET] = [group]

    (first, *_) = refusals(world)

    assert "may not patch" in first[0]
    assert "in chat" in first[0]
    assert "docs/providers/kubernetes.md" in first[1]


def test_an_account_that_may_nothing_is_told_all_of_it_at_once(make):
    """Not one verb a day."""
    world = make(SwitchWorld)
    world.server.accounts[SECRET] = []

    assert len(refusals(world)) == 6
    assert any("forbidden" in message for message, _ in warnings(world))


@pytest.mark.parametrize(
    ("marks", "who"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, "Flux"),
        ({"annotations": {"meta.helm.sh/release-name": "x"}}, "Helm"),
        ({"ownerReferences": [{"kind": "Canary", "name": "x"}]}, "Flagger"),
    ],
)
def test_a_controller_that_would_set_it_back_is_named(make, marks, who):
    """With what to do about it."""
    world = make(SwitchWorld)
    for name, value in marks.items():
        place = f"/metadata/{name}"
        world.hand.edit("Service", "chat", [{"op": "add", "path": place, "value": value}])

    ((message, hint),) = warnings(world)

    assert f"is kept by {who}, which would set it back" in message
    assert hint


def test_argo_rollouts_is_known_by_the_selector(make):
    """It puts a hash there; two that switch one Service cannot both be right."""
    world = make(SwitchWorld)
    path = "/spec/selector/rollouts-pod-template-hash"
    world.hand.edit("Service", "chat", [{"op": "add", "path": path, "value": "abc"}])

    assert any("Argo Rollouts" in message for message, _ in warnings(world))


def test_the_last_editor_is_the_field_manager(make):
    """Whoever wrote the selector, and nobody who wrote something else."""
    world = make(SwitchWorld)
    world.edit_outside()
    world.edit_elsewhere()

    seen = world.provider.observe(world.target)

    assert seen.editor.startswith("kubectl-edit at 20")


def test_our_own_writes_have_no_foreign_editor(make):
    """Drift is somebody else's."""
    world = make(SwitchWorld)
    world.provider.kill(world.target, timeout_s=5.0)
    world.edit_outside()
    world.provider.kill(world.target, timeout_s=5.0)

    assert world.provider.observe(world.target).editor == ""


def test_a_side_without_pods_is_told(make):
    """Before anybody is sent there."""
    world = make(SideServicesWorld)
    world.hand.scale("chat-green", 0)
    world.server.cluster.controllers.slice_lag_s = 0.0
    with world.server.cluster.lock:
        world.server.cluster.controllers.wake()

    assert any("green has no ready pod" in message for message, _ in warnings(world))


def test_a_gateway_api_that_cannot_mirror_a_share_is_told(make):
    """An older one would mirror everything: the server itself is asked, by a dry run."""
    world = make(GatewayWorld)
    before = world.content()
    assert warnings(world) == []

    world.server.cluster.gateway_version = (1, 1)

    ((message, hint),) = warnings(world)
    assert "refuses a mirrored percentage" in message
    assert "Gateway API 1.3" in hint
    assert world.content() == before


def test_a_route_that_no_gateway_reports_on_is_told(make, tmp_path):
    """Then nobody can confirm that the weights are in force."""
    del tmp_path
    world = make(GatewayWorld)
    world.server.cluster.controllers.has_gateway = False
    patch = [{"op": "remove", "path": "/status"}]
    world.hand.ask(
        "PATCH",
        world.hand.path("HTTPRoute", "chat", "status"),
        patch,
        "application/json-patch+json",
    )

    assert "no gateway reports on this route" in dict(warnings(world))


def test_a_crd_that_is_not_installed_is_told(make):
    """The API server answers it in plain text."""
    world = make(GatewayWorld)
    world.server.cluster.crds.remove("httproutes")

    ((message, hint),) = refusals(world)

    assert "404" in message
    assert "is its CRD installed?" in hint


def test_a_gateway_that_refuses_the_route_makes_it_unreadable(make):
    """Weights that no gateway took are not what is served."""
    world = make(GatewayWorld)
    path = "/spec/rules/1/backendRefs/0/name"
    world.hand.edit("HTTPRoute", "chat", [{"op": "replace", "path": path, "value": "gone"}])

    seen = world.provider.observe(world.target)

    assert seen.exposure is None
    assert "ResolvedRefs is False: backend gone not found" in seen.detail


def test_autoscalers_of_the_two_deployments_are_refused(make):
    """They would set the counts back."""
    world = make(ReplicasWorld)
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "chat-green"}},
    }
    world.hand.create(scaler)

    ((message, hint),) = refusals(world)

    assert "HorizontalPodAutoscaler auto counts the pods of chat-green" in message
    assert "kubectl delete hpa auto" in hint


def test_counts_that_the_target_does_not_state_are_refused(make):
    """A share of ten is no share of four."""
    world = make(ReplicasWorld)
    target = replace(world.target, spec=replace(world.target.spec, replicas=10))

    found = [one.message for one in world.provider.probe(target)]

    assert "both have 4 pods, the target says 10" in found
    assert "10 pods: shares come in steps of 10 %" in found


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        (SwitchWorld, {"name": "nowhere"}, 'services "nowhere" not found'),
        (GatewayWorld, {"rule": "nowhere"}, "has no rule 'nowhere'"),
        (ReplicasWorld, {"name": "chat-green"}, "chooses no pods of a Deployment chat-blue"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(make, kind, changes, sentence):
    """As a refusal of the plan."""
    world = make(kind)
    world.target = replace(world.target, spec=replace(world.target.spec, **changes))

    ((message, hint),) = refusals(world)

    assert sentence in message
    assert hint


# -- keys -----------------------------------------------------------------------

GOOD = {"context": "lab", "namespace": "n", "strategy": "service-switch", "name": "web"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"strategy": "magic"}, "strategy"),
        ({"namespace": "No Such"}, "namespace"),
        ({"name": "-"}, "name"),
        ({"label": "a b"}, "label"),
        ({"context": ""}, "context"),
        ({"rule": "x"}, "rule"),
        ({"replicas": 3}, "replicas"),
        ({"side_services": "chat"}, "side_services"),
        ({"ready": -1}, "ready"),
        ({"health_path": "healthz"}, "health_path"),
        ({"strategy": "replicas"}, "replicas"),
        ({"strategy": "replicas", "replicas": 7}, "replicas"),
        ({"strategy": "gateway", "label": "x"}, "label"),
    ],
)
def test_each_wrong_key_is_told_with_a_fix(changes, key):
    """At lint, without a cluster."""
    ((found, message, fix),) = spec_problems(TargetSpec(**(GOOD | changes)))

    assert found == key
    assert message
    assert fix


def test_an_address_keeps_a_context_with_slashes():
    """As EKS names them; and a label that is not the usual one."""
    address = "kubernetes://arn:aws:eks:eu:1:cluster%2Fprod/n/service-switch/web?label=colour"

    fields = Kubernetes().parse_address(address)

    assert fields["context"] == "arn:aws:eks:eu:1:cluster/prod"
    assert fields["label"] == "colour"


@pytest.mark.parametrize(
    "address",
    [
        "kubernetes://lab/n/magic/web",
        "kubernetes://lab/n/service-switch",
        "kubernetes://lab/n/service-switch/web?colour=x",
    ],
)
def test_a_wrong_address_shows_the_right_form(address):
    """At 3 a.m. nobody guesses."""
    with pytest.raises(UsageError) as caught:
        Kubernetes().parse_address(address)

    assert "kubernetes://CONTEXT/NAMESPACE" in caught.value.hint


# -- which cluster --------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (None, "does not exist"),
        ("", "cannot be used"),
        (": :\n\t-", "cannot be used"),
        (yaml.safe_dump(m.kubeconfig("http://127.0.0.1:9", context="prod")), "has no context"),
    ],
    ids=["no file", "empty", "no YAML", "another context"],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_clear_error(tmp_path, write, sentence):
    """With what to do; never a traceback."""
    forget()
    file = tmp_path / "kubeconfig"
    if write is not None:
        file.write_text(write)
    source = KubernetesSource(KubernetesSpec(context="lab", namespace="n", kubeconfig=str(file)))

    try:
        found = [one.message for one in source.probe()]
    except RolloutctlError as error:
        found = [error.message, error.hint]

    assert sentence in " ".join(found)


def test_several_files_are_merged_as_kubectl_merges_them(make, tmp_path, monkeypatch):
    """$KUBECONFIG is read at the call, not at the import of the client."""
    world = make(SwitchWorld)
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(m.kubeconfig("http://127.0.0.1:9", context="prod")))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(other), world.target.spec.kubeconfig]))
    forget()
    target = replace(world.target, spec=replace(world.target.spec, kubeconfig=""))

    # Both files name their cluster and user alike: the first one wins, as with kubectl.
    with pytest.raises(RolloutctlError, match="refused"):
        world.provider.observe(target)


def test_outside_a_pod_there_is_no_cluster_around(monkeypatch):
    """`context: in-cluster` says so."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    forget()
    source = KubernetesSource(KubernetesSpec(context="in-cluster", namespace="n"))

    ((one),) = source.probe()

    assert one.severity is Severity.REFUSE
    assert "no cluster around this process" in one.message


# -- the source of k8s-ready ----------------------------------------------------


def source_of(world):
    spec = KubernetesSpec(context="lab", namespace="chat", kubeconfig=world.target.spec.kubeconfig)
    return KubernetesSource(spec)


def ask(world, name="chat-green"):
    query = Query(kind=QueryKind.WORKLOAD, text=name)
    now = world.provider.observe(world.target).at
    return source_of(world).query(query, now)


def counts(measurement):
    return {
        labels["count"]: one.value
        for one in measurement.samples
        if "count" in (labels := dict(one.labels))
    }


def test_the_source_counts_pods(make):
    """Wanted, ready, seen by the controller, given up."""
    world = make(SwitchWorld)

    assert source_of(world).probe()[0].severity is Severity.OK
    assert counts(ask(world)) == {"wanted": 3, "ready": 3, "observed": 1, "gave-up": 0}


def test_a_deployment_that_is_not_there_is_no_data(make):
    """With the names there are."""
    found = ask(make(SwitchWorld), "chat-gren")

    assert found.state is DataState.EMPTY
    assert "there are chat-blue, chat-green" in found.detail


def test_a_crashing_pod_is_told_by_name(make):
    """As its kubelet reports it."""
    from servers.kube.controllers import POD, status_of  # noqa: PLC0415 - this test only

    world = make(SwitchWorld)
    with world.server.cluster.lock:
        pod = world.server.cluster.get(POD, "chat", "chat-green-1")
        pod["status"] |= status_of(is_up=False, waiting="CrashLoopBackOff", restarts=4)

    samples = [dict(one.labels) | {"value": one.value} for one in ask(world).samples]

    assert {"restarts": "chat-green-1", "value": 4.0} in samples
    assert {"broken": "chat-green-1 is in CrashLoopBackOff", "value": 1.0} in samples


def test_the_source_has_no_history(make):
    """A backtest says so."""
    world = make(SwitchWorld)
    query = Query(kind=QueryKind.WORKLOAD, text="chat-green")
    now = world.provider.observe(world.target).at

    with pytest.raises(Rejected, match="no history"):
        source_of(world).history(query, now, now, 1.0)


def test_a_source_without_rights_says_so(make):
    """Not that there are no pods."""
    world = make(SwitchWorld)
    world.server.accounts[SECRET] = []

    with pytest.raises(Unauthorized, match="forbidden"):
        source_of(world).query(
            Query(kind=QueryKind.WORKLOAD, text="chat-green"), datetime(2027, 1, 1, tzinfo=UTC)
        )
