"""A prompt in AppConfig judged by CloudWatch alone: the real command on two stand-ins for AWS."""

from __future__ import annotations

import threading

import pytest

from e2e.real_command import Place, until
from providers.appconfig_whole_worlds import WholeWorld
from providers.appconfig_worlds import CREDENTIALS
from rolloutctl.clock import SystemClock
from servers.fake_cloudwatch import FakeCloudWatch

pytestmark = pytest.mark.real

PLAYBOOK = """\
apiVersion: rolloutctl/v1
kind: Playbook
name: all-aws
targets:
  prompt:
    provider: appconfig
    region: eu-west-1
    application: "{ids[0]}"
    environment: "{ids[1]}"
    profile: "{ids[2]}"
    endpoint: {aws}
    strategy: AppConfig.Linear20PercentEvery6Minutes
    control: {{is: "1", labels: {{version: "1"}}}}
    canary: {{is: "2", labels: {{version: "2"}}}}
sources:
  watch: {{kind: cloudwatch, region: eu-west-1, endpoint: {cloudwatch}, namespace: Chat, offset: 0s,
          staleness: 5m}}
defaults: {{interval: 500ms, on_no_data: wait, on_error: wait, on_inconclusive: wait}}
gates:
  errors:
    kind: threshold
    source: watch
    query: '100 * Sum(Errors{{Version="${{canary.labels.version}}"}}[5s])
      / Sum(Requests{{Version="${{canary.labels.version}}"}}[5s])'
    fail: "> 5"
  pages: {{kind: alarms, source: watch, alarms: [chat-errors]}}
guardrails: [errors, pages]
steps:
  - {{deploy: canary, hold: 3h, gates: [errors, pages]}}
limits: {{deadline: 1d, observe: 1s}}
"""


class Live:
    """The profile, its metrics as the application would send them, and the command."""

    def __init__(self, folder):
        self.world, self.watch = WholeWorld("AppConfig.Linear20PercentEvery6Minutes"), None
        self.watch = FakeCloudWatch()
        self.watch.alarm("chat-errors")
        self.bad_share = 0.0
        self.playbook = folder / "all-aws.yaml"
        text = PLAYBOOK.format(
            ids=self.world.ids, aws=self.world.aws.url, cloudwatch=self.watch.url
        )
        self.playbook.write_text(text)
        self.place = Place(folder, **CREDENTIALS)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self):
        """A hundred requests ten times a second, of them what the growth gives to each."""
        while not self._ended.wait(0.1):
            share, now = self.world.share(50), SystemClock().now()
            for version, part in (("1", 1 - share), ("2", share)):
                bad = self.bad_share if version == "2" else 0.0
                if part:
                    self.watch.put("Requests", now, 100 * part, namespace="Chat", Version=version)
                    errors = 100 * part * bad
                    self.watch.put("Errors", now, errors, namespace="Chat", Version=version)

    def start(self):
        """Begun, and grown by AWS to 40 %."""
        words = ("--auto", "--output", "ndjson")
        running = self.place.spawn("start", self.playbook, *words)
        until(lambda: "Applied" in running.out or running.process.poll() is not None, "it began")
        self.world.advance(13 * 60)
        return running

    def states(self):
        with self.world.aws.lock:
            return [one["State"] for _, one in sorted(self.world.aws.deps.items())]

    def close(self):
        self._ended.set()
        self._thread.join(5)
        self.watch.close()
        self.world.close()
        assert not self.watch.violations


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path)
    yield made
    made.close()


def test_a_healthy_prompt_passes_on_cloudwatchs_word(live):
    """Grown, complete, and left with the leave of both gates."""
    running = live.start()
    live.world.advance(60 * 60)

    def promoted():
        live.place.run("promote", "--override", "--reason", "AWS's clock is ahead of ours here")
        return running.process.poll() is not None

    until(lambda: '"pass"' in running.out, "a gate passes")
    until(promoted, "the guardrails pass too, and it is promoted")

    assert running.end() == 0, running.out + running.err
    assert live.world.share() == 1.0


def test_errors_that_cloudwatch_counts_stop_the_growth(live):
    """A third of the canary's answers fail."""
    live.bad_share = 0.3

    running = live.start()

    assert running.end() == 10, running.out + running.err
    assert "guardrail errors failed" in running.out
    assert live.states() == ["COMPLETE", "ROLLED_BACK"]
    assert live.world.share() == 0.0


def test_an_alarm_stops_the_growth(live):
    """The alarm that on-call has already."""
    running = live.start()
    until(lambda: '"pass"' in running.out, "the gates have looked")
    live.watch.alarm("chat-errors", "ALARM")

    assert running.end() == 10, running.out + running.err
    assert "chat-errors" in running.out
    assert live.states() == ["COMPLETE", "ROLLED_BACK"]


def test_a_cloudwatch_that_is_away_passes_nothing(live):
    """Silence holds; nobody is promoted on it, and the kill works without it."""
    running = live.start()
    live.watch.fault = "broken"
    live.world.advance(60 * 60)
    until(lambda: "InternalServiceFault" in running.out, "the gates have looked in vain")

    refused = live.place.run("promote")

    assert running.process.poll() is None
    assert live.place.run("kill", "--all", "--reason", "test").returncode == 0
    assert live.world.share() == 0.0
    assert running.end() == 13
    assert refused.returncode != 0 or "refused" in running.out
