"""From typing `rolloutctl kill` to a Service whose endpoints are all blue, against kubectl.

Each kill is a process of its own, on a stand-in for an API server or on any cluster. Measured are
the time from its start until every ready endpoint of the Service is blue, and until it has ended:
then `rolloutctl` has confirmed it by two looks, and the kubectl line by polling EndpointSlices.
One Service beside kubectl, and twenty in one command.

Usage: python benchmarks/kill_kubernetes.py [--rounds N] [--quick] [--context NAME]
           [--kubeconfig FILE]      needs kubectl; with --context a cluster, else a stand-in

On a cluster it works in a namespace of its own, which it deletes; its pods only pause.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml
from sidebyside import Limit, report

from rolloutctl.clock import Deadline, SystemClock, random_suffix
from rolloutctl.providers.kubernetes.api import Api, Object
from rolloutctl.providers.kubernetes.place import TargetSpec
from rolloutctl.providers.kubernetes.readiness import apps, core, serving

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.kube import manifests  # type: ignore[import-not-found,unused-ignore]  # the tests are no package  # noqa: E402
from servers.kube.http import KubeServer  # type: ignore[import-not-found,unused-ignore]  # same  # noqa: E402

ROUNDS, QUICK_ROUNDS = 15, 3
SERVICES, QUICK_SERVICES = 20, 5
PODS = 3
#: kubectl is one compiled program; two thirds of the difference is importing the official client
#: (180 ms, 2026-11-23), which reads kubeconfigs and runs credential plug-ins.
RATIO_MAX = 6.0
BLUE, GREEN = ({"app": "bench", "version": side} for side in ("blue", "green"))
COMMAND = str(Path(sys.executable).parent / "rolloutctl")
CLOCK = SystemClock()
_UP_LIMIT_S, _LIMIT_S, _LOOK_S = 300.0, 60.0, 0.004
PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: many
targets:
{targets}
steps: [{{switch: canary}}]
"""
TARGET = (
    "  {name}: {{provider: kubernetes, context: {context}, kubeconfig: {file}, namespace: {space},"
    " strategy: service-switch, name: {name}, side_services: 'bench-{{}}', control: blue,"
    " canary: green}}"
)
#: A person's kill by hand, in one line: patch, then look until nobody else is named.
KUBECTL = """
kubectl --kubeconfig {file} --context {context} --namespace {space} patch service {name} \
  --type merge --patch '{{"spec": {{"selector": {{"version": "blue"}}}}}}' >/dev/null || exit 1
while kubectl --kubeconfig {file} --context {context} --namespace {space} get endpointslices \
  --selector kubernetes.io/service-name={name} --output jsonpath='{{..targetRef.name}}' |
  grep -q green; do :; done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where it is measured."""

    context: str
    file: str
    space: str

    def api(self, limit_s: float) -> Api:
        """Calls for at most so long."""
        spec = TargetSpec(
            context=self.context,
            namespace=self.space,
            strategy="service-switch",
            name="bench",
            kubeconfig=self.file,
        )
        return Api(spec, Deadline(limit_s))


def main(chosen: argparse.Namespace) -> int:
    """Prints the table; 1 if the limit is broken."""
    if shutil.which("kubectl") is None:
        raise SystemExit("kubectl is what it is measured against: install it first")
    rounds = QUICK_ROUNDS if chosen.quick else chosen.rounds
    names = [f"s{number}" for number in range(QUICK_SERVICES if chosen.quick else SERVICES)]
    with tempfile.TemporaryDirectory() as folder, _cluster(chosen, Path(folder)) as cluster:
        _make(cluster, names)
        commands = _commands(cluster, names, Path(folder))
        blue: dict[str, list[float]] = {name: [] for name in commands}
        ended: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, (command, killed) in commands.items():
                seconds, whole = _killed(cluster, command, killed)
                if number:  # the first warms the caches
                    blue[name].append(seconds)
                    ended[name].append(whole)
    medians = {f"{name}, blue": statistics.median(each) for name, each in blue.items()}
    medians |= {f"{name}, confirmed": statistics.median(each) for name, each in ended.items()}
    kubectl, kill = "kubectl", "kill"
    return report(
        medians,
        [
            Limit(name=f"{kill}, {what}", floor=f"{kubectl}, {what}", ratio=RATIO_MAX)
            for what in ("blue", "confirmed")
        ],
    )


