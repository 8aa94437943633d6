"""What lint says of targets that their service grows at its own pace."""

from __future__ import annotations

import pytest

from rolloutctl.playbook_file import lint
from rolloutctl.plugins import InstalledCatalog

PLAYBOOK = """apiVersion: rolloutctl/v1
kind: Playbook
name: prompt
targets:
  prompt:
    provider: appconfig
    region: eu-west-1
    application: abc1234
    environment: def5678
    profile: ghi9012
    {how}
    control: "1"
    canary: "2"
steps:
  - {step}
"""
LINEAR = "strategy: AppConfig.Linear20PercentEvery6Minutes"


def said(tmp_path, step, how=LINEAR):
    path = tmp_path / "playbook.yaml"
    path.write_text(PLAYBOOK.format(how=how, step=step))
    found = lint(path, inputs={}, env={}, catalog=InstalledCatalog())
    return [each for each in found if each.severity == "error"]


@pytest.mark.parametrize(
    ("step", "how"),
    [
        ("{deploy: canary, hold: 62m}", LINEAR),
        ("{deploy: canary}", "strategy: at-once"),
        ("{deploy: canary, hold: 9m}", 'strategy: "linear 50% over 6m, bake 1m"'),
    ],
    ids=["AWS's own", "at once", "a curve"],
)
def test_a_hold_that_covers_the_growth_is_sound(tmp_path, step, how):
    """Growth, bake, and what it may be late."""
    assert said(tmp_path, step, how) == []


@pytest.mark.parametrize(
    ("step", "how", "sentence", "fix"),
    [
        (
            "{canary: 10%, hold: 2h}",
            LINEAR,
            "takes weights in steps of 100%",
            "cannot be held at a share",
        ),
        ("{deploy: canary, hold: 30m}", LINEAR, "takes 1h2m to grow prompt", "write hold: 1h2m"),
        ("{switch: canary}", LINEAR, "the step holds 0s", "write hold: 1h2m"),
        ("{deploy: canary}", "flag: ''", "neither a flag nor a strategy", "at-once"),
        ("{deploy: canary}", "strategy: Linear", "'Linear' is no strategy", "AppConfig.AllAtOnce"),
        (
            "{deploy: canary}",
            "{flag: f, strategy: at-once}"[1:-1].replace(", ", "\n    "),
            "a flag is split in steps",
            "remove strategy",
        ),
        ("{deploy: control}", LINEAR, "is not one of: canary", ""),
    ],
    ids=["a share", "too short", "no hold", "no mode", "unknown", "two modes", "backwards"],
)
def test_each_mistake_is_told_with_its_way_out(tmp_path, step, how, sentence, fix):
    """In one error, with what to write instead."""
    (problem,) = said(tmp_path, step, how)

    assert sentence in problem.message
    assert fix in problem.fix
