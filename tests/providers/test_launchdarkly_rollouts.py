"""Whole rollouts over a LaunchDarkly whose answers are lost, cut, doubled and refused."""

from __future__ import annotations

import pytest

from providers.launchdarkly_trials import Trial, UnreliableServer
from providers.launchdarkly_worlds import (
    ENVIRONMENT,
    FLAG,
    KINDS,
    SECRETS,
    LaunchDarklyWorld,
)
from rolloutctl.core.decision import WaitUntil
from rolloutctl.core.exposure import ZERO, split
from rolloutctl.errors import ExitCode
from rolloutctl.providers.launchdarkly import LaunchDarkly
from rolloutctl.runner.kill import KillOrder, in_turn, kill_targets
from rolloutctl.runner.loop import drive
from servers.fake_launchdarkly import FakeLaunchDarkly


class Asked(Exception):
    """The rollout waits for a person."""


@pytest.fixture
def trial(monkeypatch, tmp_path):
    """Makes a trial on a fake of its own."""
    servers = []
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)

    def make(kind, seed, **more):
        server = UnreliableServer(FakeLaunchDarkly(), seed)
        servers.append(server.__enter__())
        return Trial(LaunchDarklyWorld(server, kind), tmp_path, **more)

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_rollout_ends_at_full_weight_whatever_is_lost_on_the_way(trial, kind, seed):
    """The end is both intended and observed."""
    found = trial(kind, seed)

    end = found.run()

    assert end.exit_code is ExitCode.DONE, end.because
    assert found.served() == split(10_000)
    assert found.world.server.faults > 3


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("seed", range(3))
def test_a_bad_canary_is_taken_back_field_for_field(trial, kind, seed):
    """Rules, their order, targets, off variation: the environment is as it was."""
    found = trial(kind, seed, failing=True)
    content = found.world.content()

    end = found.run()

    assert end.exit_code is ExitCode.JUDGED_BAD, end.because
    assert found.world.content() == content
    assert found.served() == ZERO


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_is_confirmed_through_the_same_faults(trial, kind, seed):
    """Read back twice at zero, by an adapter that has seen nothing before."""
    found = trial(kind, seed)
    wanted = split(5_000, shadow_bp=1_000)
    LaunchDarkly().apply(found.target, wanted, key="k", expect=None, timeout_s=5)
    found.world.server.is_unreliable = True

    order = KillOrder(target=found.target, provider=LaunchDarkly())
    [report] = kill_targets([order], found.clock, fan_out=in_turn)

    found.world.server.is_unreliable = False
    assert found.served().is_zero
    assert report.confirmed, report.message


def test_an_edit_in_the_console_pauses_the_rollout_and_names_its_author(trial):
    """The audit log knows who it was."""

    def edit(running):
        running.world.edit_outside()

    found = trial("models", 0, during=edit)
    found.begin()
    waits = []

    def watch(decision):
        if isinstance(decision, WaitUntil) and decision.needs_human:
            waits.append(decision.because)
            raise Asked

    with pytest.raises(Asked):
        drive(found.rollout, watch=watch, poll_s=60)

    assert "last edited by ada@example.com at 2026-01-31T12:00" in waits[0]
    assert found.served() == split(3_000)


def test_an_approval_demanded_in_the_middle_says_where_to_approve(trial):
    """The rollback cannot write either: the exit code says that a person must look."""

    def demand(running):
        running.world.fake.environments[ENVIRONMENT]["approvalSettings"] = {"required": True}

    found = trial("models", 0, failing=True, during=demand)

    found.begin()
    end = drive(found.rollout, poll_s=60)

    assert end.exit_code is ExitCode.STUCK, end.because
    texts = [str(each.event) for each in found.journal.read("r-1")]
    page = f"/projects/default/flags/{FLAG}/targeting?env={ENVIRONMENT}"
    assert any("bypassRequiredApproval" in text and page in text for text in texts)
