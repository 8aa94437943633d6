"""Runs a real Unleash on this machine to play with, until Ctrl-C; nothing of it is kept.

Usage: make unleash-lab

Makes the flag of `playbooks/unleash-model-canary.yaml` and a plain one, prints addresses,
tokens and commands to copy. Needs what the tests need: node, npm and PostgreSQL.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers import unleash_supervisor as supervisor  # noqa: E402 - after its folder is known

FEATURES = "/api/admin/projects/default/features"
TEXT = """
Unleash     {url}    user admin, password unleash4all
Flags       {url}/projects/default

In another terminal, in this folder:

  export UNLEASH_ADMIN_TOKEN='{admin}'
  export UNLEASH_CLIENT_TOKEN='{client}'
  .venv/bin/rolloutctl plan playbooks/unleash-model-canary.yaml \\
      --input unleash={url} --input environment=development \\
      --input prometheus=http://127.0.0.1:9090        (your Prometheus)
  .venv/bin/rolloutctl verify unleash://{place}/default/development/llm-model \\
      --control gpt-4 --canary claude
  .venv/bin/rolloutctl kill unleash://{place}/default/development/llm-model --to gpt-4
  .venv/bin/rolloutctl kill unleash://{place}/default/development/new-checkout --to off

The environment `production` has its own token; Ctrl-C here ends everything.
"""


def main() -> int:
    """Starts it, prepares it, waits."""
    found = subprocess.run([ROOT / "scripts/get-unleash"], capture_output=True, text=True)  # noqa: S603, PLW1510 - our own script; its code is looked at
    if found.returncode:
        print(found.stderr, file=sys.stderr)
        return 1
    with contextlib.suppress(KeyboardInterrupt), _running(Path(found.stdout.strip())) as state:
        if "error" in state:
            print(f"Unleash did not start: {state['error']}", file=sys.stderr)
            return 1
        url = state["url"]
        _prepare(url)
        client = supervisor.CLIENT_TOKENS["development"]
        place = url.removeprefix("http://")
        print(TEXT.format(url=url, place=place, admin=supervisor.ADMIN_TOKEN, client=client))
        while True:
            time.sleep(3600)  # noqa: TID251 - until Ctrl-C
    return 0


@contextlib.contextmanager
def _running(unleash: Path) -> Iterator[dict[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="rolloutctl-unleash-lab-"))
    folder.chmod(0o755)  # the database's user must get in
    user = folder / "users" / str(os.getpid())
    user.parent.mkdir()
    user.touch()
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, supervisor.__file__, str(folder), str(unleash)], start_new_session=True
    )
    try:
        while not (folder / "state.json").exists():
            time.sleep(0.1)  # noqa: TID251 - a script; the supervisor has the limit
        yield json.loads((folder / "state.json").read_text("utf-8"))
    finally:
        print("ending Unleash and its database")
        process.terminate()
        process.wait()


def _prepare(url: str) -> None:
    """The flags that the printed commands speak of."""
    variants = [
        {
            "name": name,
            "weight": weight,
            "weightType": kind,
            "stickiness": "userId",
            "payload": {"type": "json", "value": json.dumps({"model": model})},
        }
        for name, weight, kind, model in (
            ("gpt-4", 1000, "variable", "gpt-4"),
            ("claude", 0, "fix", "claude-3-5-sonnet-20241022"),
        )
    ]
    with httpx.Client(base_url=url, headers={"Authorization": supervisor.ADMIN_TOKEN}) as admin:
        for flag, rollout, served in (
            ("llm-model", "100", variants),
            ("llm-model-shadow", "0", []),
            ("new-checkout", "0", []),
        ):
            admin.post(FEATURES, json={"name": flag, "type": "release"}).raise_for_status()
            for environment in supervisor.CLIENT_TOKENS:
                base = f"{FEATURES}/{flag}/environments/{environment}"
                parameters = {"rollout": rollout, "stickiness": "userId", "groupId": flag}
                strategy = {"name": "flexibleRollout", "parameters": parameters, "variants": served}
                admin.post(f"{base}/strategies", json=strategy).raise_for_status()
                admin.post(f"{base}/on").raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
