"""The playbook whose prompt AppConfig grows, by the real command: a fake AWS, a real Prometheus."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.real_command import Place, until
from providers.appconfig_whole_worlds import WholeWorld
from providers.appconfig_worlds import CREDENTIALS, SECRET
from servers.in_seconds import in_seconds
from servers.kube.traffic import Traffic
from servers.prometheus import prometheus_server

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
NAME = "appconfig-prompt.yaml"
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-errors"
MINUTES = 60


class Sessions(Traffic):
    """Requests of sessions that have one version of the prompt or the other."""

    def __init__(self, world):
        self._world = world
        super().__init__(world.aws, ("", ""))

    def shares(self):
        canary = self._world.share(50)
        return {"1": 1 - canary, "2": canary}


class Live:
    """The playbook, its profile in the fake AWS, sessions of it, and its Prometheus."""

    def __init__(self, folder):
        self.world = WholeWorld("AppConfig.Linear20PercentEvery6Minutes")
        self.aws = self.world.aws
        app, environment, _ = self.world.ids
        self.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]
        self.aws.alarms[ALARM] = "OK"
        self.sessions = Sessions(self.world)
        text = in_seconds((ROOT / "playbooks" / NAME).read_text("utf-8"), hold="3h")
        text = text.replace("    strategy:", f"    endpoint: {self.aws.url}\n    strategy:")
        self.playbook = folder / NAME
        self.playbook.write_text(text.replace("deadline: 1d", "deadline: 1d, observe: 1s"), "utf-8")
        self.place = Place(folder, **CREDENTIALS)
        self.prometheus = prometheus_server(folder, self.sessions.server_port)
        self.prometheus.start()

    def start(self):
        """Begun by the real command, and grown by AWS to 40 %."""
        ids = zip(("application", "environment", "profile"), self.world.ids, strict=True)
        inputs = [*(f"{name}={value}" for name, value in ids), "deployed=1", "new=2"]
        inputs.append(f"prometheus={self.prometheus.url}")
        words = [word for one in inputs for word in ("--input", one)]
        running = self.place.spawn("start", self.playbook, "--auto", "--output", "ndjson", *words)
        until(lambda: "Applied" in running.out or running.process.poll() is not None, "it began")
        self.world.advance(13 * MINUTES)
        return running

    def states(self):
        with self.aws.lock:
            return [one["State"] for _, one in sorted(self.aws.deps.items())]

    def close(self):
        self.prometheus.stop()
        self.sessions.close()
        self.world.close()


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path)
    yield made
    made.close()


def test_a_healthy_prompt_is_grown_by_aws_to_everybody(live):
    """One deployment, complete; then a person ends the hold early, with the gates' leave."""
    running = live.start()
    assert 0.2 < live.world.share() < 0.6, running.out + running.err
    live.world.advance(60 * MINUTES)

    def promoted():
        live.place.run("promote", "--override", "--reason", "AWS's clock is ahead of ours here")
        return running.process.poll() is not None

    until(lambda: '"pass"' in running.out, "a gate passes")
    until(promoted, "the guardrails pass too, and it is promoted")

    assert running.end() == 0, running.out + running.err
    assert live.states() == ["COMPLETE", "COMPLETE"]
    assert live.world.share() == 1.0
    assert SECRET not in running.out + running.err


def test_a_growth_is_not_left_by_a_plain_promote(live):
    """Nobody would judge the rest of it."""
    running = live.start()

    refused = live.place.run("promote")

    assert refused.returncode != 0
    assert "may grow it for" in refused.stdout + refused.stderr
    assert running.process.poll() is None
    running.stop()


def test_a_bad_prompt_is_stopped_in_mid_growth(live):
    """By AppConfig's own rollback, asked for by the gates; nobody keeps it."""
    live.sessions.failing["2"] = 0.6

    running = live.start()

    assert running.end() == 10, running.out + running.err
    assert live.states() == ["COMPLETE", "ROLLED_BACK"]
    assert live.world.share() == 0.0


def test_what_an_alarm_of_aws_took_back_ends_the_rollout_by_its_name(live):
    """Nothing is deployed over AWS's own decision."""
    running = live.start()
    live.aws.alarms[ALARM] = "ALARM"

    assert running.end() == 13, running.out + running.err
    assert "CLOUDWATCH_ALARM" in running.out
    assert ALARM in running.out
    assert live.states() == ["COMPLETE", "ROLLED_BACK"]


def test_a_kill_from_another_process_stops_the_growth(live):
    """And deploys the control, whoever drives the rollout."""
    running = live.start()

    killed = live.place.run("kill", "--all", "--reason", "on call")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert live.world.share() == 0.0
    assert running.end() == 13
    assert live.states() == ["COMPLETE", "ROLLED_BACK", "COMPLETE"]


def test_a_driver_that_dies_in_mid_growth_is_taken_over(live):
    """The next one finds the deployment, judges on, and can still stop it."""
    live.start().stop()
    live.sessions.failing["2"] = 0.6

    def gone_back():
        live.place.run("tick")
        return "ROLLED_BACK" in live.states()

    until(gone_back, "a tick sees it and goes back")

    assert live.states() == ["COMPLETE", "ROLLED_BACK"]
    assert live.world.share() == 0.0
