"""What is deployed says what the agent takes, and real judges of its formats agree."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from e2e.real_command import Place, until
from servers.prometheus import prometheus_binary

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rolloutctl.rules.yml"
PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: new-model
targets:
  llm:
    provider: flagd-file
    file: {folder}/flags.json
    flag: llm-model
    control: {{is: gpt-4}}
    canary: {{is: claude}}
steps:
  - {{canary: 5%, confirm: true}}
"""


def _unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "systemd" / "rolloutctl-agent.service")
    return parser


def _container():
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "agent.yaml").read_text()))
    deployment = next(one for one in documents if one["kind"] == "Deployment")
    return deployment["spec"], deployment["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture
def agent(tmp_path):
    """Starts a real agent with the arguments of a file; ended with the test."""
    place, started = Place(tmp_path), []

    def start(*arguments):
        started.append(place.spawn(*arguments))
        found = until(
            lambda: re.search(r"http://[\w.]+:\d+", started[0].out), "the address of its page"
        )
        return place, found.group()

    yield start
    for one in started:
        one.stop()


def test_the_unit_runs_a_command_that_exists_and_takes_130_for_a_good_end():
    """And gives it more time to stop than it needs."""
    service = _unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])

    assert Path(program).name == "rolloutctl"
    assert arguments == ["agent", "--output", "ndjson"]
    assert service["SuccessExitStatus"] == "130"
    assert int(service["TimeoutStopSec"]) > 30


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    """With the command where the unit says it is."""
    text = (DEPLOY / "systemd" / "rolloutctl-agent.service").read_text()
    unit = tmp_path / "rolloutctl-agent.service"
    unit.write_text(text.replace("/opt/rolloutctl/bin/rolloutctl", "/bin/true"))

    said = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )

    assert [line for line in said.stderr.splitlines() if unit.name in line] == []


def test_the_container_probes_what_the_agent_answers():
    """One pod with the journal at a time; more time to stop than it needs."""
    spec, container = _container()
    pod = spec["template"]["spec"]

    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert pod["terminationGracePeriodSeconds"] > 30
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_agent_of_the_manifest_answers_its_probes_and_is_scraped(agent):
    """Its arguments, on a free port, with a rollout that waits for a human."""
    _, container = _container()
    arguments = ["127.0.0.1:0" if one == "0.0.0.0:9464" else one for one in container["args"]]
    place, url = agent(*arguments)
    place.playbook.write_text(PLAYBOOK.format(folder=place.folder))
    place.run("start", place.playbook, "--auto", "--detach", "--id", "r-1")

    def waits():
        found = text_string_to_metric_families(_page(url))
        samples = [one for family in found for one in family.samples]
        return [s for s in samples if s.name == "rolloutctl_waiting_for_human_seconds"]

    sample = until(waits, "a rollout that waits")[0]

    assert sample.labels == {"playbook": "new-model", "rollout": "r-1", "phase": "asking"}
    for probe in ("livenessProbe", "readinessProbe"):
        assert _get(url + container[probe]["httpGet"]["path"]).status_code == 200
    named = set(re.findall(r"rolloutctl_\w+", RULES.read_text()))
    families = list(text_string_to_metric_families(_page(url)))
    known = {sample.name for family in families for sample in family.samples}
    known |= {f"{family.name}_total" for family in families if family.type == "counter"}
    assert named - known == set(), "the alerts ask for series that do not exist"


@pytest.mark.real
def test_promtool_takes_the_alerting_rules():
    """Prometheus's own judge."""
    promtool = Path(prometheus_binary()).with_name("promtool")

    said = subprocess.run(
        [promtool, "check", "rules", RULES], capture_output=True, text=True, timeout=60, check=False
    )

    assert said.returncode == 0, said.stdout + said.stderr


def _page(url):
    return _get(f"{url}/metrics", Accept="application/openmetrics-text").text


def _get(url, **headers):
    return httpx.get(url, headers=headers, timeout=10)
