"""Slack keeps one message a rollout; PagerDuty wakes somebody only when a human must look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import remember
from rolloutctl.errors import NotFound, Rejected, Unauthorized, Unavailable
from rolloutctl.notifiers.pagerduty import PagerDuty, PagerDutySpec, PagerSeverity
from rolloutctl.notifiers.slack import Slack, SlackSpec
from servers.chat import PagerDutyServer, SlackServer
from servers.scripted import Answer, Fault, ScriptedServer

TOKEN = "xoxb-planted-4711"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
MESSAGE = Message(
    key="r-41:12",
    rollout_id="r-41",
    playbook="new-model",
    event="step-entered",
    phase="running",
    text="step 2 of 5: canary 5% <!channel> & more",
    at=datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC),
)
STUCK = replace(MESSAGE, event="stuck", phase="stuck", text="STUCK, a human must look: llm")
FINISHED = replace(MESSAGE, event="finished", phase="rolled-back", text="rolled-back: done")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("SLACK_TOKEN", TOKEN)
    monkeypatch.setenv("PAGER_KEY", ROUTING_KEY)


@pytest.fixture
def slack():
    with SlackServer(token=TOKEN) as server:
        yield server


@pytest.fixture
def pager():
    with PagerDutyServer() as server:
        yield server


def to_slack(server, **more):
    token = SecretRef(env="SLACK_TOKEN")
    return Slack(SlackSpec(token=token, channel="C123", url=server.url, **more))


def to_pager(server, **more):
    key = SecretRef(env="PAGER_KEY")
    return PagerDuty(PagerDutySpec(routing_key=key, url=server.url, **more))


def told(notifier, *messages):
    """Tells in order, each with what the ones before returned; the last reference."""
    reference = ""
    for message in messages:
        told = notifier.notify(replace(message, reference=reference), timeout_s=5)
        reference = told or reference
    return reference


def test_a_rollout_is_one_message_and_its_course_is_the_thread(slack):
    """The message shows how it stands now; each change is answered in its thread."""
    reference = told(to_slack(slack), MESSAGE, STUCK, FINISHED)

    (head,) = slack.heads
    assert reference == "C123:1700000000.000000"
    assert "*rolled-back*" in head["text"]
    assert [text.partition(":")[0] for text in slack.thread] == ["stuck", "finished"]


def test_nobody_is_mentioned_and_no_secret_is_told(slack):
    """Slack's markup is escaped; what is known to be secret is replaced."""
    remember("planted-in-chat-4712")
    told(to_slack(slack), replace(MESSAGE, text="<!channel> planted-in-chat-4712"))

    (head,) = slack.heads
    assert "&lt;!channel&gt; ***" in head["text"]


def test_a_message_that_somebody_deleted_is_posted_anew(slack):
    """And is the one that is updated from then on."""
    notifier = to_slack(slack)
    told(notifier, MESSAGE)
    slack.messages.clear()

    reference = notifier.notify(replace(STUCK, reference="C123:1699.1"), timeout_s=5)

    assert len(slack.heads) == 1
    assert reference == "C123:1700000000.000000"


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        ("channel_not_found", NotFound, "invite the bot"),
        ("not_in_channel", Rejected, "/invite"),
        ("missing_scope", Unauthorized, "chat:write"),
        ("token_revoked", Unauthorized, "bot token"),
        ("internal_error", Unavailable, ""),
        ("something_new", Rejected, ""),
    ],
)
def test_an_answer_that_is_not_ok_says_what_to_do(slack, code, error, hint):
    """Slack answers 200 to everything: the code decides whether it is tried again."""
    slack.errors.append(code)

    with pytest.raises(error) as caught:
        to_slack(slack).notify(MESSAGE, timeout_s=5)

    assert code in caught.value.message
    assert hint in caught.value.hint
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=429, headers={"Retry-After": "3"}),
        Answer(status=503),
        Answer(body="no json"),
        Answer(fault=Fault.DROP),
    ],
)
def test_what_may_be_better_later_is_unavailable(answer):
    """So that it is tried again, within its bounds."""
    with ScriptedServer(answer) as server, pytest.raises(Unavailable) as caught:
        to_slack(server).notify(MESSAGE, timeout_s=5)

    assert caught.value.retry_after_s == (3.0 if answer.status == 429 else None)


def test_a_wrong_token_is_not_shown(slack, monkeypatch):
    """Neither is the right one."""
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-wrong-4713")

    with pytest.raises(Unauthorized) as caught:
        to_slack(slack).notify(MESSAGE, timeout_s=5)

    assert "4713" not in f"{caught.value} {caught.value.hint}"


def test_a_pager_is_woken_by_what_is_not_confirmed_and_by_nothing_else(pager):
    """One incident a rollout, resolved by its end."""
    notifier = to_pager(pager)

    reference = told(notifier, MESSAGE, STUCK, replace(STUCK, event="kill-not-confirmed"))
    assert pager.open == {"rolloutctl:r-41"}
    notifier.notify(replace(FINISHED, reference=reference), timeout_s=5)

    assert pager.open == set()
    assert [event["event_action"] for event in pager.events] == ["trigger", "trigger", "resolve"]
    payload = pager.events[0]["payload"]
    assert payload["severity"] == "critical"
    assert payload["summary"] == "rolloutctl r-41: STUCK, a human must look: llm"
    assert payload["timestamp"] == "2027-01-01T12:00:00Z"


def test_a_rollout_that_ends_well_reaches_no_pager(pager):
    """Nothing was triggered, so nothing is resolved."""
    told(to_pager(pager), MESSAGE, FINISHED)

    assert pager.events == []


def test_whoever_wants_to_be_woken_by_more_says_so(pager):
    """`on` replaces the default."""
    told(
        to_pager(pager, on=("rollback-started",), severity=PagerSeverity.WARNING),
        replace(STUCK, event="rollback-started"),
        STUCK,
    )

    (event,) = pager.events
    assert event["payload"]["class"] == "rollback-started"


def test_a_long_text_is_cut_to_what_is_taken(pager):
    """1,024 characters of summary, 255 of key."""
    told(to_pager(pager), replace(STUCK, rollout_id="r" * 400, text="x" * 5_000))

    (event,) = pager.events
    assert len(event["payload"]["summary"]) == 1_024
    assert len(event["dedup_key"]) == 255


def test_a_wrong_routing_key_is_refused_and_not_shown(pager, monkeypatch):
    """It is a secret too."""
    monkeypatch.setenv("PAGER_KEY", "planted-short-key-4714")

    with pytest.raises(Rejected) as caught:
        to_pager(pager).notify(STUCK, timeout_s=5)

    assert "4714" not in str(caught.value)
