"""Runs a stand-in for AWS AppConfig on this machine to play with, until Ctrl-C.

Usage: make appconfig-lab

Makes an application with a profile of feature flags, the ready playbook with seconds for hours,
and metrics of the requests that the flag's split would send to each model. Prints commands to
copy, and beside them which model serves how much as soon as that changes.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld  # noqa: E402 - its folder first
from rolloutctl.providers.appconfig.flag import served  # noqa: E402 - same
from servers.in_seconds import in_seconds  # noqa: E402 - same
from servers.kube.traffic import Traffic  # noqa: E402 - same

NAME = "appconfig-flag-canary.yaml"
HOLD = "15s"
BAD_SHARE = 0.4
_LOOK_S = 0.2
TEXT = """
A stand-in for AWS AppConfig: {url}    (all that it holds is in memory)

In another terminal, in this folder:

{exports}
  export ROLLOUTCTL_STORE={folder}/journal.db
  .venv/bin/rolloutctl start {folder}/{name}     5 % .. 100 %
  touch {folder}/bad                        the canary fails {bad:.0%} of its requests; rm mends it
  .venv/bin/rolloutctl kill --playbook {folder}/{name}

Who answers, whenever it changes; Ctrl-C here ends everything.
"""


class Requests(Traffic):
    """Requests that the flag's split sends to one of the two models."""

    def __init__(self, world: AppConfigWorld) -> None:
        self._world = world
        super().__init__(world.aws, ("", ""))

    def shares(self) -> dict[str, float]:
        """Model -> share of the requests."""
        value = self._world.served()["values"]["prompt"]
        exposure, _ = served(value, self._world.target)
        canary = 0.0 if exposure is None else exposure.canary_bp / 10_000
        return {"gpt-4": 1 - canary, "claude": canary}


def main() -> int:
    """Starts it, prepares it, tells who answers."""
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-lab-"))
    world = AppConfigWorld("variants")
    flow = Requests(world)
    _write_playbook(folder, world, flow.server_port)
    exports = "\n".join(f"  export {name}={text}" for name, text in CREDENTIALS.items())
    said = {"url": world.aws.url, "exports": exports, "folder": folder, "name": NAME}
    print(TEXT.format(**said, bad=BAD_SHARE), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        _tell(flow, folder / "bad")
    flow.close()
    world.close()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _write_playbook(folder: Path, world: AppConfigWorld, port: int) -> None:
    """The ready playbook, with seconds for hours; it reads the metrics itself."""
    text = in_seconds((ROOT / "playbooks" / NAME).read_text("utf-8"), hold=HOLD, asks=True)
    page = f'kind: openmetrics, url: "http://127.0.0.1:{port}/metrics"'
    text = text.replace('url: "${inputs.prometheus}"', page)
    for name, found in zip(("application", "environment", "profile"), world.ids, strict=True):
        text = text.replace(
            f"  {name}: {{description", f'  {name}: {{default: "{found}", description'
        )
    text = text.replace("    flag: prompt", f"    endpoint: {world.aws.url}\n    flag: prompt")
    lines = [line for line in text.splitlines() if not line.startswith("  prometheus: {default:")]
    (folder / NAME).write_text("\n".join(lines) + "\n", "utf-8")


def _tell(flow: Requests, bad: Path) -> None:
    """One line whenever somebody answers another share."""
    before = ""
    while True:
        flow.failing = {"claude": BAD_SHARE} if bad.exists() else {}
        with flow.cluster.lock:
            shares = flow.shares()
        said = ", ".join(f"{model} {share:.0%}" for model, share in shares.items())
        if said != before:
            before = said
            print(f"{time.strftime('%H:%M:%S')}  prompt: {said}", flush=True)
        time.sleep(_LOOK_S)  # noqa: TID251 - until Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