@contextmanager
def _cluster(chosen: argparse.Namespace, folder: Path) -> Iterator[Cluster]:
    """The named one with a namespace that is deleted afterwards, or a stand-in."""
    space = f"rolloutctl-bench-{random_suffix()}"
    if not chosen.context:
        # A process of its own, as a server is: it must not wait for our looks.
        command = [sys.executable, __file__, "--serve"]
        file = folder / "kubeconfig.yaml"
        with subprocess.Popen([*command, str(file)], stdin=subprocess.PIPE) as server:
            while not file.exists():
                CLOCK.sleep(_LOOK_S)
            try:
                yield Cluster(context="lab", file=str(file), space=space)
            finally:
                server.communicate()
        return
    file = Path(chosen.kubeconfig).expanduser()
    cluster = Cluster(context=chosen.context, file=str(file), space=space)
    api = cluster.api(_LIMIT_S)
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    api.create("/api/v1/namespaces", value)
    try:
        yield cluster
    finally:
        cluster.api(_LIMIT_S).delete(f"/api/v1/namespaces/{space}")


def serve(file: Path) -> int:
    """The stand-in, until its standard input is closed; its kubeconfig is the file."""
    server: Any = KubeServer()  # Any: the tests have no types
    whole = file.with_suffix(".new")
    whole.write_text(yaml.safe_dump(manifests.kubeconfig(server.url)), "utf-8")
    whole.replace(file)
    sys.stdin.read()
    server.close()
    return 0


def _make(cluster: Cluster, names: Sequence[str]) -> None:
    """Two sides, a Service for each, and the Services that are switched; waits for the pods."""
    api = cluster.api(_UP_LIMIT_S)
    for side, labels in (("blue", BLUE), ("green", GREEN)):
        api.create(apps(cluster.space), manifests.deployment(f"bench-{side}", dict(labels), PODS))
        api.create(
            core(cluster.space, "services"), manifests.service(f"bench-{side}", dict(labels))
        )
    for name in names:
        api.create(core(cluster.space, "services"), manifests.service(name, dict(BLUE)))
    for name in ("bench-blue", "bench-green", *names):
        while len(serving(api, cluster.space, name)) < PODS:
            CLOCK.sleep(0.1)


def _commands(
    cluster: Cluster, names: Sequence[str], folder: Path
) -> dict[str, tuple[list[str], Sequence[str]]]:
    """Command line and Services by name of the row."""
    words = {"context": cluster.context, "file": cluster.file, "space": cluster.space}
    playbook = folder / "many.yaml"
    targets = [TARGET.format(name=name, **words) for name in names]
    playbook.write_text(PLAYBOOK.format(targets="\n".join(targets)), "utf-8")
    first = names[:1]
    query = f"kubeconfig={cluster.file}&side_services=bench-{{}}"
    place = f"{cluster.context}/{cluster.space}/service-switch/{first[0]}"
    return {
        "kubectl": (["sh", "-c", KUBECTL.format(name=first[0], **words)], first),
        "kill": ([COMMAND, "kill", f"kubernetes://{place}?{query}", "--to", "blue"], first),
        f"kill, {len(names)} Services": ([COMMAND, "kill", "--playbook", str(playbook)], names),
    }


def _killed(cluster: Cluster, command: Sequence[str], names: Sequence[str]) -> tuple[float, float]:
    """Seconds from the process's start until every endpoint is blue, and until it has ended."""
    api = cluster.api(_LIMIT_S)
    green: Object = {"spec": {"selector": {"version": "green"}}}
    for name in names:
        api.merge(core(cluster.space, "services", name), green)
    for name in names:
        _await(api, cluster.space, name, "green")
    began_s = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for name in names:
        _await(api, cluster.space, name, "blue")
    seconds = perf_counter() - began_s
    _, said = process.communicate(timeout=_LIMIT_S)
    whole = perf_counter() - began_s
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said.decode()}")
    return seconds, whole


def _await(api: Api, space: str, name: str, side: str) -> None:
    while not _is_all(serving(api, space, name), side):
        if api.deadline.remaining_s < 1:
            raise SystemExit(f"Service {name} never had {PODS} pods of {side} alone")
        CLOCK.sleep(_LOOK_S)


def _is_all(pods: frozenset[str], side: str) -> bool:
    return len(pods) == PODS and all(side in pod for pod in pods)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="kill of a Service, against kubectl")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kubeconfig", default="~/.kube/config")
    parser.add_argument("--context", default="", help="a cluster; without it a stand-in")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    found = parser.parse_args()
    sys.exit(serve(Path(found.serve)) if found.serve else main(found))
