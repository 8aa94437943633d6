"""The recipes for pipelines, run as the shell scripts that they are, with what a runner gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from e2e.real_command import COMMAND, Place, until

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "recipes"
STEPS = """
steps:
  - {canary: 5%, hold: 200ms, confirm: true}
  - {canary: 100%, hold: 200ms}
"""
BROKEN = """
steps:
  - {canary: 5%, hold: 200ms}
  - {run: {command: [sh, -c, "exit 3"]}}
"""
SHA = "0123456789abcdef"


@pytest.fixture
def runner(tmp_path):
    """A checkout with `rollout.yaml`, on a machine that has rolloutctl."""
    place = Place(tmp_path)
    place.playbook = tmp_path / "rollout.yaml"
    place.write_playbook(STEPS)
    place.environ["PATH"] = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
    return place


def shell(place, script, **environ):
    """Runs a script as runners do: bash, which ends at the first failure."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=place.folder,
        env={**place.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def github(job):
    """The `run:` scripts of a job that use rolloutctl, joined."""
    document = yaml.safe_load((RECIPES / "github-actions.yml").read_text("utf-8"))
    steps = document["jobs"][job]["steps"]
    return "\n".join(step["run"] for step in steps if "rolloutctl " in step.get("run", ""))


def gitlab(job):
    """The lines of a job."""
    document = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text("utf-8"))
    return "\n".join(document[job]["script"])


@pytest.fixture
def actions(runner):
    """What GitHub gives a job."""
    return {
        "GITHUB_SHA": SHA,
        "GITHUB_RUN_ID": "77",
        "GITHUB_OUTPUT": str(runner.folder / "output"),
        "GITHUB_STEP_SUMMARY": str(runner.folder / "summary.md"),
    }


def test_github_checks_a_pull_request_without_credentials(runner):
    """Lint and a rehearsal; nothing is written."""
    before = runner.flags.read_text()

    said = shell(runner, github("check"))

    assert said.returncode == 0, said.stdout
    assert runner.flags.read_text() == before


def test_github_starts_warns_that_somebody_must_approve_and_goes_on(runner, actions):
    """Job one ends well with a warning; job two approves and reaches everybody."""
    first = shell(runner, github("start"), **actions)
    asked = runner.served()
    second = shell(runner, github("go-on"), ROLLOUT=f"new-model-{SHA[:8]}", **actions)

    assert first.returncode == 0, first.stderr
    assert "::warning::new-model-01234567 waits for a person" in first.stdout
    assert "id=new-model-01234567" in (runner.folder / "output").read_text()
    assert asked == (500, 0)
    assert second.returncode == 0, second.stderr
    assert runner.served() == (10_000, 0)
    summary = (runner.folder / "summary.md").read_text()
    assert summary.count("### Rollout new-model-01234567: ") == 2
    assert "new-model-01234567: succeeded" in summary


