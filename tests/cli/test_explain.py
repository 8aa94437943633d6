"""`explain --step`, `--gate` and `--output markdown` on the command line."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def held(rolloutctl):
    """A rollout in its first step, judged once."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-1")
    rolloutctl("tick")
    return rolloutctl


@pytest.mark.parametrize(
    ("given", "known"),
    [(("--gate", "erors"), "did you mean errors?"), (("--step", "9"), "entered: 1 (shadow 10%)")],
    ids=str,
)
def test_what_was_mistyped_is_one_error_with_what_exists(held, given, known):
    """Nothing is told of what was not meant."""
    said = held("explain", "r-1", *given)

    assert said.exit_code == 2
    assert known in said.err
    assert said.out == ""


def test_a_gate_is_told_with_a_drawing(held):
    """Its queries and numbers above, its limit in the picture."""
    said = held("explain", "r-1", "--gate", "errors")

    assert said.exit_code == 0
    assert "asked " in said.out
    assert "┄" in said.out


def test_the_forms_for_machines_and_for_a_postmortem_have_the_same_events(held):
    """Of the step that was asked for."""
    form = ("explain", "r-1", "--step", "1", "--output")
    document = json.loads(held(*form, "json").out)
    lines = [json.loads(line) for line in held(*form, "ndjson").out.splitlines()]
    page = held(*form, "markdown").out

    assert [one["seq"] for one in document["events"]] == [one["seq"] for one in lines]
    assert page.startswith("# Decisions of r-1\n")
    assert "step 1 of 3: shadow 10%" in page
