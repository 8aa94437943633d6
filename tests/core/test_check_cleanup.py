"""What lint says of a cleanup: last, and of nothing that anybody is sent to."""

from __future__ import annotations

import pytest

from rolloutctl.playbook_file import lint
from rolloutctl.plugins import InstalledCatalog

HEAD = """apiVersion: rolloutctl/v1
kind: Playbook
name: blue-green
targets:
  web:
    provider: {provider}
    control: blue
    canary: green
steps:
"""
SERVICE = (
    "kubernetes\n    context: lab\n    namespace: n\n    strategy: service-switch\n    name: web"
)
FLAG = "flagd-file\n    file: /flags.json\n    flag: web"


def said(tmp_path, *steps, provider=SERVICE):
    path = tmp_path / "playbook.yaml"
    path.write_text(HEAD.format(provider=provider) + "".join(f"  - {one}\n" for one in steps))
    found = lint(path, inputs={}, env={}, catalog=InstalledCatalog())
    return [each for each in found if each.severity == "error"]


def test_a_switch_a_hold_and_a_cleanup_are_a_sound_playbook(tmp_path):
    """The whole blue-green."""
    assert said(tmp_path, "{switch: canary, hold: 5m}", "{cleanup: control}") == []


@pytest.mark.parametrize(
    ("steps", "provider", "sentence"),
    [
        (["{cleanup: control}"], SERVICE, "the control serves"),
        (
            ["{switch: canary}", "{cleanup: control}", "{switch: canary}"],
            SERVICE,
            "changes web after its cleanup",
        ),
        (["{canary: 100%}", "{cleanup: control}"], FLAG, "flagd-file (target web) has nothing"),
        (["{canary: 5%}"], SERVICE, "takes weights in steps of 100%"),
        (
            ["{switch: canary}", "{cleanup: control, action: delete}"],
            SERVICE,
            "a deletion that nobody confirms",
        ),
        (["{switch: control}"], SERVICE, "is not one of: canary"),
    ],
    ids=["too early", "not last", "a flag", "a share", "unconfirmed", "backwards"],
)
def test_each_mistake_is_told_with_its_way_out(tmp_path, steps, provider, sentence):
    """In one error, at its place."""
    (problem,) = said(tmp_path, *steps, provider=provider)

    assert sentence in problem.message
    assert problem.fix
    assert problem.line > 9
