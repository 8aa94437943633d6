"""The published JSON Schema agrees with the parser about playbooks, right and wrong."""

from __future__ import annotations

import pytest
import yaml
from jsonschema import Draft202012Validator

from rolloutctl.core import schema
from toy_language import GOOD, LoadableCatalog


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(schema.build(LoadableCatalog()))


def test_the_schema_is_a_schema(validator):
    """Editors load it without complaint."""
    Draft202012Validator.check_schema(validator.schema)


def test_a_right_playbook_is_valid(validator):
    """Also with references in the place of numbers, and names that look like others."""
    assert list(validator.iter_errors(yaml.safe_load(GOOD))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("owner:", "ownr:"),
        ("kind: Playbook", "kind: Playbok"),
        ("provider: toy", "provider: tpy"),
        ("flag: llm-model", "flog: llm-model"),
        ("interval: 10s", "interval: 10"),
        ("on_error: pause", "on_error: pass"),
        ("kind: threshold", "kind: treshold"),
        ("kind: hook", "kind: hok"),
        ("{wait: 10m}", "{wait: 10}"),
        ("{wait: 10m}", "{wiat: 10m}"),
        ("{wait: 10m}", "{wait: 10m, notify: a}"),
        ("{user.beta: true,", "{user.beta: [],"),
        ("token: ${env.TOKEN}", "token: abc"),
        ("confirm: true", "confirm: maybe"),
        ("deadline: 3d", "deadline: soon"),
        ("  llm:\n", "  l m:\n"),
    ],
)
def test_a_wrong_playbook_is_invalid(validator, old, new):
    """What an editor can see, it shows."""
    assert old in GOOD

    assert not validator.is_valid(yaml.safe_load(GOOD.replace(old, new, 1)))


def test_keys_are_described(validator):
    """An editor's completion shows what a key is for."""
    properties = validator.schema["properties"]

    assert properties["guardrails"]["description"] == "Gates judged in every phase of the rollout."
    assert properties["steps"]["items"]["oneOf"][0]["properties"]["confirm"]["default"] is False
