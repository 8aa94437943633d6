"""The playbooks that come with the product, read with the plug-ins that come with it."""

from __future__ import annotations

from importlib.resources import files

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
