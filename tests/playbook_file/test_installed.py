"""The playbooks that come with the product, read with the plug-ins that come with it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from rolloutctl import playbook_file
from rolloutctl.core import schema
from rolloutctl.core.parse import parse_document
from rolloutctl.plugins import InstalledCatalog

CATALOG = InstalledCatalog()
DEMO = str(files("rolloutctl.demo") / "playbook.yaml")


def test_the_demos_playbook_is_right_and_survives_the_journal():
    """No error, no warning, and the document gives the same playbook."""
    assert playbook_file.lint(DEMO, inputs={}, env={}, catalog=CATALOG) == ()

    playbook = playbook_file.load(DEMO, inputs={}, env={}, catalog=CATALOG)

    assert parse_document(playbook.document, CATALOG) == playbook
    assert [step.name for step in playbook.steps] == [
        *("shadow 10%", "canary 5%", "canary 25%", "canary 50%", "canary 100%")
    ]


def test_the_demos_playbook_is_valid_under_the_built_schema():
    """An editor and the parser say the same."""
    validator = Draft202012Validator(schema.build(CATALOG))

    with open(DEMO, encoding="utf-8") as stream:  # noqa: PTH123 - a resource's path is a text
        assert list(validator.iter_errors(yaml.safe_load(stream))) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("provider: flagd-file", "provider: flagd", "unknown provider 'flagd'"),
        ("window: 5s", "windw: 5s", "unknown key 'windw'"),
        ("kind: openmetrics", "kind: openmetric", "unknown source kind"),
        ('fail: "> 250ms"', "for: 1m", "no condition"),
        ("canary: 25%", "canary: 4%", "lowers the canary of llm from 5% to 4%"),
        ("shadow: {flag", "shadw: {flag", "unknown key 'shadw'"),
        ("/etc/flagd/flags.json", "flags.json", "'flags.json' is a relative path"),
        ("/etc/flagd/flags.json", "/etc/flags.yaml", "is a YAML flag file"),
        ("deadline: 3m", "deadline: 5s", "the deadline is 5s"),
    ],
)
def test_mistakes_in_the_keys_of_real_plug_ins_are_found(tmp_path, old, new, message):
    """The real kinds go through the same door as the tests' toys."""
    with open(DEMO, encoding="utf-8") as stream:  # noqa: PTH123 - a resource's path is a text
        text = stream.read()
    assert old in text
    path = tmp_path / "playbook.yaml"
    path.write_text(text.replace(old, new, 1))

    problems = playbook_file.lint(path, inputs={}, env={}, catalog=CATALOG)

    assert any(message in one.message for one in problems), problems


def test_what_an_error_may_have_caused_is_not_told_as_well(tmp_path):
    """A gate of an unknown kind is missing from its steps; that says nothing about them."""
    path = tmp_path / "playbook.yaml"
    text = Path(DEMO).read_text()
    path.write_text(text.replace("kind: threshold", "kind: threshhold"))

    told = playbook_file.lint(str(path), inputs={}, env={}, catalog=CATALOG)

    assert told
    assert all(one.severity == "error" for one in told)


def test_a_relative_flag_file_and_a_deadline_too_short_are_told_in_one_run(tmp_path):
    """Whoever corrects the one does not meet the other at `plan`."""
    path = tmp_path / "playbook.yaml"
    text = Path(DEMO).read_text()
    path.write_text(
        text.replace("/etc/flagd/flags.json", "flags.json").replace("deadline: 3m", "deadline: 5s")
    )

    told = playbook_file.lint(str(path), inputs={}, env={}, catalog=CATALOG)

    assert [one.message.split(":")[0] for one in told] == ["targets.llm", "limits.deadline"]


def test_a_deadline_that_is_itself_wrong_is_told_once(tmp_path):
    """Its default says nothing about the steps."""
    path = tmp_path / "playbook.yaml"
    text = Path(DEMO).read_text()
    path.write_text(text.replace("deadline: 3m", "deadline: soon").replace("hold: 8s", "hold: 9d"))

    (told,) = playbook_file.lint(str(path), inputs={}, env={}, catalog=CATALOG)

    assert told.message.startswith("limits.deadline: a duration is a number with a unit")


def test_a_run_step_written_as_one_text_names_the_keys(tmp_path):
    """The fix says where the text belongs."""
    path = tmp_path / "playbook.yaml"
    text = Path(DEMO).read_text()
    path.write_text(text.replace("steps:\n", 'steps:\n  - {run: "echo hello"}\n'))

    told = playbook_file.lint(str(path), inputs={}, env={}, catalog=CATALOG)

    assert "write keys and values (known: command, http, timeout, on_crash)" in [
        one.fix for one in told
    ]


def test_a_missing_key_with_one_possible_value_is_named_with_it(tmp_path):
    """Nobody has to look up what to write."""
    path = tmp_path / "playbook.yaml"
    path.write_text("name: x\n")

    fixes = [one.fix for one in playbook_file.lint(str(path), inputs={}, env={}, catalog=CATALOG)]

    assert "add apiVersion: rolloutctl/v1" in fixes
    assert "add kind: Playbook" in fixes
    assert "add steps: …" in fixes
