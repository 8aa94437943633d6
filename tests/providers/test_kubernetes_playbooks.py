"""The ready playbooks for Kubernetes by the real command: a fake cluster, a real Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from e2e.real_command import Place, until
from servers.in_seconds import in_seconds
from servers.kube import manifests as m
from servers.kube.http import KubeServer
from servers.kube.traffic import Traffic
from servers.prometheus import prometheus_server

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
#: playbook -> what clients call, version of control and canary
READY = {
    "kubernetes-blue-green.yaml": (("Service", "vllm"), "blue", "green"),
    "kubernetes-gateway-canary.yaml": (("HTTPRoute", "chat"), "v1", "v2"),
    "kubernetes-blue-green-canary.yaml": (("HTTPRoute", "vllm"), "blue", "green"),
}
every_playbook = pytest.mark.parametrize("name", list(READY))


class Live:
    """One playbook, its objects in a fake cluster, requests through it, and its Prometheus."""

    def __init__(self, folder, name, *, extra=""):
        self.entry, self.control, self.canary = READY[name]
        self.server = KubeServer()
        self.cluster = self.server.cluster
        self.hand = m.Hand(self.server.url, namespace="llm")
        documents = (ROOT / "playbooks/manifests" / name).read_text("utf-8")
        self.hand.create(*yaml.safe_load_all(documents))
        self.traffic = Traffic(self.cluster, self.entry)
        config = folder / "kubeconfig.yaml"
        config.write_text(yaml.safe_dump(m.kubeconfig(self.server.url)))
        text = in_seconds((ROOT / "playbooks" / name).read_text("utf-8"), hold="2s")
        self.place = Place(folder, KUBECONFIG=str(config))
        self.playbook = folder / name
        self.playbook.write_text(text.replace("\non_fail", f"{extra}\non_fail"), "utf-8")
        self.prometheus = prometheus_server(folder, self.traffic.server_port)
        self.prometheus.start()

    def inputs(self):
        return ("--input", "context=lab", "--input", f"prometheus={self.prometheus.url}")

    def start(self, *more):
        words = ("--auto", "--output", "ndjson", *self.inputs(), *more)
        return self.place.spawn("start", self.playbook, *words)

    def specs(self):
        """What the playbook works on, without what controllers write."""
        kinds = ("services", "httproutes", "deployments")
        with self.cluster.lock:
            found = [each for kind in kinds for each in self.cluster.find(kind, "llm")]
            return json.dumps([[each["metadata"]["name"], each["spec"]] for each in found])

    def share(self, version):
        with self.cluster.lock:
            return self.traffic.shares().get(version, 0.0)

    def close(self):
        self.prometheus.stop()
        self.traffic.close()
        self.server.close()


@pytest.fixture
def live(tmp_path):
    """Makes one playbook's world; ends it."""
    made = []

    def make(name, **more):
        made.append(Live(tmp_path, name, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


@every_playbook
def test_a_healthy_canary_gets_everybody_and_nobody_is_lost(live, name):
    """Each playbook ends at 100 %, and at no moment was there nobody to serve."""
    found = live(name)

    end = found.start().end()

    assert end == 0, found.place.run("list").stdout
    assert found.share(found.canary) == pytest.approx(1.0)
    assert found.share(found.control) == 0.0
    found.traffic.page()
    assert found.traffic.lost == 0


@every_playbook
def test_a_bad_canary_is_taken_back_field_for_field(live, name):
    """The objects are as they were before the start."""
    found = live(name)
    before = found.specs()
    found.traffic.failing[found.canary] = 0.4

    end = found.start().end()

    assert end == 10, found.place.run("list").stdout
    assert found.specs() == before
    found.traffic.page()
    assert found.traffic.lost == 0


@every_playbook
def test_a_kill_from_another_process_brings_everybody_to_control(live, name):
    """While the rollout is driven by its own process."""
    found = live(name)
    running = found.start()
    until(lambda: found.share(found.canary) > 0.04, "the canary is served")

    killed = found.place.run("kill", "--all", "--reason", "on call")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert found.share(found.control) == pytest.approx(1.0)
    assert running.end() == 13
    assert found.share(found.control) == pytest.approx(1.0)


def test_a_cleanup_scales_the_old_side_down_and_a_kill_brings_it_up_again(live):
    """The way back after the point of no quick return: blue is started, then switched to."""
    step = "  - {cleanup: control}\n"
    found = live("kubernetes-blue-green.yaml", extra=step)
    assert found.start().end() == 0
    scale = "/apis/apps/v1/namespaces/llm/deployments/vllm-blue/scale"
    assert found.hand.ask("GET", scale)["spec"]["replicas"] == 0

    killed = found.place.run("kill", "kubernetes://lab/llm/service-switch/vllm", "--to", "blue")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert found.hand.slices("vllm") == ["vllm-blue-0", "vllm-blue-1"]
    assert found.hand.ask("GET", scale)["spec"]["replicas"] == 2
    found.traffic.page()
    assert found.traffic.lost == 0
