"""Runs a stand-in for LaunchDarkly on this machine to play with, until Ctrl-C.

Usage: make launchdarkly-lab

Makes the flags of the ready playbooks, prints commands to copy, and shows beside them what
the real launchdarkly-server-sdk serves to 1,000 contexts as soon as that changes.
"""

from __future__ import annotations

import contextlib
import sys
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
from servers.launchdarkly_server import LaunchDarklyServer  # noqa: E402 - same

ENVIRONMENT = "test"
MODELS, PROMPT, SHADOW = "llm-model-selection", "support-prompt", "llm-model-shadow"
CONTEXTS = 1_000
_LOOK_S = 0.25
TEXT = """
A stand-in for LaunchDarkly: {url}    (all that it holds is in memory)

In another terminal, in this folder:

  export LAUNCHDARKLY_API_TOKEN='{token}'
  export LAUNCHDARKLY_SDK_KEY='{key}'
  .venv/bin/rolloutctl plan playbooks/launchdarkly-model-canary.yaml \\
      --input launchdarkly={url} --input environment={environment} \\
      --input prometheus=http://127.0.0.1:9090        (your Prometheus)
  .venv/bin/rolloutctl verify launchdarkly://{place}/default/{environment}/{models} \\
      --control gpt-4 --canary claude
  .venv/bin/rolloutctl kill launchdarkly://{place}/default/{environment}/{models} --to gpt-4

What the real SDK serves to {count} contexts, whenever it changes; Ctrl-C here ends everything.
"""


def main() -> int:
    """Starts it, prepares it, tells what is served."""
    fake = FakeLaunchDarkly()
    _prepare(fake)
    with contextlib.suppress(KeyboardInterrupt), LaunchDarklyServer(fake) as server:
        print(
            TEXT.format(
                url=server.url,
                place=server.url.removeprefix("http://"),
                token=API_TOKEN,
                key=SDK_KEYS[ENVIRONMENT],
                environment=ENVIRONMENT,
                models=MODELS,
                count=CONTEXTS,
            ),
            flush=True,
        )
        _tell(server.url)
    return 0


def _prepare(fake: FakeLaunchDarkly) -> None:
    """The flags of the ready playbooks."""
    for flag, names in ((MODELS, ("gpt-4", "claude")), (PROMPT, ("v3", "v4"))):
        made = fake.add_flag(flag, [{"name": name} for name in names])
        for variation, name in zip(made["variations"], names, strict=True):
            variation["name"] = name
    fake.add_flag(SHADOW, [True, False], fallthrough={"variation": 1}, offVariation=1)


def _tell(url: str) -> None:
    import ldclient  # noqa: PLC0415 - costs time that the text above need not wait for
    from ldclient.config import Config  # noqa: PLC0415 - same

    config = Config(
        sdk_key=SDK_KEYS[ENVIRONMENT],
        base_uri=url,
        stream_uri=url,
        send_events=False,
        diagnostic_opt_out=True,
    )
    client = ldclient.LDClient(config=config, start_wait=5)
    kinds = {MODELS: "user", PROMPT: "organization", SHADOW: "user"}
    contexts = {
        kind: [ldclient.Context.builder(f"c-{n}").kind(kind).build() for n in range(CONTEXTS)]
        for kind in set(kinds.values())
    }
    told: dict[str, Counter[str]] = {}
    while True:
        for flag, kind in kinds.items():
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
