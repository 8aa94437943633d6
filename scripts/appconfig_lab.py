"""Runs a stand-in for AWS AppConfig on this machine to play with, until Ctrl-C.

Usage: make appconfig-lab

Makes an application with a profile of feature flags, and one with a prompt in two versions;
the two ready playbooks with seconds for hours; and metrics of the requests that either would
send to each model or prompt. Prints commands to copy, and beside them who serves how much as
soon as that changes.
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

from providers.appconfig_whole_worlds import WholeWorld  # noqa: E402 - its folder first
from providers.appconfig_worlds import CREDENTIALS, AppConfigWorld  # noqa: E402 - its folder first
from rolloutctl.clock import SystemClock  # noqa: E402 - same
from rolloutctl.providers.appconfig.flag import served  # noqa: E402 - same
from servers.in_seconds import in_seconds  # noqa: E402 - same
from servers.kube.traffic import Traffic  # noqa: E402 - same

FLAG, PROMPT = "appconfig-flag-canary.yaml", "appconfig-prompt.yaml"
HOLD = "15s"
#: A curve of AWS's own kind that is over while somebody looks on; the least hold is 4 minutes.
STRATEGY, GROWN = "linear 20% over 1m, bake 1m", "4m"
BAD_SHARE = 0.4
_LOOK_S = 0.2
TEXT = """
A stand-in for AWS AppConfig: {url}    (all that it holds is in memory)

In another terminal, in this folder:

{exports}
  export ROLLOUTCTL_STORE={folder}/journal.db
  .venv/bin/rolloutctl start {folder}/{flag}     a flag, 5 % .. 100 %
  .venv/bin/rolloutctl start {folder}/{prompt}          a prompt, grown by AWS in a minute
  touch {folder}/bad                        the canary fails {bad:.0%} of its requests; rm mends it
  .venv/bin/rolloutctl verify llm --playbook {folder}/{flag}
  .venv/bin/rolloutctl kill --playbook {folder}/{flag}

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


class Sessions(Traffic):
    """Requests of sessions that have one version of the prompt or the other."""

    def __init__(self, world: WholeWorld) -> None:
        self._world = world
        super().__init__(world.aws, ("", ""))

    def shares(self) -> dict[str, float]:
        """Number of the version -> share of the sessions."""
        canary = self._world.share(50)
        return {"1": 1 - canary, "2": canary}


def main() -> int:
    """Starts both, prepares them, tells who answers."""
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-lab-"))
    flags, prompts = AppConfigWorld("variants"), WholeWorld(STRATEGY)
    for world in (flags, prompts):
        world.aws.clock = lambda: SystemClock().now().timestamp()  # minutes are minutes here
    flows = {"flag": Requests(flags), "prompt": Sessions(prompts)}
    _write_playbook(folder / FLAG, flags, flows["flag"].server_port)
    _write_playbook(folder / PROMPT, prompts, flows["prompt"].server_port)
    exports = "\n".join(f"  export {name}={text}" for name, text in CREDENTIALS.items())
    said = {"exports": exports, "folder": folder, "flag": FLAG, "prompt": PROMPT}
    url = f"{flags.aws.url} and {prompts.aws.url}"
    print(TEXT.format(**said, url=url, bad=BAD_SHARE), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        _tell(flows, folder / "bad")
    for one in (*flows.values(), flags, prompts):
        one.close()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _write_playbook(file: Path, world: AppConfigWorld, port: int) -> None:
    """The ready playbook, with seconds for hours; it reads the metrics itself."""
    hold = HOLD if file.name == FLAG else GROWN
    text = in_seconds((ROOT / "playbooks" / file.name).read_text("utf-8"), hold=hold, asks=True)
    page = f'kind: openmetrics, url: "http://127.0.0.1:{port}/metrics"'
    text = text.replace('url: "${inputs.prometheus}"', page)
    ids = zip(("application", "environment", "profile"), world.ids, strict=True)
    for name, found in (*ids, ("deployed", "1"), ("new", "2")):
        text = text.replace(
            f"  {name}: {{description", f'  {name}: {{default: "{found}", description'
        )
    text = text.replace("    profile: ", f"    endpoint: {world.aws.url}\n    profile: ")
    text = text.replace("strategy: AppConfig.Linear20PercentEvery6Minutes", f"strategy: {STRATEGY}")
    lines = [line for line in text.splitlines() if not line.startswith("  prometheus: {default:")]
    file.write_text("\n".join(lines) + "\n", "utf-8")


def _tell(flows: dict[str, Traffic], bad: Path) -> None:
    """One line whenever somebody answers another share."""
    before: dict[str, str] = {}
    while True:
        for name, flow in flows.items():
            flow.failing = {"claude": BAD_SHARE, "2": BAD_SHARE} if bad.exists() else {}
            with flow.cluster.lock:
                shares = flow.shares()
            said = ", ".join(f"{arm} {share:.0%}" for arm, share in shares.items())
            if said != before.get(name):
                before[name] = said
                print(f"{time.strftime('%H:%M:%S')}  {name}: {said}", flush=True)
        time.sleep(_LOOK_S)  # noqa: TID251 - until Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
