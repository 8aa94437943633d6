"""From typing `rolloutctl kill` to an AppConfig flag whose control is deployed, against boto3.

A stand-in for AppConfig runs in this process; each kill is a process of its own. Measured are
the time from its start until the last StartDeployment is answered, when everybody is served
the control, and until it has ended: then it has looked again, and asked the data plane. Beside
it a bare script that makes the same calls; one flag, and one in each of ten environments.

Usage: python benchmarks/kill_appconfig.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from sidebyside import Limit, python, report, run_command

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from providers.appconfig_worlds import CREDENTIALS, FLAGS, pct, variant  # type: ignore[import-not-found,unused-ignore]  # the tests are no package  # noqa: E402
from servers import fake_aws  # type: ignore[import-not-found,unused-ignore]  # same  # noqa: E402

ROUNDS = 9
ENVIRONMENTS = 10
#: Most of either side is importing boto3 and reading AWS's models of the two services.
RATIO_MAX = 1.75
#: Ten kills at once each make a client, which the script makes once: 2.0 x on 2026-11-23.
MANY_RATIO_MAX = 3.0
REGION, FLAG, CONTROL, CANARY = "eu-west-1", "prompt", "gpt-4", "claude"
COMMAND = str(Path(sys.executable).parent / "rolloutctl")
FLOOR = str(Path(__file__).with_name("kill_appconfig_floor.py"))
PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: many
targets:
{targets}
steps: [{{canary: 100%}}]
"""
TARGET = (
    "  {environment}: {{provider: appconfig, region: {region}, application: '{application}',"
    " environment: '{environment}', profile: '{profile}', flag: {flag}, unit: user,"
    " control: {control}, canary: {canary}}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One command, and how many environments it brings to the control."""

    command: list[str]
    environments: int


class Service:
    """The stand-in with one flag in many environments, and when each was deployed to last."""

    def __init__(self) -> None:
        # Ten connections at once: the standard library's queue of five makes some wait a second.
        fake_aws.Fake.request_queue_size = 128
        self.aws: Any = fake_aws.start()  # Any: the tests have no types
        aws = self.aws
        self.application = aws.CreateApplication(Name="shop")["Id"]
        kind = "AWS.AppConfig.FeatureFlags"
        made = aws.CreateConfigurationProfile(self.application, "flags", "hosted", Type=kind)
        self.profile = made["Id"]
        self.environments = [
            aws.CreateEnvironment(self.application, f"env-{number}")["Id"]
            for number in range(ENVIRONMENTS)
        ]
        # As a rollout left it: both sides find it by its name.
        self._strategy = aws.CreateDeploymentStrategy("rolloutctl-at-once", 0, 100)["Id"]
        value = {"_variants": [variant(CANARY, pct(25)), variant(CONTROL)]}
        other = {"enabled": False}
        document = {"version": "1", "flags": FLAGS, "values": {FLAG: value, "other": other}}
        content = json.dumps(document).encode()
        aws.CreateHostedConfigurationVersion(
            self.application, self.profile, content, "application/json"
        )
        self._deploy = aws.StartDeployment
        self.deployed_s: dict[str, float] = {}
        aws.StartDeployment = self._noted

    def _noted(self, **words: Any) -> Any:  # Any: AWS's own shape
        answer = self._deploy(**words)
        self.deployed_s[words["EnvironmentId"]] = perf_counter()
        return answer

    def reset(self) -> None:
        """The canary at 25 % in every environment, and nothing noted."""
        for environment in self.environments:
            self._deploy(self.application, environment, self._strategy, self.profile, "1")
        self.deployed_s.clear()
        del self.aws.calls[:]

    def close(self) -> None:
        """Ends the server. Raises if a call broke AWS's own model."""
        self.aws.close()
        if self.aws.violations:
            raise SystemExit(f"a call that AWS would refuse: {self.aws.violations[0]}")


def main(rounds: int) -> int:
    """Prints the table; 1 if the limit is broken."""
    service = Service()
    os.environ.update(CREDENTIALS)
    os.environ["AWS_ENDPOINT_URL"] = service.aws.url
    os.environ["ROLLOUTCTL_STORE"] = "/nonexistent/journal.db"
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(service, Path(folder))
        deployed: dict[str, list[float]] = {name: [] for name in rows}
        ended: dict[str, list[float]] = {name: [] for name in rows}
        calls: dict[str, Counter[str]] = {}
        for number in range(rounds + 1):
            for name, row in rows.items():
                seconds, whole = _killed(service, row)
                calls[name] = Counter(operation for operation, _ in service.aws.calls)
                if number:  # the first warms the caches, and stores the version
                    deployed[name].append(seconds)
                    ended[name].append(whole)
    service.close()
    for name, made in calls.items():
        print(f"{name}: {made.total()} calls")
    medians = {f"{name}, deployed": statistics.median(each) for name, each in deployed.items()}
    medians |= {f"{name}, confirmed": statistics.median(each) for name, each in ended.items()}
    many = f"{ENVIRONMENTS} environments"
    limits = [
        Limit(name=f"kill{which}, {what}", floor=f"script{which}, {what}", ratio=ratio)
        for which, ratio in (("", RATIO_MAX), (f", {many}", MANY_RATIO_MAX))
        for what in ("deployed", "confirmed")
    ]
    return max(report(medians, limits), _compared(calls, many))


def _compared(calls: dict[str, Counter[str]], many: str) -> int:
    """1, and it is said, where the two sides no longer make the same calls."""
    different = [
        which for which in ("", f", {many}") if calls[f"script{which}"] != calls[f"kill{which}"]
    ]
    for which in different:
        script, kill = calls[f"script{which}"], calls[f"kill{which}"]
        print(f"not the same calls{which}: kill adds {kill - script}, script adds {script - kill}")
    return 1 if different else 0


def _rows(service: Service, folder: Path) -> dict[str, Row]:
    """Command line by name of the row."""
    words = {"region": REGION, "application": service.application, "profile": service.profile}
    arms = {"flag": FLAG, "control": CONTROL, "canary": CANARY}
    playbook = folder / "many.yaml"
    targets = [TARGET.format(environment=each, **words, **arms) for each in service.environments]
    playbook.write_text(PLAYBOOK.format(targets="\n".join(targets)), "utf-8")
    first = service.environments[0]
    address = f"appconfig://{REGION}/{service.application}/{first}/{service.profile}"
    script = python(FLOOR, *words.values(), FLAG, CONTROL)
    # A kill by address looks once more: a driver that it cannot fence may have written since.
    one, each = [*script, "2", first], [*script, "1", *service.environments]
    kill = [COMMAND, "kill", f"{address}#{FLAG}?by=userId", "--to", CONTROL]
    many, count = f"{ENVIRONMENTS} environments", ENVIRONMENTS
    return {
        "script": Row(command=one, environments=1),
        "kill": Row(command=kill, environments=1),
        f"script, {many}": Row(command=each, environments=count),
        f"kill, {many}": Row(
            command=[COMMAND, "kill", "--playbook", str(playbook)], environments=count
        ),
    }


def _killed(service: Service, row: Row) -> tuple[float, float]:
    """Seconds from the process's start until the last deployment, and until it has ended."""
    service.reset()
    began_s = perf_counter()
    run_command(row.command)
    whole = perf_counter() - began_s
    if len(service.deployed_s) != row.environments:
        raise SystemExit(f"{' '.join(row.command)} deployed to {sorted(service.deployed_s)}")
    return max(service.deployed_s.values()) - began_s, whole


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
