"""Rollouts that are over leave the journal after `ROLLOUTCTL_RETENTION`; open ones never."""

import json

import pytest

DAY_S = 86_400.0


def _known(rolloutctl):
    said = rolloutctl("list", "--output", "json")
    return {one["id"] for one in json.loads(said.out)["rollouts"]}


@pytest.fixture
def over(rolloutctl):
    """A rollout `r-over` that has ended, and `r-open` that nobody drives."""
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-over")
    assert rolloutctl("kill", "r-over").exit_code == 0
    rolloutctl("start", "seconds.yaml", "--auto", "--detach", "--id", "r-open")
    return rolloutctl


def test_ninety_days_are_the_default(over, clock):
    """At 89 days it is there, at 91 it is gone; what is open stays."""
    clock.advance(89 * DAY_S)
    assert over("tick").exit_code in (0, 5)
    assert _known(over) == {"r-over", "r-open"}

    clock.advance(2 * DAY_S)
    said = over("tick")

    assert _known(over) == {"r-open"}
    assert "removed 1 rollout from the journal that ended more than 90 d ago" in said.err


def test_a_duration_of_ones_own(over, clock, monkeypatch):
    """`ROLLOUTCTL_RETENTION=7d` is obeyed by the next pass."""
    monkeypatch.setenv("ROLLOUTCTL_RETENTION", "7d")
    clock.advance(8 * DAY_S)

    over("tick")

    assert _known(over) == {"r-open"}


def test_off_keeps_everything(over, clock, monkeypatch):
    """An audit that wants all of it gets all of it."""
    monkeypatch.setenv("ROLLOUTCTL_RETENTION", "off")
    clock.advance(4_000 * DAY_S)

    over("tick")

    assert _known(over) == {"r-over", "r-open"}


def test_start_removes_old_rollouts_too(over, clock):
    """Who only ever runs `start` from pipelines keeps a small journal as well."""
    assert over("kill", "r-open").exit_code == 0
    clock.advance(91 * DAY_S)

    over("start", "seconds.yaml", "--auto", "--detach", "--id", "r-new")

    assert _known(over) == {"r-new"}


def test_a_dry_run_removes_nothing(over, clock):
    """Nothing is written, as the option says."""
    assert over("kill", "r-open").exit_code == 0
    clock.advance(91 * DAY_S)

    over("start", "seconds.yaml", "--auto", "--dry-run")

    assert _known(over) == {"r-over", "r-open"}


@pytest.mark.parametrize("text", ["90", "soon", "0s", "-1d", "11000d"])
@pytest.mark.parametrize("command", [("tick",), ("agent",), ("start", "seconds.yaml", "--auto")])
def test_what_is_no_retention_is_refused_before_anything_happens(
    rolloutctl, monkeypatch, text, command
):
    """Exit 2 with what to write; a typing error must not cost the audit trail."""
    monkeypatch.setenv("ROLLOUTCTL_RETENTION", text)

    said = rolloutctl(*command)

    assert said.exit_code == 2
    assert f"ROLLOUTCTL_RETENTION={text}" in said.err
    assert "ROLLOUTCTL_RETENTION=90d" in said.err
    assert "no journal at" in rolloutctl("list").err
