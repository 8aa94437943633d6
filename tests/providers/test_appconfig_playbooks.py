"""The ready playbook for AppConfig by the real command: a fake AWS, a real Prometheus."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.real_command import Place, until
from providers.appconfig_worlds import CREDENTIALS, SECRET, AppConfigWorld
from rolloutctl.providers.appconfig.flag import served
from servers.in_seconds import in_seconds
from servers.kube.traffic import Traffic
from servers.prometheus import prometheus_server

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
NAME = "appconfig-flag-canary.yaml"
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-errors"


class Requests(Traffic):
    """Requests that the flag's split sends to one of the two models."""

    def __init__(self, world):
        self._world = world
        super().__init__(world.aws, ("", ""))

    def shares(self):
        exposure, trouble = served(self._world.served()["values"]["prompt"], self._world.target)
        assert not trouble
        canary = exposure.canary_bp / 10_000
        return {"gpt-4": 1 - canary, "claude": canary}


class Live:
    """The playbook, its flag in the fake AWS, requests through it, and its Prometheus."""

    def __init__(self, folder):
        self.world = AppConfigWorld("variants")
        self.traffic = Requests(self.world)
        text = in_seconds((ROOT / "playbooks" / NAME).read_text("utf-8"), hold="2s")
        endpoint = f"    endpoint: {self.world.aws.url}\n    flag: prompt"
        self.playbook = folder / NAME
        self.playbook.write_text(text.replace("    flag: prompt", endpoint), "utf-8")
        self.place = Place(folder, **CREDENTIALS)
        self.prometheus = prometheus_server(folder, self.traffic.server_port)
        self.prometheus.start()

    def start(self):
        ids = zip(("application", "environment", "profile"), self.world.ids, strict=True)
        inputs = [f"{name}={value}" for name, value in ids]
        words = [word for one in inputs for word in ("--input", one)]
        words += ["--input", f"prometheus={self.prometheus.url}"]
        return self.place.spawn("start", self.playbook, "--auto", "--output", "ndjson", *words)

    def share(self):
        return self.traffic.shares()["claude"]

    def close(self):
        self.prometheus.stop()
        self.traffic.close()
        self.world.close()


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path)
    yield made
    made.close()


def test_a_healthy_canary_gets_everybody_in_exact_steps(live):
    """5, 25, 50 and 100 %, each a hosted version of its own."""
    running = live.start()
    end = running.end()

    assert end == 0, live.place.run("list").stdout
    assert live.share() == 1.0
    writes = [what for what, _ in live.world.aws.calls if what == "StartDeployment"]
    assert len(writes) == 4
    assert SECRET not in running.out + running.err


def test_a_bad_canary_is_taken_back_to_the_very_version(live):
    """The document in force is the one from before the start."""
    before = live.world.served()
    live.traffic.failing["claude"] = 0.4

    end = live.start().end()

    assert end == 10, live.place.run("list").stdout
    assert live.world.served() == before


def test_a_kill_from_another_process_deploys_the_control(live):
    """While the rollout is driven by its own process."""
    running = live.start()
    until(lambda: live.share() > 0.04, "the canary is served")

    killed = live.place.run("kill", "--all", "--reason", "on call")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert live.share() == 0.0
    assert running.end() == 13
    assert live.share() == 0.0


def test_an_alarm_of_aws_stops_the_rollout_and_the_way_back_names_it(live):
    """AppConfig undoes every deployment while it is not OK, the safe one too: exit 20 says so."""
    app, environment, _ = live.world.ids
    live.world.aws.alarms[ALARM] = "OK"
    live.world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]
    running = live.start()
    until(lambda: live.share() > 0.04, "the canary is served")
    live.world.aws.alarms[ALARM] = "ALARM"

    until(lambda: "taken-back" in running.out, "AppConfig took the next step back")
    until(lambda: "RollbackStarted" in running.out, "the way back has begun")

    assert ALARM in running.out
    assert live.share() == 0.05
    live.world.aws.alarms[ALARM] = "OK"

    assert running.end() == 10, running.out + running.err
    assert live.share() == 0.0


def test_a_way_back_that_an_alarm_undoes_is_never_called_done(live):
    """AppConfig undoes the safe deployment too: exit 20, the alarm and the way out are named."""
    app, environment, _ = live.world.ids
    live.world.aws.alarms[ALARM] = "OK"
    live.world.aws.envs[app, environment]["Monitors"] = [{"AlarmArn": ALARM}]
    text = live.playbook.read_text("utf-8")
    live.playbook.write_text(text.replace("limits: {", "limits: {rollback: 5s, "), "utf-8")
    running = live.start()
    until(lambda: live.share() > 0.04, "the canary is served")
    live.world.aws.alarms[ALARM] = "ALARM"

    assert running.end() == 20, running.out + running.err
    assert ALARM in running.out
    assert "disable-alarm-actions" in running.out


def test_a_driver_that_dies_is_taken_over_in_the_step_that_it_left(live):
    """The next one finds what is deployed, judges on, and reaches the end without a copy."""
    running = live.start()
    until(lambda: live.share() > 0.2, "a quarter is served")
    running.stop()
    share = live.share()

    def done():
        live.place.run("tick")
        return live.share() == 1.0

    until(done, "ticks bring it to everybody")

    assert share in {0.25, 0.5}
    writes = [what for what, _ in live.world.aws.calls if what == "StartDeployment"]
    assert len(writes) == 4
