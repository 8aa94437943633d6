"""Kill on a flag file: what it writes, what it leaves, and what it says."""

from __future__ import annotations

import json

import pytest

from providers.flagd_files import FILE, STATES, fractional, set_flag, target_in
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.core.playbook import Arm, Target
from rolloutctl.errors import NotFound, Rejected
from rolloutctl.providers.flagd_file import FlagdFile, TargetSpec

PROVIDER = FlagdFile()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.json"
    path.write_bytes(FILE.encode())
    return path


def flag(path, name="llm"):
    return json.loads(path.read_text())["flags"][name]


def kill(path, **target):
    return PROVIDER.kill(target_in(path, **target), timeout_s=2.0)


def test_a_split_keeps_its_shape_and_gives_control_everything(path):
    """Order and bucketing stay, third arms go to zero too."""
    by_email = {"var": "email"}
    set_flag(
        path, targeting=fractional(by_email, ["mini", 1], ["gpt-4", 0.5], ["claude", {"var": "w"}])
    )

    receipt = kill(path)

    assert flag(path)["targeting"] == fractional(
        by_email, ["mini", 0], ["gpt-4", 10_000], ["claude", 0]
    )
    assert receipt.changed == "llm: gpt-4 100%, every other variant 0%"


@pytest.mark.parametrize(
    "state", ["an if", "a reference", "bucketing by a reference", "control left out"]
)
def test_a_rule_that_cannot_be_made_safe_is_removed(path, state):
    """Then everybody gets the defaultVariant, and that is control."""
    set_flag(path, **STATES[state])

    receipt = kill(path)

    assert flag(path)["targeting"] == {}
    assert flag(path)["defaultVariant"] == "gpt-4"
    assert "targeting removed" in receipt.changed


def test_a_canary_by_default_becomes_control_by_default(path):
    """Units that cannot be bucketed get control as well."""
    set_flag(path, **STATES["canary by default, split"])

    receipt = kill(path)

    assert flag(path)["defaultVariant"] == "gpt-4"
    assert 'defaultVariant "claude" -> "gpt-4"' in receipt.changed


def test_a_disabled_flag_stays_disabled_and_safe_for_whoever_enables_it(path):
    """Kill never turns on what was off."""
    set_flag(path, **STATES["disabled"])

    receipt = kill(path)

    assert flag(path)["state"] == "DISABLED"
    assert flag(path)["targeting"] == fractional(["gpt-4", 10_000], ["claude", 0])
    assert "stays DISABLED" in receipt.untouched
    seen = PROVIDER.observe(target_in(path))
    assert seen.exposure == ZERO
    assert "DISABLED" in seen.detail


def test_a_flag_without_rule_and_default_gets_neither(path):
    """Applications use the default in their code, as before."""
    set_flag(path, defaultVariant=...)
    before = flag(path)

    kill(path)

    assert flag(path) == before


def test_shadow_is_turned_off_with_the_flag(path):
    """One write for both."""
    PROVIDER.apply(
        target_in(path), split(5_000, shadow_bp=5_000), key="k", expect=None, timeout_s=1.0
    )

    kill(path)

    assert flag(path, "llm-shadow")["targeting"] == fractional(["off", 10_000], ["on", 0])
    assert PROVIDER.observe(target_in(path)).exposure == ZERO


def test_a_bare_address_needs_no_canary_name(path):
    """At 3 a.m. only the safe arm is known."""
    set_flag(path, **STATES["a third arm"])
    target = Target(
        name="address",
        provider="flagd-file",
        spec=TargetSpec(file=str(path), flag="llm"),
        control=Arm(name="control", value="gpt-4"),
        canary=Arm(name="canary", value=""),
    )

    PROVIDER.kill(target, timeout_s=2.0)

    assert PROVIDER.observe(target).exposure == ZERO


def test_without_the_control_variant_kill_says_so_and_still_turns_shadow_off(path):
    """There is nothing safe to serve, but mirroring can end."""
    set_flag(path, variants={"claude": 1}, targeting=fractional(["claude", 1]))
    set_flag(path, "llm-shadow", targeting=fractional(["on", 1], ["off", 1]))

    with pytest.raises(Rejected, match="no variant 'gpt-4'"):
        kill(path)

    assert flag(path, "llm-shadow")["targeting"] == fractional(["on", 0], ["off", 10_000])
    assert flag(path)["targeting"] == fractional(["claude", 1])


def test_a_missing_shadow_flag_does_not_protect_the_canary(path):
    """The flag is killed; the receipt says what could not be."""
    set_flag(path, targeting=fractional(["gpt-4", 1], ["claude", 1]))

    receipt = kill(path, shadow="llm-shadw")

    assert flag(path)["targeting"] == fractional(["gpt-4", 10_000], ["claude", 0])
    assert "no flag 'llm-shadw'" in receipt.untouched


def test_a_broken_file_cannot_be_killed_and_says_where(path):
    """Nothing is written into what cannot be read."""
    path.write_text('{"flags": {,')

    with pytest.raises(Rejected, match=r"flags\.json:1:12"):
        kill(path)

    assert path.read_text() == '{"flags": {,'


def test_a_missing_file_or_flag_is_not_found(path):
    """Exit 3 with the name."""
    with pytest.raises(NotFound):
        kill(path, flag="nope")
    path.unlink()
    with pytest.raises(NotFound):
        kill(path)
