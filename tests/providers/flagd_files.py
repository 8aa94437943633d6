"""Flag files for the tests of `flagd-file`: one as people write it, targets, and a world."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rolloutctl.core.playbook import Arm, ShadowFlag, Target
from rolloutctl.providers.flagd_file import FlagdFile, TargetSpec
from rolloutctl.testing.conformance_world import Operation, ServiceFault

#: Spacing, order and escapes that no JSON writer would produce: each must survive.
FILE = """\
{
    "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags" : {
    "banner": {"state":"ENABLED", "variants": { "on" : true,"off":false }, "defaultVariant":"off"},
    "llm": {
      "state": "ENABLED",
      "variants": {
        "gpt-4": "gpt-4",
        "claude": "claude-3-5-sonnet"
      },
      "defaultVariant": "gpt-4"
    },
    "llm-shadow": {
      "state": "ENABLED",
      "variants": { "on": true, "off": false },
      "defaultVariant": "off"
    },
    "caf\\u00e9": { "state": "ENABLED", "variants": {"a": 1.50, "b": 2e1}, "defaultVariant": "a" }
  }
}
"""


def target_in(path: Path, *, shadow: str | None = "llm-shadow", flag: str = "llm") -> Target:
    """The target that the tests drive."""
    return Target(
        name="llm",
        provider="flagd-file",
        spec=TargetSpec(file=str(path), flag=flag),
        control=Arm(name="control", value="gpt-4"),
        canary=Arm(name="canary", value="claude"),
        shadow=ShadowFlag(flag=shadow) if shadow else None,
    )


def set_flag(path: Path, name: str = "llm", **members: object) -> None:
    """Somebody edits a flag: members are set, or removed by `...`; saved in place."""
    data = json.loads(path.read_text())
    for key, value in members.items():
        if value is ...:
            data["flags"][name].pop(key, None)
        else:
            data["flags"][name][key] = value
    path.write_text(json.dumps(data, indent=2))
    # A save in the same tick of the file system's clock would not show.
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def fractional(*arguments: object) -> dict[str, object]:
    """A `fractional` rule."""
    return {"fractional": list(arguments)}


STATES: dict[str, dict[str, object]] = {
    "fully canary": {"targeting": fractional(["gpt-4", 0], ["claude", 100])},
    "canary by default": {"defaultVariant": "claude"},
    "canary by default, split": {
        "defaultVariant": "claude",
        "targeting": fractional(["claude", 5], ["gpt-4", 95]),
    },
    "bucketed by e-mail": {
        "targeting": fractional({"var": "email"}, ["claude", 30], ["gpt-4", 70]),
    },
    "a third arm": {
        "variants": {"gpt-4": "gpt-4", "claude": "claude", "mini": "mini"},
        "targeting": fractional(["mini", 10], ["gpt-4", 40], ["claude", 50]),
    },
    "float weights": {"targeting": fractional(["gpt-4", 99.5], ["claude", 0.5])},
    "weights that are absent": {"targeting": fractional(["gpt-4"], ["claude"])},
    "weights of nothing": {"targeting": fractional(["gpt-4", 0], ["claude", 0])},
    "control left out": {"targeting": fractional(["claude", 10])},
    "a variant twice": {"targeting": fractional(["gpt-4", 1], ["claude", 1], ["gpt-4", 1])},
    "an if": {"targeting": {"if": [{"==": [{"var": "tier"}, "gold"]}, "claude", "gpt-4"]}},
    "a reference": {"targeting": {"$ref": "somebody"}},
    "bucketing by a reference": {
        "targeting": fractional({"$ref": "x"}, ["gpt-4", 50], ["claude", 50])
    },
    "a list as targeting": {"targeting": ["claude"]},
    "disabled": {
        "state": "DISABLED",
        "targeting": fractional(["gpt-4", 50], ["claude", 50]),
    },
    "no default": {
        "defaultVariant": ...,
        "targeting": fractional(["gpt-4", 50], ["claude", 50]),
    },
    "null targeting": {"targeting": None},
    "empty targeting": {"targeting": {}},
}


class FlagdWorld:
    """A flag file in a folder of its own."""

    def __init__(self, folder: Path, text: str = FILE) -> None:
        self.path = folder / "flags.json"
        self.text = text
        self.path.write_bytes(text.encode())
        self.provider = FlagdFile()
        self.target = target_in(self.path)
        self.secrets: tuple[str, ...] = ()
        self.states = tuple(STATES)

    def enter(self, state: str) -> None:
        self.path.write_bytes(self.text.encode())
        set_flag(self.path, **STATES[state])
        set_flag(self.path, "llm-shadow", targeting=fractional(["on", 1], ["off", 3]))

    def edit_outside(self) -> None:
        set_flag(self.path, targeting=fractional(["gpt-4", 70], ["claude", 30]))

    def edit_elsewhere(self) -> None:
        text = self.path.read_bytes().decode()
        self.path.write_bytes(text.replace('"on" : true,', '"on" : true,  ').encode())

    def neighbour(self) -> object:
        return self.path.read_bytes().partition(b'"llm"')[0]

    def content(self) -> bytes:
        return self.path.read_bytes()

    def break_next(self, operation: Operation, fault: ServiceFault) -> bool:
        match fault:
            case ServiceFault.MISSING:
                self.path.rename(self.path.with_suffix(".gone"))
            case ServiceFault.FORBIDDEN if os.geteuid() and operation is not Operation.OBSERVE:
                self.path.parent.chmod(0o555)
            case ServiceFault.FORBIDDEN if os.geteuid():
                self.path.chmod(0)
            case _:
                return False
        return True

    def mend(self) -> None:
        self.path.parent.chmod(0o755)
        gone = self.path.with_suffix(".gone")
        if gone.exists():
            gone.rename(self.path)
        self.path.chmod(0o644)

    def advance(self, seconds: float) -> None:
        del seconds
