"""From typing `rolloutctl kill` to a flag that is off in Unleash, against a bare script.

Runs a real Unleash; each kill is a process of its own. Measured is the time from its start until
the server says that the flag is off: one flag beside a script with the same two calls, and
fifty flags in one command. Confirming that no older write can land takes 5 s more.

Usage: python benchmarks/kill_unleash.py [ROUNDS]    needs node, npm and PostgreSQL
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import httpx
from sidebyside import Limit, report

from rolloutctl.clock import SystemClock, random_suffix

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers import (  # type: ignore[import-not-found,unused-ignore]  # the tests are no package  # noqa: E402
    unleash_server,
)

ROUNDS = 5
FLAGS = 50
#: The script imports nothing but http.client; what is added is as for LaunchDarkly.
RATIO_MAX = 10.0
ENVIRONMENT = "development"
FEATURES = "/api/admin/projects/default/features"
COMMAND = str(Path(sys.executable).parent / "rolloutctl")
CLOCK = SystemClock()
_LIMIT_S = 30.0
_LOOK_S = 0.002
PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: many
targets:
{targets}
steps: [{{canary: 100%}}]
"""
TARGET = "  {flag}: {{provider: unleash, url: '{url}', environment: development, flag: {flag}, "
TARGET += "unit: user, control: off, canary: on}}"


def main(rounds: int) -> int:
    """Prints the table; 1 if the limit is broken."""
    os.environ["UNLEASH_ADMIN_TOKEN"] = unleash_server.ADMIN_TOKEN
    os.environ["ROLLOUTCTL_STORE"] = "/nonexistent/journal.db"
    with unleash_server.running_unleash() as url, tempfile.TemporaryDirectory() as folder:
        headers = {"Authorization": unleash_server.ADMIN_TOKEN}
        with httpx.Client(base_url=url, headers=headers, timeout=_LIMIT_S) as admin:
            flags = [f"bench-{random_suffix()}-{number}" for number in range(FLAGS)]
            for flag in flags:
                _make(admin, flag)
            playbook = Path(folder) / "many.yaml"
            targets = [TARGET.format(flag=flag, url=url) for flag in flags]
            playbook.write_text(PLAYBOOK.format(targets="\n".join(targets)), "utf-8")
            host = url.removeprefix("http://")
            floor = str(Path(__file__).with_name("kill_unleash_floor.py"))
            address = f"unleash://{host}/default/{ENVIRONMENT}/{flags[0]}"
            one = flags[:1]
            commands = {
                "script": ([sys.executable, floor, host, "default", ENVIRONMENT, flags[0]], one),
                "kill": ([COMMAND, "kill", address, "--to", "off"], one),
                f"kill, {FLAGS} flags": ([COMMAND, "kill", "--playbook", str(playbook)], flags),
            }
            taken: dict[str, list[float]] = {name: [] for name in commands}
            for number in range(rounds + 1):
                for name, (command, killed) in commands.items():
                    seconds = _until_off(admin, command, killed)
                    if number:  # the first warms the caches
                        taken[name].append(seconds)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    return report(medians, [Limit(name="kill", floor="script", ratio=RATIO_MAX)])


def _make(admin: httpx.Client, flag: str) -> None:
    """A plain flag with one gradual rollout at 50 %."""
    admin.post(FEATURES, json={"name": flag, "type": "release"}).raise_for_status()
    parameters = {"rollout": "50", "stickiness": "userId", "groupId": flag}
    strategy = {"name": "flexibleRollout", "parameters": parameters}
    base = f"{FEATURES}/{flag}/environments/{ENVIRONMENT}"
    admin.post(f"{base}/strategies", json=strategy).raise_for_status()


def _until_off(admin: httpx.Client, command: list[str], flags: list[str]) -> float:
    """Seconds from the process's start until every flag is off."""
    for flag in flags:
        admin.post(f"{FEATURES}/{flag}/environments/{ENVIRONMENT}/on").raise_for_status()
    began_s = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    left = list(flags)
    while left:
        if perf_counter() - began_s > _LIMIT_S:
            raise SystemExit(f"{left[0]} is still on")
        found = admin.get(f"{FEATURES}/{left[0]}/environments/{ENVIRONMENT}").json()
        if found["enabled"]:
            CLOCK.sleep(_LOOK_S)
        else:
            left.pop(0)
    seconds = perf_counter() - began_s
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
