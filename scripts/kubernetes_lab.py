"""Runs a stand-in for a Kubernetes API server on this machine to play with, until Ctrl-C.

Usage: make kubernetes-lab

Makes the objects of the ready playbooks, with pods that are up but run nothing, and metrics of
the requests that the objects would send them. Prints commands to copy, for rolloutctl and for
kubectl, and beside them which version serves how much as soon as that changes.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.in_seconds import in_seconds  # noqa: E402 - after its folder is known
from servers.kube import manifests  # noqa: E402 - same
from servers.kube.http import KubeServer  # noqa: E402 - same
from servers.kube.traffic import Traffic  # noqa: E402 - same

NAMESPACE = "llm"
#: playbook -> what its clients call, and the version that may go bad
PLAYBOOKS = {
    "kubernetes-blue-green.yaml": (("Service", "vllm"), "green"),
    "kubernetes-gateway-canary.yaml": (("HTTPRoute", "chat"), "v2"),
}
HOLD = "15s"
BAD_SHARE = 0.4
_LOOK_S = 0.2
TEXT = """
A stand-in for a Kubernetes API server: {url}    (all that it holds is in memory)

In another terminal, in this folder:

  export KUBECONFIG={folder}/kubeconfig.yaml
  export ROLLOUTCTL_STORE={folder}/journal.db
  .venv/bin/rolloutctl start {folder}/kubernetes-blue-green.yaml        one switch, watched
  .venv/bin/rolloutctl start {folder}/kubernetes-gateway-canary.yaml    shadow, 5 % .. 100 %
  touch {folder}/bad                        canaries fail {bad:.0%} of their requests; rm mends it
  .venv/bin/rolloutctl kill kubernetes://lab/llm/service-switch/vllm --to blue
  .venv/bin/rolloutctl kill kubernetes://lab/llm/gateway/chat --to chat-v1

And in a third, with kubectl:

  kubectl get endpointslices --watch --output wide
  kubectl patch service vllm --patch '{{"spec": {{"selector": {{"version": "blue"}}}}}}'

Who serves, whenever it changes; Ctrl-C here ends everything.
"""


def main() -> int:
    """Starts it, prepares it, tells who serves."""
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-lab-"))
    server = KubeServer()
    hand = manifests.Hand(server.url, namespace=NAMESPACE)
    flows = {}
    for name, (entry, _) in PLAYBOOKS.items():
        documents = (ROOT / "playbooks/manifests" / name).read_text("utf-8")
        hand.create(*yaml.safe_load_all(documents))
        flows[name] = Traffic(server.cluster, entry, namespace=NAMESPACE)
        _write_playbook(folder, name, flows[name].server_port)
    config = manifests.kubeconfig(server.url, namespace=NAMESPACE)
    (folder / "kubeconfig.yaml").write_text(yaml.safe_dump(config), "utf-8")
    print(TEXT.format(url=server.url, folder=folder, bad=BAD_SHARE), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        _tell(flows, folder / "bad")
    for flow in flows.values():
        flow.close()
    server.close()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _write_playbook(folder: Path, name: str, port: int) -> None:
    """The ready playbook, with seconds for hours; it reads the pods' metrics itself."""
    text = in_seconds((ROOT / "playbooks" / name).read_text("utf-8"), hold=HOLD, asks=True)
    page = f'kind: openmetrics, url: "http://127.0.0.1:{port}/metrics"'
    text = text.replace('url: "${inputs.prometheus}"', page)
    text = text.replace("context: {description", "context: {default: lab, description")
    lines = [line for line in text.splitlines() if not line.startswith("  prometheus: {default:")]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")


def _tell(flows: dict[str, Traffic], bad: Path) -> None:
    """One line whenever somebody serves another share."""
    before: dict[str, str] = {}
    while True:
        for name, flow in flows.items():
            _, canary = PLAYBOOKS[name]
            flow.failing = {canary: BAD_SHARE} if bad.exists() else {}
            with flow.cluster.lock:
                shares = flow.shares()
            said = ", ".join(
                f"{version or 'nobody'} {share:.0%}" for version, share in sorted(shares.items())
            )
            if before.get(name) != said:
                before[name] = said
                kind, what = flow.entry
                print(f"{time.strftime('%H:%M:%S')}  {kind} {what}: {said}", flush=True)
        time.sleep(_LOOK_S)  # noqa: TID251 - until Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
