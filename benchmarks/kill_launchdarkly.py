"""From typing `rolloutctl kill` to the safe variation on a real SDK, against a bare script.

A stand-in for LaunchDarkly and the SDK run in this process; each kill is a process of its
own. Measured is the time from its start until the SDK serves the control to every context,
which is what users wait for; confirming that nothing older can land takes 5 s more.

Usage: python benchmarks/kill_launchdarkly.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from sidebyside import Limit, report

from rolloutctl.clock import SystemClock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers import (  # type: ignore[import-not-found,unused-ignore]  # the tests are no package  # noqa: E402
    fake_launchdarkly as fakes,
)
from servers.launchdarkly_server import (  # type: ignore[import-not-found,unused-ignore]  # same  # noqa: E402
    LaunchDarklyServer,
)

ROUNDS = 7
#: The script imports nothing but http.client. What is added is 0.1 s for httpx, 0.1 s for the
#: command line and the journal that is fenced, and the checks; on a busy machine they stretch.
RATIO_MAX = 10.0
FLAG, ENVIRONMENT = "llm-model", "production"
COMMAND = str(Path(sys.executable).parent / "rolloutctl")
CLOCK = SystemClock()
_LIMIT_S = 10.0
_LOOK_S = 0.001


def main(rounds: int) -> int:
    """Prints the table; 1 if the limit is broken."""
    os.environ["LAUNCHDARKLY_API_TOKEN"] = fakes.API_TOKEN
    os.environ["ROLLOUTCTL_STORE"] = "/nonexistent/journal.db"
    fake = fakes.FakeLaunchDarkly()
    fake.add_flag(FLAG, ["gpt-4", "claude"])
    with LaunchDarklyServer(fake) as server:
        host = server.url.removeprefix("http://")
        address = f"launchdarkly://{host}/default/{ENVIRONMENT}/{FLAG}"
        floor = str(Path(__file__).with_name("kill_launchdarkly_floor.py"))
        commands = {
            "script": [sys.executable, floor, host, "default", ENVIRONMENT, FLAG, "gpt-4"],
            "kill": [COMMAND, "kill", address, "--to", "gpt-4"],
        }
        client = _client(server.url)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, command in commands.items():
                seconds = _until_served(command, fake, client)
                if number:  # the first warms the caches
                    taken[name].append(seconds)
        client.close()
    medians = {name: statistics.median(each) for name, each in taken.items()}
    return report(medians, [Limit(name="kill", floor="script", ratio=RATIO_MAX)])


def _client(url: str) -> Any:
    import ldclient  # noqa: PLC0415 - the SDK's own import is not measured
    from ldclient.config import Config  # noqa: PLC0415 - same

    config = Config(
        sdk_key=fakes.SDK_KEYS[ENVIRONMENT],
        base_uri=url,
        stream_uri=url,
        send_events=False,
        diagnostic_opt_out=True,
    )
    return ldclient.LDClient(config=config, start_wait=_LIMIT_S)


def _until_served(command: list[str], fake: Any, client: Any) -> float:
    """Seconds from the process's start until the SDK serves the control."""
    import ldclient  # noqa: PLC0415 - loaded before

    context = ldclient.Context.create("somebody")
    fake.edit(FLAG, ENVIRONMENT, fallthrough={"variation": 1})
    _wait(lambda: client.variation(FLAG, context, None) == "claude")
    began_s = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait(lambda: client.variation(FLAG, context, None) == "gpt-4")
    seconds = perf_counter() - began_s
    if process.wait():
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return seconds


def _wait(is_so: Any) -> None:
    ends_at_s = perf_counter() + _LIMIT_S
    while not is_so():
        if perf_counter() > ends_at_s:
            raise SystemExit("the SDK did not hear of the change")
        CLOCK.sleep(_LOOK_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
