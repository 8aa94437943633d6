"""Runs a stand-in for LaunchDarkly and an application on this machine to play with, until Ctrl-C.

Usage: make launchdarkly-lab

Makes the flags of the ready playbooks, an application that asks the real launchdarkly-server-sdk
for them and counts what its users get, and the playbooks themselves with seconds for hours. Prints
commands to copy, and beside them what the SDK serves to 1,000 contexts as soon as that changes.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.fake_launchdarkly import (  # noqa: E402 - after its folder is known
    API_TOKEN,
    SDK_KEYS,
    FakeLaunchDarkly,
)
from servers.flagged_service import Service  # noqa: E402 - same
from servers.in_seconds import in_seconds  # noqa: E402 - same
from servers.launchdarkly_server import LaunchDarklyServer  # noqa: E402 - same

ENVIRONMENT = "test"
MODELS, PROMPT, SHADOW = "llm-model-selection", "support-prompt", "llm-model-shadow"
KINDS = {MODELS: "user", PROMPT: "organization", SHADOW: "user"}
#: flag -> (playbook, label, variations with what metrics call them); control first
FLAGS = {
    MODELS: (
        "launchdarkly-model-canary.yaml",
        "model",
        {"gpt-4": "gpt-4", "claude": "claude-3-5-sonnet-20241022"},
    ),
    PROMPT: ("launchdarkly-prompt-by-org.yaml", "prompt", {"v3": "v3", "v4": "v4"}),
}
HOLD = "15s"
CONTEXTS = 1_000
#: One context in so many has the attribute `beta`.
BETA_EVERY = 20
_LOOK_S = 0.25
TEXT = """
A stand-in for LaunchDarkly: {url}    (all that it holds is in memory)

In another terminal, in this folder:

  export LAUNCHDARKLY_API_TOKEN='{token}'
  export LAUNCHDARKLY_SDK_KEY='{key}'
  export ROLLOUTCTL_STORE={folder}/journal.db
  .venv/bin/rolloutctl start {folder}/launchdarkly-model-canary.yaml     shadow, 5 % .. 100 %
  .venv/bin/rolloutctl start {folder}/launchdarkly-prompt-by-org.yaml    by organisation
  touch {folder}/bad                        canaries fail half of their requests; rm mends it
  .venv/bin/rolloutctl verify launchdarkly://{place}/default/{environment}/{models} \\
      --control gpt-4 --canary claude
  .venv/bin/rolloutctl kill launchdarkly://{place}/default/{environment}/{models} --to gpt-4

What the real SDK serves to {count} contexts, whenever it changes; Ctrl-C here ends everything.
"""


def main() -> int:
    """Starts it, prepares it, tells what is served."""
    fake = FakeLaunchDarkly()
    _prepare(fake)
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-lab-"))
    with contextlib.suppress(KeyboardInterrupt), LaunchDarklyServer(fake) as server:
        client = _client(server.url)
        for flag, (playbook, label, names) in FLAGS.items():
            port = _serve(client, flag, label, names, folder)
            _write_playbook(folder, playbook, server.url, port)
        print(
            TEXT.format(
                url=server.url,
                place=server.url.removeprefix("http://"),
                token=API_TOKEN,
                key=SDK_KEYS[ENVIRONMENT],
                environment=ENVIRONMENT,
                models=MODELS,
                count=CONTEXTS,
                folder=folder,
            ),
            flush=True,
        )
        _tell(client)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _client(url: str) -> Any:
    import ldclient  # noqa: PLC0415 - 100 ms
    from ldclient.config import Config  # noqa: PLC0415 - same

    config = Config(
        sdk_key=SDK_KEYS[ENVIRONMENT],
        base_uri=url,
        stream_uri=url,
        send_events=False,
        diagnostic_opt_out=True,
    )
    return ldclient.LDClient(config=config, start_wait=5)


def _context(kind: str, number: int) -> Any:
    import ldclient  # noqa: PLC0415 - loaded before

    made = ldclient.Context.builder(f"c-{number}").kind(kind)
    return made.set("beta", number % BETA_EVERY == 0).build()


def _serve(client: Any, flag: str, label: str, names: dict[str, str], folder: Path) -> int:
    """Begins the application behind a flag; the port of its metrics."""
    kind = KINDS[flag]
    return Service(
        ask=lambda user: _said(client.variation(flag, _context(kind, user), None)),
        mirrors=lambda user: (
            flag == MODELS and client.variation(SHADOW, _context(kind, user), default=False)
        ),
        label=label,
        names=names,
        fail_while=folder / "bad",
        per_s=200.0,
    ).begin()


def _write_playbook(folder: Path, name: str, url: str, port: int) -> None:
    """The ready playbook, with seconds for hours; it reads the application's metrics itself."""
    text = in_seconds((ROOT / "playbooks" / name).read_text("utf-8"), hold=HOLD, asks=True)
    page = f'kind: openmetrics, url: "http://127.0.0.1:{port}/metrics"'
    text = text.replace('url: "${inputs.prometheus}"', page)
    text = text.replace("https://app.launchdarkly.com", url)
    text = text.replace("{default: production,", f"{{default: {ENVIRONMENT},")
    lines = [line for line in text.splitlines() if not line.startswith("  prometheus: {default:")]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")


def _prepare(fake: FakeLaunchDarkly) -> None:
    """The flags of the ready playbooks."""
    for flag, names in ((MODELS, ("gpt-4", "claude")), (PROMPT, ("v3", "v4"))):
        made = fake.add_flag(flag, [{"name": name} for name in names])
        for variation, name in zip(made["variations"], names, strict=True):
            variation["name"] = name
    fake.add_flag(SHADOW, [True, False], fallthrough={"variation": 1}, offVariation=1)


def _tell(client: Any) -> None:
    """Prints what the SDK serves, whenever it changes."""
    contexts = {
        kind: [_context(kind, number) for number in range(CONTEXTS)] for kind in set(KINDS.values())
    }
    told: dict[str, Counter[str]] = {}
    while True:
        for flag, kind in KINDS.items():
            served = Counter(_said(client.variation(flag, c, None)) for c in contexts[kind])
            if told.get(flag) != served:
                told[flag] = served
                shares = ", ".join(f"{name} {count}" for name, count in sorted(served.items()))
                print(f"{time.strftime('%H:%M:%S')}  {flag}: {shares}", flush=True)
        time.sleep(_LOOK_S)  # noqa: TID251 - until Ctrl-C


def _said(value: Any) -> str:
    return value["name"] if isinstance(value, dict) else str(value).lower()


if __name__ == "__main__":
    sys.exit(main())
