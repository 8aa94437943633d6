"""`tick` in this process: what it says and its exit code when a rollout cannot be driven."""

import json

import pytest

from rolloutctl.cli import wiring
from rolloutctl.errors import InvalidSettings


@pytest.fixture
def two(rolloutctl, monkeypatch):
    """`r-here` can be driven; what `r-missing` needs is not installed here."""
    really_open = wiring.open_rollout

    def open_rollout(rollout_id, ledger, **more):
        if rollout_id == "r-missing":
            raise InvalidSettings("no notifier 'pager' is installed", hint="pip install pager")
        return really_open(rollout_id, ledger, **more)

    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-here")
    ledger = wiring.journal("", {"ROLLOUTCTL_STORE": "journal.db"})
    started = ledger.read("r-here")[0]
    ledger.create("r-missing", started.event, at=started.at, holds=["elsewhere"])
    ledger.close()
    monkeypatch.setattr(wiring, "open_rollout", open_rollout)
    return rolloutctl


def test_what_cannot_be_driven_here_is_named_and_the_rest_is_driven(two):
    """Exit 5 with the cause and what to do; the other rollout took its step."""
    said = two("tick")

    assert said.exit_code == 5
    assert "error: r-missing could not be driven: InvalidSettings: no notifier 'pager'" in said.err
    assert "hint: pip install pager" in said.err
    assert "r-here  running" in said.out


def test_a_pass_of_machines_is_a_line_of_json_a_rollout(two):
    """`--output ndjson`: each driven rollout ends with its status."""
    said = two("tick", "--output", "ndjson")

    lines = [json.loads(line) for line in said.out.splitlines()]
    assert {line["id"] for line in lines} == {"r-here"}
    assert lines[-1]["phase"] == "running"
    assert said.exit_code == 5
