"""The webhook tells once, in a documented shape, and never shows its address's path."""

import json
from datetime import UTC, datetime

import pytest

from rolloutctl.core.ports import Message
from rolloutctl.core.secret import SecretRef
from rolloutctl.credentials import remember
from rolloutctl.errors import NotFound, Rejected, RolloutctlError, Unauthorized, Unavailable
from rolloutctl.notifiers.webhook import Webhook, WebhookFormat, WebhookSpec
from servers.scripted import Answer, Fault, ScriptedServer

MESSAGE = Message(
    key="r-41:12",
    rollout_id="r-41",
    playbook="claude-for-gpt4",
    event="gate-failed",
    phase="rolling-back",
    text="gate error-rate: 3 failures > failure_limit 2 <!channel>",
    at=datetime(2027, 1, 1, 12, 0, 0, tzinfo=UTC),
)


def test_a_message_is_our_json_with_an_idempotency_key():
    """All values are texts; the key is the same when it is told again."""
    with ScriptedServer(Answer(status=204)) as server:
        Webhook(WebhookSpec(url=f"{server.url}/hook")).notify(MESSAGE, timeout_s=5)

    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/hook")
    assert seen.headers["idempotency-key"] == "r-41:12"
    assert seen.headers["content-type"] == "application/json"
    assert json.loads(seen.body) == {
        "schema": "rolloutctl.message/v1",
        "key": "r-41:12",
        "rollout": "r-41",
        "playbook": "claude-for-gpt4",
        "event": "gate-failed",
        "phase": "rolling-back",
        "text": MESSAGE.text,
        "at": "2027-01-01T12:00:00Z",
    }


def test_slack_gets_a_text_without_markup(monkeypatch):
    """A gate's text must not mention a whole channel."""
    monkeypatch.setenv("TEAM", "planted-team")
    with ScriptedServer(Answer(body="ok", content_type="text/plain")) as server:
        spec = WebhookSpec(
            url=server.url, format=WebhookFormat.SLACK, headers={"X-Team": SecretRef(env="TEAM")}
        )
        Webhook(spec).notify(MESSAGE, timeout_s=5)

    text = json.loads(server.seen[0].body)["text"]
    assert text.startswith("r-41 (claude-for-gpt4) gate-failed: gate error-rate")
    assert "&lt;!channel&gt;" in text
    assert server.seen[0].headers["x-team"] == "planted-team"


def test_secrets_in_a_text_are_redacted_before_it_leaves():
    """A command's output may hold one."""
    remember("planted-in-text-4711")
    with ScriptedServer(Answer()) as server:
        told = Message(
            **{name: getattr(MESSAGE, name) for name in Message.__slots__ if name != "text"},
            text="output: planted-in-text-4711",
        )
        Webhook(WebhookSpec(url=server.url)).notify(told, timeout_s=5)

    assert json.loads(server.seen[0].body)["text"] == "output: ***"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=400, body="invalid_payload"), Rejected),
        (Answer(status=403, body="invalid_token"), Unauthorized),
        (Answer(status=404, body="no_service"), NotFound),
        (Answer(status=429, headers={"Retry-After": "3"}), Unavailable),
        (Answer(status=500, body="boom T0PLANTED/B0PLANTED/x0planted4711"), Unavailable),
        (Answer(status=302, headers={"Location": "/services/T0PLANTED/x"}), Rejected),
        (Answer(fault=Fault.HANG), Unavailable),
        (Answer(fault=Fault.DROP), Unavailable),
    ],
)
def test_errors_are_mapped_and_do_not_show_the_address(monkeypatch, answer, error):
    """Whoever has the path can write into the channel."""
    with ScriptedServer(answer) as server:
        monkeypatch.setenv("HOOK", f"{server.url}/services/T0PLANTED/B0PLANTED/x0planted4711")
        webhook = Webhook(WebhookSpec(url=SecretRef(env="HOOK"), timeout_s=0.3))
        with pytest.raises(error) as caught:
            webhook.notify(MESSAGE, timeout_s=5)

    assert "planted" not in (caught.value.message + caught.value.hint).lower()
    assert server.url in caught.value.message
    assert len(server.seen) == 1


def test_a_bad_or_missing_address_is_an_error_of_ours(monkeypatch):
    """Also one that only the environment knows."""
    monkeypatch.setenv("HOOK", "http://[planted")
    for name in ("HOOK", "NO_HOOK"):
        with pytest.raises(RolloutctlError) as caught:
            Webhook(WebhookSpec(url=SecretRef(env=name))).notify(MESSAGE, timeout_s=1)
        assert "planted" not in str(caught.value)


def test_a_long_answer_to_a_delivered_message_is_no_error():
    """Delivered is delivered."""
    with ScriptedServer(Answer(fault=Fault.DRIP_BODY, body="x" * 1000)) as server:
        Webhook(WebhookSpec(url=server.url, timeout_s=2)).notify(MESSAGE, timeout_s=2)

    assert len(server.seen) == 1
