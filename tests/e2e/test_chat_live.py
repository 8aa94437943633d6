"""A rollout of the real command in a chat: one message, whoever drives, and a pager that sleeps."""

from __future__ import annotations

import pytest

from e2e.real_command import Place, until
from servers.chat import PagerDutyServer, SlackServer

pytestmark = pytest.mark.real

TOKEN, KEY = "xoxb-planted-4720", "f" * 32
STEPS = """
notifiers:
  slack: {{token: "${{env.SLACK_TOKEN}}", channel: C123, url: "{slack}"}}
  pagerduty: {{routing_key: "${{env.PAGER_KEY}}", url: "{pager}"}}
steps:
  - {{canary: 5%, confirm: true}}
  - {{canary: 25%, hold: 10m}}
"""


@pytest.fixture
def world(tmp_path):
    place = Place(tmp_path, SLACK_TOKEN=TOKEN, PAGER_KEY=KEY)
    with SlackServer(token=TOKEN) as slack, PagerDutyServer() as pager:
        place.write_playbook(STEPS.format(slack=slack.url, pager=pager.url))
        yield place, slack, pager


def test_a_message_is_updated_by_every_process_that_drives(world):
    """Started by one, gone on with by another, killed by a third: one message, one thread."""
    place, slack, pager = world
    first = place.spawn("start", place.playbook, "--auto", "--on-exit", "leave", "--id", "r-1")
    until(lambda: any("asked" in text for text in slack.thread), "the question in the thread")
    assert first.end() == 8, "nobody is there to answer"
    second = place.spawn("agent")
    try:
        assert place.run("approve", "r-1").returncode == 0
        until(lambda: any("canary 25%" in text for text in slack.thread), "the second step")
        assert place.run("kill", "r-1", "--reason", "support tickets").returncode == 0
        until(lambda: "*killed*" in slack.heads[0]["text"], "the end")
    finally:
        second.stop()

    assert len(slack.heads) == 1
    assert any("support tickets" in text for text in slack.thread)
    assert pager.events == []
    journal = place.journal.read_bytes()
    assert TOKEN.encode() not in journal
    assert KEY.encode() not in journal


def test_a_rollback_that_is_not_confirmed_wakes_somebody_until_it_is(world):
    """Stuck triggers, the end resolves."""
    place, _, pager = world
    text = place.playbook.read_text()
    place.playbook.write_text(f"{text}limits: {{rollback: 1s}}\n")
    driver = place.spawn("start", place.playbook, "--auto", "--on-exit", "leave", "--id", "r-1")
    until(lambda: place.served() == (500, 0), "5 %")
    moved = place.flags.rename(place.folder / "away.json")

    place.run("rollback", "r-1")
    until(lambda: pager.open == {"rolloutctl:r-1"}, "somebody is woken")
    driver.stop()
    moved.rename(place.flags)
    assert place.run("kill", "r-1").returncode == 0

    until(lambda: pager.open == set(), "it is resolved")