def test_github_fails_where_a_rollout_was_taken_back(runner, actions):
    """With an error that a person reads, and the rollout's events for whoever asks."""
    runner.write_playbook(BROKEN)
    said = shell(runner, github("start"), **actions)

    assert said.returncode == 1
    assert "was judged bad and taken back" in said.stdout
    assert runner.served() == (0, 0)
    suite = ET.parse(runner.folder / "gates.xml").getroot()[0]  # noqa: S314 - our own
    assert suite.get("failures") == "1"
    schema = json.loads((ROOT / "schema" / "events.v1.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    text = (runner.folder / "events.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [error.message for line in lines for error in validator.iter_errors(line)] == []
    assert len(lines) > 10


def test_gitlab_starts_and_a_manual_job_goes_on(runner):
    """Exit 8 is what `allow_failure` expects."""
    variables = {"CI_COMMIT_SHORT_SHA": SHA[:8], "GITLAB_USER_LOGIN": "ana"}
    first = shell(runner, gitlab("rollout"), **variables)
    second = shell(runner, gitlab("go-on"), **variables)

    document = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text("utf-8"))
    assert first.returncode in document["rollout"]["allow_failure"]["exit_codes"]
    assert second.returncode == 0, second.stderr
    assert runner.served() == (10_000, 0)
    assert "succeeded" in (runner.folder / "rollout.md").read_text()


def test_the_same_job_run_again_goes_on_with_the_same_rollout(runner, actions):
    """A retry of the pipeline starts nothing a second time; another playbook is refused."""
    shell(runner, github("start"), **actions)
    again = shell(runner, github("start"), **actions)
    rollouts = json.loads(runner.run("list", "--output", "json").stdout)["rollouts"]
    runner.write_playbook(BROKEN)
    other = shell(runner, github("start"), **actions)

    assert again.returncode == 0
    assert len(rollouts) == 1
    assert other.returncode == 6
    assert "runs another playbook" in other.stderr


def test_the_job_that_goes_on_can_be_run_again(runner, actions):
    """It was cut off after its approval: the next run reaches everybody, and so does a third."""
    shell(runner, github("start"), **actions)
    rollout = f"new-model-{SHA[:8]}"
    runner.run("approve", rollout, "--reason", "cut off after this")

    runs = [shell(runner, github("go-on"), ROLLOUT=rollout, **actions) for _ in range(2)]

    assert [one.returncode for one in runs] == [0, 0], runs[0].stderr
    assert runner.served() == (10_000, 0)


@pytest.mark.parametrize("rollout", ["", "no-such-rollout"])
def test_going_on_with_nothing_starts_nothing(runner, actions, rollout):
    """An empty or mistyped input is refused before anything is approved or started."""
    shell(runner, github("start"), **actions)

    said = shell(runner, github("go-on"), ROLLOUT=rollout, **actions)

    assert said.returncode in {2, 3}
    assert runner.served() == (500, 0)
    rollouts = json.loads(runner.run("list", "--output", "json").stdout)["rollouts"]
    assert [one["phase"] for one in rollouts] == ["asking"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_cancelled_takes_its_exposure_back(runner, actions, how):
    """The signal reaches the shell only, as a runner sends it."""
    runner.write_playbook("steps: [{canary: 5%, hold: 10m}]")
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", github("start")],
        cwd=runner.folder,
        env={**runner.environ, **actions},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as job:
        until(lambda: runner.served() == (500, 0), "5 %")
        job.send_signal(how)
        job.wait(60)

    assert job.returncode != 0
    assert runner.served() == (0, 0)
    assert runner.left_behind() == []


def test_a_script_can_tell_that_a_human_is_needed_from_that_it_is_over(runner):
    """`wait --for human`: 0, or 6 once nobody is asked any more."""
    runner.run("start", runner.playbook, "--auto", "--id", "r-1")
    asked = runner.run("wait", "r-1", "--for", "human", "--timeout", "5s")
    runner.run("start", runner.playbook, "--auto", "--approve-all", "--id", "r-1")
    over = runner.run("wait", "r-1", "--for", "human", "--timeout", "5s")

    assert asked.returncode == 0
    assert over.returncode == 6
    assert "succeeded: nobody is asked any more" in over.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--junit", "no/such/folder/gates.xml"), "gates.xml: there is no folder"),
        (("--junit", "."), "--junit .: that is no file"),
        (("--junit", "gates.xml", "--detach"), "--junit needs somebody who drives"),
        (("--id", ""), "'' is no id for a rollout"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_before_anything_is_started(runner, arguments, said):
    """Exit 2; nothing is in the journal."""
    refused = runner.run("start", runner.playbook, "--auto", *arguments)

    assert refused.returncode == 2
    assert said in refused.stderr
    assert not runner.journal.exists() or runner.run("list").stdout == ""
    assert runner.served() == (0, 0)


def test_the_gates_of_an_earlier_run_are_not_taken_for_this_ones(runner):
    """A refused plan leaves no green file behind."""
    gates = runner.folder / "gates.xml"
    gates.write_text("<testsuites/>")
    runner.playbook.write_text("nothing: here")

    refused = runner.run("start", runner.playbook, "--auto", "--junit", gates)

    assert refused.returncode == 3
    assert not gates.exists()
